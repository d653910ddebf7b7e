/**
 * A session's two streams on one pipe: the caller's voice from the pipe to a packet listener, and our packets into the
 * pipe. Owns the mediasoup objects of both; a new pipe needs a new binding.
 */
import type { Consumer, Producer } from 'mediasoup/types';
import {
  type MediaPipe,
  type MediaWorker,
  opusProducerParameters,
  type PipeStream,
  type SentStream,
} from '../backbone/index.ts';
import { AntipodeError, asAntipodeError } from '../errors.ts';

export interface MediaBindingOptions {
  worker: MediaWorker;
  pipe: MediaPipe;
  /** The caller's voice, as the POP sends it. */
  uplink: PipeStream;
  /** Of the packets given to `send`. */
  ssrc: number;
  /** Each packet is memory of its own. */
  onPacket: (packet: Buffer) => void;
}

interface Uplink {
  producer: Producer;
  consumer: Consumer;
}

interface Downlink {
  producer: Producer;
  sent: SentStream;
}

export class MediaBinding {
  /** What the POP must receive on the pipe. */
  readonly downlink: PipeStream;
  readonly #worker: MediaWorker;
  readonly #up: Uplink;
  readonly #down: Downlink;

  private constructor(worker: MediaWorker, up: Uplink, down: Downlink) {
    this.#worker = worker;
    this.#up = up;
    this.#down = down;
    this.downlink = down.sent.stream;
  }

  /** Leaves nothing behind when it fails. @throws ERR_MEDIA_PARAMETERS, ERR_BACKBONE_CLOSED, ERR_MEDIA_WORKER_DIED */
  static async create(options: MediaBindingOptions): Promise<MediaBinding> {
    const [up, down] = await Promise.allSettled([openUplink(options), openDownlink(options)]);
    if (up.status === 'fulfilled' && down.status === 'fulfilled') {
      return new MediaBinding(options.worker, up.value, down.value);
    }
    if (up.status === 'fulfilled') closeUplink(up.value);
    if (down.status === 'fulfilled') closeDownlink(down.value);
    const reason: unknown = up.status === 'rejected' ? up.reason : (down as PromiseRejectedResult).reason;
    throw asAntipodeError(reason, 'ERR_MEDIA_PARAMETERS', 'The streams of the session cannot be set up on this pipe.');
  }

  /** Copies `packet`, which leaves at the end of this turn of the event loop; after the streams are gone it does nothing. */
  send(packet: Buffer): void {
    if (this.#down.producer.closed) return;
    this.#worker.gatherSends();
    this.#down.producer.send(packet);
  }

  /** Idempotent. */
  close(): void {
    closeUplink(this.#up);
    closeDownlink(this.#down);
  }
}

async function openUplink({ worker, pipe, uplink, onPacket }: MediaBindingOptions): Promise<Uplink> {
  const { direct, router } = worker;
  const producer = await pipe.receive(uplink);
  try {
    const consumer = await direct.consume({ producerId: producer.id, rtpCapabilities: router.rtpCapabilities });
    consumer.on('rtp', onPacket);
    return { producer, consumer };
  } catch (error) {
    producer.close();
    throw error;
  }
}

async function openDownlink({ worker, pipe, ssrc }: MediaBindingOptions): Promise<Downlink> {
  const producer = await worker.direct.produce({ kind: 'audio', rtpParameters: opusProducerParameters(ssrc) });
  if (producer.closed) throw new AntipodeError('ERR_MEDIA_WORKER_DIED', 'The media worker died.');
  try {
    return { producer, sent: await pipe.send(producer) };
  } catch (error) {
    producer.close();
    throw error;
  }
}

function closeUplink({ producer, consumer }: Uplink): void {
  consumer.removeAllListeners('rtp');
  consumer.close();
  producer.close();
}

function closeDownlink({ producer, sent }: Downlink): void {
  sent.close();
  producer.close();
}
