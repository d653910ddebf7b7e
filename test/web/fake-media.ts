/**
 * Real WebRTC for the fake POP: one mediasoup worker and router; the caller hears their own voice back. Not an edge:
 * no pipe, no splice, nothing replaces a worker by itself.
 */
import { createWorker, type types } from 'mediasoup';
import type { OfferedTransport, SignalingAnswer, SignalingData } from '../../src/signaling/protocol.ts';

/** A transport that nobody answers at (port 9, discard). */
export const OFFERED_WITHOUT_MEDIA: OfferedTransport = {
  transportId: 't-1',
  iceParameters: { usernameFragment: 'fake', password: 'fakefakefakefakefakefake', iceLite: true },
  iceCandidates: [],
  dtlsParameters: { role: 'auto', fingerprints: [{ algorithm: 'sha-256', value: Array(32).fill('AB').join(':') }] },
};

const MEDIA_CODECS: types.RouterRtpCodecCapability[] = [
  { kind: 'audio', mimeType: 'audio/opus', clockRate: 48_000, channels: 2, preferredPayloadType: 100 },
];

export class FakeMedia {
  #worker: types.Worker;
  #router: types.Router;
  #transports = new Map<string, types.WebRtcTransport>();
  #produced = Promise.withResolvers<types.Producer>();

  private constructor(worker: types.Worker, router: types.Router) {
    this.#worker = worker;
    this.#router = router;
  }

  static async start(): Promise<FakeMedia> {
    const worker = await createWorker({ logLevel: 'error' });
    return new FakeMedia(worker, await worker.createRouter({ mediaCodecs: MEDIA_CODECS }));
  }

  get routerRtpCapabilities(): types.RtpCapabilities {
    return this.#router.rtpCapabilities;
  }

  get alive(): boolean {
    return !this.#worker.died && !this.#worker.closed && this.#transports.size > 0;
  }

  /** Kill the worker with SIGKILL and start another one, as an edge would. */
  async kill(): Promise<void> {
    process.kill(this.#worker.pid, 'SIGKILL');
    await new Promise<void>((resolve) => this.#worker.once('died', () => resolve()));
    this.#transports.clear();
    this.#produced = Promise.withResolvers();
    this.#worker = await createWorker({ logLevel: 'error' });
    this.#router = await this.#worker.createRouter({ mediaCodecs: MEDIA_CODECS });
  }

  /** New transports to send and to receive by; older ones are closed. */
  async offer(): Promise<[OfferedTransport, OfferedTransport]> {
    for (const transport of this.#transports.values()) transport.close();
    this.#transports.clear();
    this.#produced = Promise.withResolvers();
    return Promise.all([this.#transport(), this.#transport()]);
  }

  async connectTransport({ transportId, dtlsParameters }: SignalingData<'connectTransport'>): Promise<void> {
    await this.#find(transportId).connect({ dtlsParameters });
  }

  async restartIce({ transportId }: SignalingData<'restartIce'>): Promise<SignalingAnswer<'restartIce'>> {
    return { iceParameters: await this.#find(transportId).restartIce() };
  }

  async produce(data: SignalingData<'produce'>): Promise<SignalingAnswer<'produce'>> {
    const rtpParameters = data.rtpParameters as types.RtpParameters;
    const producer = await this.#find(data.transportId).produce({ kind: 'audio', rtpParameters });
    this.#produced.resolve(producer);
    return { producerId: producer.id };
  }

  async consume(data: SignalingData<'consume'>): Promise<SignalingAnswer<'consume'>> {
    const producer = await this.#produced.promise;
    const rtpCapabilities = data.rtpCapabilities as types.RtpCapabilities;
    const consumer = await this.#find(data.transportId).consume({ producerId: producer.id, rtpCapabilities });
    return {
      consumerId: consumer.id,
      producerId: producer.id,
      kind: 'audio',
      rtpParameters: consumer.rtpParameters as SignalingAnswer<'consume'>['rtpParameters'],
    };
  }

  async close(): Promise<void> {
    const gone = new Promise<void>((resolve) => this.#worker.once('subprocessclose', () => resolve()));
    this.#worker.close();
    await gone;
  }

  async #transport(): Promise<OfferedTransport> {
    const transport = await this.#router.createWebRtcTransport({
      listenInfos: [{ protocol: 'udp', ip: '127.0.0.1' }],
    });
    this.#transports.set(transport.id, transport);
    const { id: transportId, iceParameters, iceCandidates, dtlsParameters } = transport;
    return { transportId, iceParameters, iceCandidates, dtlsParameters };
  }

  #find(transportId: string): types.WebRtcTransport {
    const transport = this.#transports.get(transportId);
    if (!transport) throw new Error(`no transport ${transportId}`);
    return transport;
  }
}
