/**
 * A caller's media at the POP: a transport for each direction, the caller's voice as packets to the tap, the writer's
 * stream to the caller, and in a room the streams of the others. Lives as long as one set of transports; a client that comes back without its own gets
 * another. Owns no timers and no session.
 */
import type { Consumer, IceParameters, Producer } from 'mediasoup/types';
import type { MediaWorker } from '../backbone/index.ts';
import { AntipodeError } from '../errors.ts';
import { CallerTransport, type OfferedTransport } from './caller-transport.ts';
import { type ClientRtpParameters, clientRtpParameters } from './client-rtp.ts';
import { directCapabilities } from './direct-capabilities.ts';
import { mediaFailure } from './media-failure.ts';
import type { MediaKind } from './room-seat.ts';

export interface CallerMediaOptions {
  worker: MediaWorker;
  /** Id of the writer's producer on this worker's router, asked for when the caller wants to hear it. */
  downlinkProducerId: () => string;
  /** Takes each RTP packet of the caller; the buffer is its own. */
  onUplink: (packet: Buffer) => void;
  /** In a room: what the others hear and see of the caller, and what it may hear and see of them. */
  room?: MediaRoom | undefined;
  /** Called whenever one of the getters below may say something else. */
  onChange: () => void;
}

export interface MediaRoom {
  /** The caller is muted: its voice is made silent. */
  readonly muted: boolean;
  produces(producer: Producer): void;
  /** @throws ERR_MEDIA_STATE for a stream of nobody else in the room */
  producer(producerId: string): Producer;
}

export interface Offer {
  sendTransport: OfferedTransport;
  recvTransport: OfferedTransport;
}

export interface CallerConsumer {
  consumerId: string;
  producerId: string;
  kind: MediaKind;
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

  /** Video in a room only. @throws ERR_MEDIA_STATE, ERR_MEDIA_PARAMETERS, ERR_MEDIA_WORKER_DIED */
  async produce(
    transportId: string,
    rtpParameters: unknown,
    kind: MediaKind = 'audio',
  ): Promise<{ producerId: string }> {
    const { room } = this.#options;
    if (kind === 'video' && !room) throw new AntipodeError('ERR_MEDIA_STATE', 'Nobody is there to see a video.');
    const paused = kind === 'audio' && room?.muted === true;
    const producer = await this.#transport(transportId).produce(rtpParameters, kind, { paused });
    if (kind === 'audio') {
      await this.#listen(producer);
      this.#produced = true;
    }
    room?.produces(producer);
    this.#options.onChange();
    return { producerId: producer.id };
  }

  /**
   * The agent's voice, or the stream of another in the room.
   * @throws ERR_MEDIA_STATE, ERR_MEDIA_PARAMETERS, ERR_MEDIA_WORKER_DIED
   */
  async consume(transportId: string, rtpCapabilities: unknown, other?: string): Promise<CallerConsumer> {
    const { producerId, kind } = this.#source(other);
    const consumer = await this.#transport(transportId).consume(producerId, rtpCapabilities, kind);
    if (other === undefined) {
      this.#consumed = true;
      this.#options.onChange();
    }
    return { consumerId: consumer.id, producerId, kind, rtpParameters: clientRtpParameters(consumer.rtpParameters) };
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

  #source(other: string | undefined): { producerId: string; kind: MediaKind } {
    const { room, downlinkProducerId } = this.#options;
    if (other === undefined) return { producerId: downlinkProducerId(), kind: 'audio' };
    if (!room) throw new AntipodeError('ERR_MEDIA_STATE', 'This call is in no room.', { path: 'data.producerId' });
    const { id: producerId, kind } = room.producer(other);
    return { producerId, kind };
  }

  #transport(transportId: string): CallerTransport {
    for (const transport of [this.#send, this.#recv]) if (transport.transportId === transportId) return transport;
    throw new AntipodeError('ERR_MEDIA_STATE', 'This call has no such transport.', { path: 'data.transportId' });
  }
}
