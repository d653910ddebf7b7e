/**
 * The agent's voice in a room: encoded once, one producer for each of the core's workers that has a pipe to somebody in
 * it, one stream on each of these pipes, however many callers are behind it. Owns the producers and streams while anybody
 * needs them, and who of them may speak already.
 */
import type { Producer } from 'mediasoup/types';
import type { MediaPipe, MediaWorker, SentStream } from '../backbone/index.ts';
import { type Downlink, produceVoice, sendBy } from './downlink.ts';
import type { OpenPipe } from './pop-link.ts';
import type { WayToCaller } from './seat.ts';

/** Something that several need: made for the first, let go with the last. */
interface Shared<T> {
  readonly making: Promise<T>;
  users: number;
}

export class RoomVoice {
  readonly #ssrc: number;
  readonly #producers = new Map<MediaWorker, Shared<Producer>>();
  readonly #streams = new Map<MediaPipe, Shared<SentStream>>();
  /** Ways to callers by seat. */
  readonly #ways = new Map<string, WayToCaller>();
  /** One for each producer. */
  #sources: WayToCaller[] = [];

  /** @param ssrc of the packets */
  constructor(ssrc: number) {
    this.#ssrc = ssrc;
  }

  /** Whether anybody is spoken to. */
  get hasWay(): boolean {
    return this.#ways.size > 0;
  }

  /** Those who share a pipe are given the same stream. @throws as OpenDownlink */
  readonly open = async ({ worker, pipe }: OpenPipe): Promise<Downlink> => {
    const former = this.#producers.get(worker);
    // Of a process that died.
    if (former && (await former.making.catch(() => null))?.closed !== false) {
      if (this.#producers.get(worker) === former) this.#producers.delete(worker);
    }
    const [producer, leaveProducer] = await use(this.#producers, worker, () => produceVoice(worker, this.#ssrc), {
      close: (one) => one.close(),
    });
    let closed = false;
    try {
      const [sent, leaveStream] = await use(this.#streams, pipe, () => pipe.send(producer), {
        close: (one) => one.close(),
      });
      return {
        stream: sent.stream,
        source: producer,
        send: (packet) => sendBy(worker, producer, packet),
        close() {
          if (closed) return;
          closed = true;
          leaveStream();
          leaveProducer();
        },
      };
    } catch (error) {
      leaveProducer();
      throw error;
    }
  };

  /** The way to a seat's caller is there, or gone. */
  setWay(seat: string, way: WayToCaller | null): void {
    if (way === null) this.#ways.delete(seat);
    else this.#ways.set(seat, way);
    this.#sources = [...new Map([...this.#ways.values()].map((one) => [one.source, one])).values()];
  }

  send(packet: Buffer): void {
    for (const source of this.#sources) source.send(packet);
  }
}

/** What `key` has, made when nobody has it yet, and the function that lets it go. */
async function use<K, T>(
  all: Map<K, Shared<T>>,
  key: K,
  make: () => Promise<T>,
  { close }: { close: (made: T) => void },
): Promise<[T, () => void]> {
  const shared = all.get(key) ?? { making: make(), users: 0 };
  all.set(key, shared);
  shared.users += 1;
  const leave = (made: T | null) => {
    shared.users -= 1;
    if (shared.users > 0) return;
    if (all.get(key) === shared) all.delete(key);
    if (made !== null) close(made);
  };
  try {
    const made = await shared.making;
    return [made, () => leave(made)];
  } catch (error) {
    leave(null);
    throw error;
  }
}
