/**
 * What moderators here want of participants at other POPs, until it is done: while a room moves to another core an order
 * may find nobody, so it is said again. Owns the waiting; how it is said, and what is so by now, the room knows.
 */
import type { Clock, Timer } from '../clock.ts';
import type { Participant } from './room-notices.ts';
import type { RoomOrder } from './room-seat.ts';

export interface RoomOrdersOptions {
  clock: Clock;
  /** As it is seen here now. */
  participant: (participantId: string) => Participant | undefined;
  /** Says it to the core. */
  say: (participantId: string, order: RoomOrder) => void;
}

interface Wanted {
  readonly participantId: string;
  readonly order: RoomOrder;
  readonly timer: Timer;
  readonly over: PromiseWithResolvers<void>;
}

/** Given up then: the core, or that POP, is out of reach. */
const INSIST_MS = 5_000;

export class RoomOrders {
  readonly #options: RoomOrdersOptions;
  readonly #wanted = new Map<string, Wanted>();

  constructor(options: RoomOrdersOptions) {
    this.#options = options;
  }

  /** Resolves when it is done, or given up. */
  want(participantId: string, order: RoomOrder): Promise<void> {
    const key = `${order} ${participantId}`;
    const known = this.#wanted.get(key);
    if (known) return known.over.promise;
    const over = Promise.withResolvers<void>();
    const timer = this.#options.clock.setTimeout(() => this.#end(key), INSIST_MS);
    this.#wanted.set(key, { participantId, order, timer, over });
    this.#options.say(participantId, order);
    return over.promise;
  }

  /** Participants are other than before: what is done is over, the rest is said again. */
  look(): void {
    for (const [key, { participantId, order }] of this.#wanted) {
      const participant = this.#options.participant(participantId);
      const isDone = participant === undefined || (order === 'mute' && participant.muted);
      if (isDone) this.#end(key);
      else this.#options.say(participantId, order);
    }
  }

  /** Idempotent. */
  close(): void {
    for (const key of this.#wanted.keys()) this.#end(key);
  }

  #end(key: string): void {
    const wanted = this.#wanted.get(key);
    this.#wanted.delete(key);
    wanted?.timer.cancel();
    wanted?.over.resolve();
  }
}
