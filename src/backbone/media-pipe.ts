/**
 * One end of a media pipe between a POP's and a core's worker: a mediasoup PipeTransport that always runs SRTP. Owns
 * the transport and the streams over it; the other end's address and key come by the control channel.
 *
 * What arrives: payload, marker, timestamp, audio level and packet number of each packet as its sender wrote them, in
 * the order in which the network delivers. NOT the sequence number of the RTP header: each mediasoup consumer on the way
 * adds an offset of its own (1000 to 32768, drawn when it starts, plus one less for each packet that it swallowed for
 * having no payload), so gaps, reordering and wrap-around show, but the numbers are others. `buildRtp` therefore writes
 * the number into a header extension too and `RtpView.sequenceNumber` reads it from there: number packets with
 * `buildRtp`, read them with `parseRtp`, and the numbers are the sender's. Lost on the way by the rules
 * of mediasoup and SRTP (measured, 3.27): a packet without payload; one that is 1024 or more behind the newest; a second
 * copy; and where the numbers jump ahead by 3000 or more, the first four packets from there, one for each stream object
 * on the way.
 */
import { isIP } from 'node:net';
import type { Consumer, PipeTransport, Producer, RtpCapabilities } from 'mediasoup/types';
import type { z } from 'zod';
import { AntipodeError, asAntipodeError } from '../errors.ts';
import type { MediaWorker } from './media-worker.ts';
import { opusProducerParameters } from './opus-stream.ts';
import type { PipeStream, PipeTuple, srtpParametersSchema, VideoStream } from './protocol.ts';
import { videoProducerParameters, videoStreamOf } from './video-stream.ts';

/** UDP ports, both included. */
export interface PortRange {
  readonly min: number;
  readonly max: number;
}

export interface MediaPipeOptions {
  /** The POP chooses it; both ends use it. */
  pipeId: string;
  /** An address of this machine; the port is the worker's choice. */
  listenIp: string;
  /** What the worker may choose from; null: any free one. @defaultValue null */
  ports?: PortRange | null;
  /** IP address that the other end is told, when it is not listenIp. Must be one when listenIp is a wildcard. */
  announcedAddress: string | null;
}

/** SRTP key of what one end sends: a secret. */
export type PipeSrtpParameters = z.infer<typeof srtpParametersSchema>;

/** Where one end listens and what it encrypts with. */
export interface PipeEnd {
  pipeId: string;
  tuple: PipeTuple;
  srtpParameters: PipeSrtpParameters;
}

export interface MediaPipeStats {
  /** Whole datagrams, SRTP and SRTCP. */
  bytesSent: number;
  bytesReceived: number;
  rtpBytesSent: number;
  rtpBytesReceived: number;
}

/** A local producer on its way out. Closing it, the pipe or the producer ends it. */
export interface SentStream {
  readonly stream: PipeStream;
  close(): void;
}

/** A local video producer on its way out. Closing it, the pipe or the producer ends it. */
export interface SentVideo {
  readonly stream: VideoStream;
  close(): void;
}

/** A stream of the other end that several listen to here. */
export interface ReceivedStream {
  /** Of the producer on our router. */
  readonly id: string;
  /** This one listens no more; the last one's close ends it. Idempotent. */
  close(): void;
}

/** Why a pipe is closed: by `close()`, or because its worker died. */
export type PipeCloseReason = 'closed' | 'worker-died';

export class MediaPipe {
  readonly pipeId: string;
  readonly local: PipeEnd;
  readonly #transport: PipeTransport;
  readonly #listenIp: string;
  readonly #capabilities: RtpCapabilities;
  /** Streams that are received for several, by SSRC. */
  readonly #shared = new Map<number, { readonly opening: Promise<Producer>; listeners: number }>();
  readonly #closeListeners = new Set<(reason: PipeCloseReason) => void>();
  #connecting = false;
  #closeReason: PipeCloseReason | null = null;

