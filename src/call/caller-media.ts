/**
 * The WebRTC media of one call: a sending and a receiving transport as the POP offered them, the microphone's track on
 * one, the agent's voice from the other. Owns them from the offer to `close()`; which offer, and when a new one is
 * needed, is the call's business.
 */
import { EventEmitter } from 'node:events';
import type { Consumer, RtpCapabilities, RtpParameters, Transport } from 'mediasoup-client/types';
import type { Clock } from '../clock.ts';
import { AntipodeError } from '../errors.ts';
import type { JoinAnswer, OfferedTransport, SignalingData } from '../signaling/protocol.ts';
import type { SignalingClient } from './signaling-client.ts';
import type { AudioSink, AudioSource, SinkFrame, WebRtc } from './web-rtc.ts';

export interface CallerMediaOptions {
  answer: JoinAnswer;
  signaling: Pick<SignalingClient, 'request'>;
  webRtc: WebRtc;
  source: AudioSource;
  clock: Clock;
  /** Both transports must be connected by then. */
  connectTimeoutMs: number;
  /** The agent's voice, 10 ms a time. */
  onFrame(frame: SinkFrame): void;
}

export interface CallerMediaEvents {
  /** A transport that was connected is lost for good. */
  failed: [];
}

export class CallerMedia extends EventEmitter<CallerMediaEvents> {
  readonly #options: CallerMediaOptions;
  readonly #send: Transport;
  readonly #recv: Transport;
  readonly #recvRtpCapabilities: RtpCapabilities;
  readonly #track: MediaStreamTrack;
  readonly #connected = new Set<Transport>();
  readonly #opened = Promise.withResolvers<void>();
  #sink: AudioSink | null = null;
  #agentTrackId: string | null = null;
  readonly #others: AudioSink[] = [];
  #closed = false;

  /** Transports as the POP offered them, not connected yet. @throws AntipodeError ERR_MEDIA_STATE without an offer */
  static async create(options: CallerMediaOptions): Promise<CallerMedia> {
    const { sendTransport, recvTransport, iceServers } = options.answer;
    if (!sendTransport || !recvTransport) {
      throw new AntipodeError('ERR_MEDIA_STATE', 'the server offered no transports');
    }
    const device = options.webRtc.createDevice();
    // The protocol's schemas are looser than the types of mediasoup-client, which checks for itself.
    await device.load({ routerRtpCapabilities: options.answer.routerRtpCapabilities as RtpCapabilities });
    return new CallerMedia(
      options,
      device.createSendTransport({ ...transportOptions(sendTransport), iceServers }),
      device.createRecvTransport({ ...transportOptions(recvTransport), iceServers }),
      device.recvRtpCapabilities,
    );
  }

  private constructor(
    options: CallerMediaOptions,
    send: Transport,
    recv: Transport,
    recvRtpCapabilities: RtpCapabilities,
  ) {
    super();
    this.#options = options;
    this.#send = send;
    this.#recv = recv;
    this.#recvRtpCapabilities = recvRtpCapabilities;
    this.#opened.promise.catch(() => {});
    this.#track = options.source.createTrack();
    for (const transport of [send, recv]) this.#wire(transport);
    send.on('produce', ({ rtpParameters }, done, failed) => {
      options.signaling
        .request('produce', {
          transportId: send.id,
          kind: 'audio',
          rtpParameters: rtpParameters as SignalingData<'produce'>['rtpParameters'],
        })
        .then(({ producerId }) => done({ id: producerId }), failed);
    });
  }

  /**
   * Resolves when both transports are connected.
   * @throws AntipodeError ERR_MEDIA_CONNECT_TIMEOUT, ERR_MEDIA_STATE after close(), or what the POP answered
   */
  async connect(): Promise<void> {
    const { clock, connectTimeoutMs } = this.#options;
    const timer = clock.setTimeout(() => {
      const words = `the media did not connect within ${connectTimeoutMs / 1_000} s`;
      this.#opened.reject(new AntipodeError('ERR_MEDIA_CONNECT_TIMEOUT', words));
    }, connectTimeoutMs);
    try {
      await Promise.all([this.#produce(), this.#consume(), this.#opened.promise]);
    } finally {
      timer.cancel();
    }
  }

  /** The voice of another in the room, 10 ms a time. @throws what the POP answers */
  async listenTo(producerId: string, onFrame: (frame: SinkFrame) => void): Promise<void> {
    const consumer = await this.#receive(producerId);
    if (this.#closed) return;
    const sink = this.#options.webRtc.createAudioSink(consumer.track);
    this.#others.push(sink);
    sink.ondata = onFrame;
  }

  /** Agent's packets that never arrived, by the receiver's own account. */
  async packetsLost(): Promise<number> {
    if (this.#closed) return 0;
    let lost = 0;
    for (const report of (await this.#recv.getStats()).values()) {
      if (report.type === 'inbound-rtp' && report.trackIdentifier === this.#agentTrackId)
        lost += Math.max(0, report.packetsLost ?? 0);
    }
    return lost;
  }

  /** Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#opened.reject(new AntipodeError('ERR_MEDIA_STATE', 'the media was closed before it had connected'));
    this.#sink?.stop();
    for (const sink of this.#others) sink.stop();
    this.#track.stop();
    this.#send.close();
    this.#recv.close();
  }

  #wire(transport: Transport): void {
    transport.on('connect', ({ dtlsParameters }, done, failed) => {
      this.#options.signaling
        .request('connectTransport', { transportId: transport.id, dtlsParameters })
        .then(() => done(), failed);
    });
    transport.on('connectionstatechange', (state) => {
      if (state === 'connected') {
        this.#connected.add(transport);
        if (this.#connected.size === 2) this.#opened.resolve();
      }
      if (state !== 'failed') return;
      this.#opened.reject(new AntipodeError('ERR_MEDIA_CONNECT_TIMEOUT', 'the connection for media failed'));
      this.emit('failed');
    });
  }

  async #produce(): Promise<void> {
    await this.#send.produce({
      track: this.#track,
      stopTracks: false,
      codecOptions: { opusStereo: false, opusDtx: true, opusFec: true },
    });
  }

  async #consume(): Promise<void> {
    const { webRtc, onFrame } = this.#options;
    const consumer = await this.#receive();
    if (this.#closed) return;
    this.#agentTrackId = consumer.track.id;
    this.#sink = webRtc.createAudioSink(consumer.track);
    this.#sink.ondata = onFrame;
  }

  /** The agent's voice, or another's. */
  async #receive(producerId?: string): Promise<Consumer> {
    const offered = await this.#options.signaling.request('consume', {
      transportId: this.#recv.id,
      rtpCapabilities: this.#recvRtpCapabilities as SignalingData<'consume'>['rtpCapabilities'],
      ...(producerId !== undefined && { producerId }),
    });
    return this.#recv.consume({
      id: offered.consumerId,
      producerId: offered.producerId,
      kind: offered.kind,
      rtpParameters: offered.rtpParameters as RtpParameters,
    });
  }
}

function transportOptions(offered: OfferedTransport) {
  const { transportId, iceParameters, iceCandidates, dtlsParameters } = offered;
  return { id: transportId, iceParameters, iceCandidates, dtlsParameters };
}
