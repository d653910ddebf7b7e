/**
 * A seat's two streams on one pipe: the caller's voice from the pipe to a packet listener, and a downlink into the pipe.
 * Owns the mediasoup objects of the former; a new pipe needs a new binding.
 */
import type { Consumer, Producer } from 'mediasoup/types';
import type { PipeStream } from '../backbone/index.ts';
import { asAntipodeError } from '../errors.ts';
import type { Downlink, OpenDownlink } from './downlink.ts';
import type { OpenPipe } from './pop-link.ts';

export interface MediaBindingOptions extends OpenPipe {
  /** The caller's voice, as the POP sends it. */
  uplink: PipeStream;
  openDownlink: OpenDownlink;
  /** Each packet is memory of its own. */
  onPacket: (packet: Buffer) => void;
}

interface Uplink {
  producer: Producer;
  consumer: Consumer;
}

export class MediaBinding {
  readonly downlink: Downlink;
  readonly open: OpenPipe;
  readonly #up: Uplink;

  private constructor(open: OpenPipe, up: Uplink, down: Downlink) {
    this.open = open;
    this.#up = up;
    this.downlink = down;
  }

  /** Leaves nothing behind when it fails. @throws ERR_MEDIA_PARAMETERS, ERR_BACKBONE_CLOSED, ERR_MEDIA_WORKER_DIED */
  static async create(options: MediaBindingOptions): Promise<MediaBinding> {
    const { worker, pipe, openDownlink } = options;
    const open = { worker, pipe };
    const [up, down] = await Promise.allSettled([openUplink(options), openDownlink(open)]);
    if (up.status === 'fulfilled' && down.status === 'fulfilled') return new MediaBinding(open, up.value, down.value);
    if (up.status === 'fulfilled') closeUplink(up.value);
    if (down.status === 'fulfilled') down.value.close();
    const reason: unknown = up.status === 'rejected' ? up.reason : (down as PromiseRejectedResult).reason;
    throw asAntipodeError(reason, 'ERR_MEDIA_PARAMETERS', 'The streams of the session cannot be set up on this pipe.');
  }

  /** The caller's voice on the router of the pipe's worker. */
  get uplink(): Producer {
    return this.#up.producer;
  }

  /** Idempotent. */
  close(): void {
    closeUplink(this.#up);
    this.downlink.close();
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

function closeUplink({ producer, consumer }: Uplink): void {
  consumer.removeAllListeners('rtp');
  consumer.close();
  producer.close();
}
