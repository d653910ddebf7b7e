/**
 * A caller's media at the POP: a transport for each direction, the caller's stream as packets to the tap, and the
 * writer's stream to the caller. Lives as long as one set of transports; a client that comes back without its own gets
 * another. Owns no timers and no session.
 */
import type { Consumer, IceParameters, Producer } from 'mediasoup/types';
import type { MediaWorker } from '../backbone/index.ts';
import { AntipodeError } from '../errors.ts';
import { CallerTransport, type OfferedTransport } from './caller-transport.ts';
import { type ClientRtpParameters, clientRtpParameters } from './client-rtp.ts';
import { directCapabilities } from './direct-capabilities.ts';
import { mediaFailure } from './media-failure.ts';

export interface CallerMediaOptions {
  worker: MediaWorker;
  /** Id of the writer's producer on this worker's router, asked for when the caller wants to hear it. */
  downlinkProducerId: () => string;
  /** Takes each RTP packet of the caller; the buffer is its own. */
  onUplink: (packet: Buffer) => void;
  /** Called whenever one of the getters below may say something else. */
  onChange: () => void;
}

export interface Offer {
  sendTransport: OfferedTransport;
  recvTransport: OfferedTransport;
}

export interface CallerConsumer {
  consumerId: string;
  producerId: string;
  kind: 'audio';
  rtpParameters: ClientRtpParameters;
}

export class CallerMedia {
  readonly #options: CallerMediaOptions;
  readonly #send: CallerTransport;
  readonly #recv: CallerTransport;
  #produced = false;
  #consumed = false;
  #closed = false;

  private constructor(options: CallerMediaOptions, send: CallerTransport, recv: CallerTransport) {
    this.#options = options;
    this.#send = send;
    this.#recv = recv;
  }

  /** @throws ERR_MEDIA_WORKER_DIED */
  static async create(options: CallerMediaOptions): Promise<CallerMedia> {
    const changed = () => options.onChange();
    const made = await Promise.allSettled([
      CallerTransport.create(options.worker, 'send', changed),
      CallerTransport.create(options.worker, 'recv', changed),
    ]);
    const [send, recv] = made;
    if (send.status === 'fulfilled' && recv.status === 'fulfilled') {
      return new CallerMedia(options, send.value, recv.value);
    }
    for (const one of made) if (one.status === 'fulfilled') one.value.close();
    throw send.status === 'rejected' ? send.reason : (recv as PromiseRejectedResult).reason;
  }

  /** The agent would be heard: our voice has a way to the caller, and the caller's to us is set up. */
  get ready(): boolean {
    return this.#produced && this.#consumed && this.#recv.state === 'connected';
  }

  /** Both directions are up. */
  get connected(): boolean {
    return this.ready && this.#send.state === 'connected';
  }

  /** A direction that was to be up is not, for now or for good. */
  get lost(): boolean {
    return [this.#send, this.#recv].some(({ state }) => state === 'lost' || state === 'dead' || state === 'closed');
  }

  /** The client could still use these transports. */
  get alive(): boolean {
    return [this.#send, this.#recv].every(({ state }) => state !== 'dead' && state !== 'closed');
  }

  /** A DTLS handshake failed, or the client closed its end. */
  get dead(): boolean {
    return this.#send.state === 'dead' || this.#recv.state === 'dead';
  }

  offer(): Offer {
    return { sendTransport: this.#send.offer(), recvTransport: this.#recv.offer() };
  }

  /** @throws ERR_MEDIA_STATE for an unknown transport and at a second call, ERR_MEDIA_PARAMETERS */
  connect(transportId: string, dtlsParameters: unknown): Promise<void> {
    return this.#transport(transportId).connect(dtlsParameters);
  }

  /** @throws ERR_MEDIA_STATE for an unknown transport */
  restartIce(transportId: string): Promise<IceParameters> {
    return this.#transport(transportId).restartIce();
  }

  /** @throws ERR_MEDIA_STATE, ERR_MEDIA_PARAMETERS, ERR_MEDIA_WORKER_DIED */
  async produce(transportId: string, rtpParameters: unknown): Promise<{ producerId: string }> {
    const producer = await this.#transport(transportId).produce(rtpParameters);
    await this.#listen(producer);
    this.#produced = true;
    this.#options.onChange();
    return { producerId: producer.id };
  }

  /** @throws ERR_MEDIA_STATE, ERR_MEDIA_PARAMETERS, ERR_MEDIA_WORKER_DIED */
  async consume(transportId: string, rtpCapabilities: unknown): Promise<CallerConsumer> {
    const producerId = this.#options.downlinkProducerId();
    const consumer = await this.#transport(transportId).consume(producerId, rtpCapabilities);
    this.#consumed = true;
    this.#options.onChange();
    return {
      consumerId: consumer.id,
      producerId,
      kind: 'audio',
      rtpParameters: clientRtpParameters(consumer.rtpParameters),
    };
  }

  /** Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#send.close();
    this.#recv.close();
  }

  /** The caller's packets, by a direct consumer: it closes with the producer. */
  async #listen(producer: Producer): Promise<void> {
    const { direct, router } = this.#options.worker;
    let consumer: Consumer;
    try {
      consumer = await direct.consume({ producerId: producer.id, rtpCapabilities: directCapabilities(router) });
    } catch (error) {
      throw mediaFailure(error, producer, 'The stream can not be listened to.');
    }
    consumer.on('rtp', (packet) => this.#options.onUplink(packet));
  }

  #transport(transportId: string): CallerTransport {
    for (const transport of [this.#send, this.#recv]) if (transport.transportId === transportId) return transport;
    throw new AntipodeError('ERR_MEDIA_STATE', 'This call has no such transport.', { path: 'data.transportId' });
  }
}
