/**
 * Slots that were promised: reserved for a while, then held by a session until it ends, or let go. Owns the promises of
 * one process and when they expire; how much room there is, is the world's.
 */
import { randomUUID } from 'node:crypto';
import type { Clock } from '../clock.ts';

export interface Reservation {
  readonly id: string;
  readonly coreNode: string;
  /** Wall clock; of a reservation that is not held. */
  readonly expiresAt: Date;
  /** Keep the slot until `release`. False when it has expired or was released: somebody else may have it. Idempotent. */
  hold(): boolean;
  /** Give the slot back. Idempotent. */
  release(): void;
}

export interface ReservationsOptions {
  clock: Clock;
  /** @defaultValue 30000 */
  ttlMs?: number;
  /** Made of randomness that nobody guesses. */
  newId?: () => string;
}

export const RESERVATIONS_DEFAULTS = { ttlMs: 30_000 } as const;

interface Slot {
  readonly coreNode: string;
  /** Null for one that is held. */
  untilMs: number | null;
  readonly reservation: Reservation;
}

export class Reservations {
  readonly #clock: Clock;
  readonly #ttlMs: number;
  readonly #newId: () => string;
  /** In the order of their making, so that the first unheld one expires first. */
  readonly #slots = new Map<string, Slot>();
  readonly #byCore = new Map<string, number>();

  constructor(options: ReservationsOptions) {
    this.#clock = options.clock;
    this.#ttlMs = options.ttlMs ?? RESERVATIONS_DEFAULTS.ttlMs;
    this.#newId = options.newId ?? (() => `r-${randomUUID()}`);
  }

  take(coreNode: string): Reservation {
    this.#expire();
    const id = this.#newId();
    const slot: Slot = {
      coreNode,
      untilMs: this.#clock.now() + this.#ttlMs,
      reservation: {
        id,
        coreNode,
        expiresAt: new Date(this.#clock.date().getTime() + this.#ttlMs),
        hold: () => {
          this.#expire();
          if (!this.#slots.has(id)) return false;
          slot.untilMs = null;
          return true;
        },
        release: () => this.#drop(id),
      },
    };
    this.#slots.set(id, slot);
    this.#byCore.set(coreNode, (this.#byCore.get(coreNode) ?? 0) + 1);
    return slot.reservation;
  }

  /** One that is neither held, expired nor released. */
  get(id: string): Reservation | null {
    this.#expire();
    const slot = this.#slots.get(id);
    return slot === undefined || slot.untilMs === null ? null : slot.reservation;
  }

  /** Slots that are promised, held ones among them, by core. */
  get byCore(): ReadonlyMap<string, number> {
    this.#expire();
    return this.#byCore;
  }

  /** Reservations that nobody holds yet, and those that are held. */
  get counts(): { reserved: number; held: number } {
    this.#expire();
    const held = [...this.#slots.values()].filter(({ untilMs }) => untilMs === null).length;
    return { reserved: this.#slots.size - held, held };
  }

  #expire(): void {
    const nowMs = this.#clock.now();
    for (const [id, { untilMs }] of this.#slots) {
      if (untilMs === null) continue;
      if (untilMs > nowMs) return;
      this.#drop(id);
    }
  }

  #drop(id: string): void {
    const slot = this.#slots.get(id);
    if (slot === undefined) return;
    this.#slots.delete(id);
    const left = this.#byCore.get(slot.coreNode)! - 1;
    if (left > 0) this.#byCore.set(slot.coreNode, left);
    else this.#byCore.delete(slot.coreNode);
  }
}