  private constructor(transport: PipeTransport, capabilities: RtpCapabilities, listenIp: string, local: PipeEnd) {
    this.pipeId = local.pipeId;
    this.local = local;
    this.#listenIp = listenIp;
    this.#transport = transport;
    this.#capabilities = capabilities;
    transport.observer.once('close', () => this.#onClosed('worker-died'));
  }

  /** @throws ERR_MEDIA_WORKER_DIED, ERR_CONFIG_INVALID when no address is left that the other end could send to */
  static async create(worker: MediaWorker, options: MediaPipeOptions): Promise<MediaPipe> {
    const { pipeId, listenIp, announcedAddress, ports = null } = options;
    const ip = announcedAddress ?? listenIp;
    if (isIP(ip) === 0 || ip === '0.0.0.0' || ip === '::') {
      throw new AntipodeError('ERR_CONFIG_INVALID', `Backbone media needs an IP address to announce, not "${ip}".`, {
        path: 'backbone.announcedAddress',
      });
    }
    let transport: PipeTransport;
    try {
      transport = await worker.router.createPipeTransport({
        listenInfo: {
          protocol: 'udp',
          ip: listenIp,
          announcedAddress: announcedAddress ?? undefined,
          ...(ports !== null && { portRange: { ...ports } }),
        },
        enableSrtp: true,
        // For video alone: Opus has none.
        enableRtx: true,
        enableSctp: false,
      });
    } catch (error) {
      if (worker.router.closed) throw workerDied(error);
      const where = ports === null ? listenIp : `${listenIp}, UDP ports ${ports.min} to ${ports.max}`;
      throw new AntipodeError('ERR_CONFIG_INVALID', `Backbone media can't listen on ${where}.`, {
        path: ports === null ? 'backbone.listenIp' : 'backbone.ports',
        cause: error,
      });
    }
    const { srtpParameters, tuple } = transport;
    if (!srtpParameters) {
      transport.close();
      throw new AntipodeError('ERR_INTERNAL', 'mediasoup made a pipe without SRTP.');
    }
    return new MediaPipe(transport, worker.router.rtpCapabilities, listenIp, {
      pipeId,
      tuple: { ip, port: tuple.localPort },
      srtpParameters,
    });
  }

  get closed(): boolean {
    return this.#closeReason !== null;
  }

  /**
   * Point the pipe at its other end, once: a new other end needs a new pipe.
   * @throws ERR_MEDIA_STATE at a second call, ERR_MEDIA_PARAMETERS, ERR_BACKBONE_CLOSED, ERR_MEDIA_WORKER_DIED
   */
  async connect(remote: Pick<PipeEnd, 'tuple' | 'srtpParameters'>): Promise<void> {
    this.#assertOpen();
    if (this.#connecting) throw new AntipodeError('ERR_MEDIA_STATE', `Pipe ${this.pipeId} is connected already.`);
    this.#connecting = true;
    try {
      const { port } = remote.tuple;
      const ip = this.#reachable(remote.tuple.ip);
      await this.#transport.connect({ ip, port, srtpParameters: { ...remote.srtpParameters } });
    } catch (error) {
      throw this.#failure(error, 'The other end of the pipe gave an address or key that does not work.');
    }
  }

  /** Send `producer` of our router to the other end. @throws ERR_BACKBONE_CLOSED, ERR_MEDIA_PARAMETERS */
  async send(producer: Producer): Promise<SentStream> {
    const consumer = await this.#consume(producer);
    const ssrc = consumer.rtpParameters.encodings?.[0]?.ssrc;
    if (ssrc === undefined) throw new AntipodeError('ERR_INTERNAL', 'mediasoup made a pipe consumer without SSRC.');
    return { stream: { producerId: producer.id, ssrc }, close: () => consumer.close() };
  }

  /** As `send`, for video: a request for a key frame of the other end comes back to the producer. */
  async sendVideo(producer: Producer): Promise<SentVideo> {
    const consumer = await this.#consume(producer);
    try {
      return { stream: videoStreamOf(producer.id, consumer.rtpParameters), close: () => consumer.close() };
    } catch (error) {
      consumer.close();
      throw error;
    }
  }

  async #consume(producer: Producer): Promise<Consumer> {
    this.#assertOpen();
    try {
      return await this.#transport.consume({ producerId: producer.id, appData: { pipeId: this.pipeId } });
    } catch (error) {
      throw this.#failure(error, `Producer ${producer.id} can't be sent over pipe ${this.pipeId}.`);
    }
  }

  /**
   * The other end's `stream` as a producer on our router. Packets that come before this are lost.
   * @throws ERR_BACKBONE_CLOSED, ERR_MEDIA_PARAMETERS when its SSRC is in use on this pipe
   */
  async receive(stream: PipeStream): Promise<Producer> {
    this.#assertOpen();
    try {
      return await this.#transport.produce({
        kind: 'audio',
        rtpParameters: opusProducerParameters(stream.ssrc),
        appData: { pipeId: this.pipeId, remoteProducerId: stream.producerId },
      });
    } catch (error) {
      throw this.#failure(error, `Stream ${stream.ssrc} can't be received over pipe ${this.pipeId}.`);
    }
  }

  /**
   * As `receive`, for a stream that the other end tells several of us of: all get the same producer.
   * @throws as `receive`
   */
  async receiveShared(stream: PipeStream): Promise<ReceivedStream> {
    const known = this.#shared.get(stream.ssrc);
    const shared = known ?? { opening: this.receive(stream), listeners: 0 };
    this.#shared.set(stream.ssrc, shared);
    shared.listeners += 1;
    const leave = (producer: Producer | null) => {
      shared.listeners -= 1;
      if (shared.listeners > 0) return;
      if (this.#shared.get(stream.ssrc) === shared) this.#shared.delete(stream.ssrc);
      producer?.close();
    };
    let producer: Producer;
    try {
      producer = await shared.opening;
    } catch (error) {
      leave(null);
      throw error;
    }
    let closed = false;
    return {
      id: producer.id,
      close() {
        if (closed) return;
        closed = true;
        leave(producer);
      },
    };
  }

  /** The other end's video as a producer on our router. @throws ERR_BACKBONE_CLOSED, ERR_MEDIA_PARAMETERS */
  async receiveVideo(stream: VideoStream): Promise<Producer> {
    this.#assertOpen();
    try {
      return await this.#transport.produce({
        kind: 'video',
        rtpParameters: videoProducerParameters(stream, this.#capabilities),
        appData: { pipeId: this.pipeId, remoteProducerId: stream.producerId },
      });
    } catch (error) {
      throw this.#failure(error, `Video of producer ${stream.producerId} can't be received over pipe ${this.pipeId}.`);
    }
  }

  /** Called once, when the pipe closes, or soon when it is closed already. The function it returns takes it back. */
  onClose(listener: (reason: PipeCloseReason) => void): () => void {
    const reason = this.#closeReason;
    if (reason !== null) {
      queueMicrotask(() => listener(reason));
      return () => {};
    }
    this.#closeListeners.add(listener);
    return () => this.#closeListeners.delete(listener);
  }

  /** @throws ERR_BACKBONE_CLOSED */
  async getStats(): Promise<MediaPipeStats> {
    this.#assertOpen();
    const stats = await this.#transport.getStats().catch((error) => {
      throw this.#failure(error, `Pipe ${this.pipeId} gave no statistics.`);
    });
    const first = stats[0];
    if (!first) throw new AntipodeError('ERR_INTERNAL', `Pipe ${this.pipeId} gave no statistics.`);
    return {
      bytesSent: first.bytesSent,
      bytesReceived: first.bytesReceived,
      rtpBytesSent: first.rtpBytesSent,
      rtpBytesReceived: first.rtpBytesReceived,
    };
  }

  /** Ends every stream over the pipe. Idempotent. */
  close(): void {
    if (this.#closeReason !== null) return;
    this.#onClosed('closed');
    this.#transport.close();
  }

  /** @throws ERR_MEDIA_PARAMETERS when what the pipe listens on can't send there */
  #reachable(ip: string): string {
    if (isIP(this.#listenIp) === isIP(ip)) return ip;
    // A socket on every IPv6 address is one on every IPv4 address too, which it writes so.
    if (this.#listenIp === '::') return `::ffff:${ip}`;
    const words = `Pipe ${this.pipeId} listens on ${this.#listenIp}, from where ${ip} can't be reached: one is IPv4, the other IPv6.`;
    throw new AntipodeError('ERR_MEDIA_PARAMETERS', words, { path: 'tuple.ip' });
  }

  #onClosed(reason: PipeCloseReason): void {
    if (this.#closeReason !== null) return;
    this.#closeReason = reason;
    const listeners = [...this.#closeListeners];
    this.#closeListeners.clear();
    for (const listener of listeners) listener(reason);
  }

  #assertOpen(): void {
    if (this.#closeReason === null) return;
    if (this.#closeReason === 'worker-died') throw workerDied();
    throw new AntipodeError('ERR_BACKBONE_CLOSED', `Pipe ${this.pipeId} is closed.`);
  }

  #failure(error: unknown, message: string): AntipodeError {
    if (this.#closeReason === 'worker-died') return workerDied(error);
    if (this.#closeReason === 'closed') {
      return new AntipodeError('ERR_BACKBONE_CLOSED', `Pipe ${this.pipeId} is closed.`, { cause: error });
    }
    return asAntipodeError(error, 'ERR_MEDIA_PARAMETERS', message);
  }
}

function workerDied(cause?: unknown): AntipodeError {
  return new AntipodeError('ERR_MEDIA_WORKER_DIED', "The pipe's media worker died.", { cause });
}
