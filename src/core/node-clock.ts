/**
 * The one ticker of a core: every subscriber is called once in 20 ms, in one of four phases 5 ms apart, from a single
 * timer that aims at absolute times and so never drifts. Owns the timer and the measure of its lateness; idle while
 * nobody is subscribed.
 */
import type { Clock, Timer } from '../clock.ts';
import type { Logger } from '../telemetry/index.ts';

/** Every subscriber's period. */
export const TICK_PERIOD_MS = 20;
/** Phases are this far apart. */
export const TICK_SLOT_MS = 5;
const SLOTS = TICK_PERIOD_MS / TICK_SLOT_MS;
/** A timer that fires this little early is on time: sleeping again would cost more. */
const EARLY_TOLERANCE_MS = 0.5;
/** After a stall no subscriber is called more than this many times at once; older ticks are skipped. */
const MAX_CATCH_UP_TICKS = 3;

/** @param scheduledAtMs when the tick was due (Clock.now) */
export type TickListener = (scheduledAtMs: number) => void;

export interface NodeClockOptions {
  clock: Clock;
  log: Logger;
  /** Told of every wake-up: how late it was, ms. */
  onLateness?: (latenessMs: number) => void;
}

export class NodeClock {
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #onLateness: (latenessMs: number) => void;
  readonly #originMs: number;
  readonly #slots: (TickListener | null)[][] = Array.from({ length: SLOTS }, () => []);
  readonly #counts = new Uint32Array(SLOTS);
  #subscribers = 0;
  /** Number of the slot, counted from the origin, that was last run or passed over. */
  #lastSlot = -1;
  /** Number of the slot that the timer aims at. */
  #armedSlot = -1;
  #timer: Timer | null = null;
  #running = false;
  #skippedTicks = 0;
  #closed = false;

  constructor(options: NodeClockOptions) {
    this.#clock = options.clock;
    this.#log = options.log;
    this.#onLateness = options.onLateness ?? (() => {});
    this.#originMs = options.clock.now();
  }

  get subscribers(): number {
    return this.#subscribers;
  }

  /** Ticks that a stall swallowed. */
  get skippedTicks(): number {
    return this.#skippedTicks;
  }

  /**
   * Call `listener` every 20 ms; answers with the function that ends it.
   * @param phaseMs a time (Clock.now) that the ticks fall on, or up to 5 ms behind, give or take whole periods; without
   *   it they fall in the phase with the fewest subscribers
   */
  subscribe(listener: TickListener, phaseMs?: number): () => void {
    if (this.#closed) return () => {};
    const slot = phaseMs === undefined ? this.#emptiestSlot() : this.#slotAt(phaseMs) % SLOTS;
    const listeners = this.#slots[slot] as (TickListener | null)[];
    // A wrapper of its own, so that the same function may be subscribed twice.
    const entry: TickListener = (scheduledAtMs) => listener(scheduledAtMs);
    listeners.push(entry);
    this.#counts[slot] = (this.#counts[slot] as number) + 1;
    this.#subscribers += 1;
    if (!this.#running) this.#arm();
    let active = true;
    return () => {
      if (!active) return;
      active = false;
      const index = listeners.indexOf(entry);
      if (index >= 0) listeners[index] = null;
      this.#counts[slot] = (this.#counts[slot] as number) - 1;
      this.#subscribers -= 1;
      if (this.#subscribers === 0 && !this.#running) this.#disarm();
    };
  }

  close(): void {
    this.#closed = true;
    this.#disarm();
    for (const listeners of this.#slots) listeners.length = 0;
    this.#counts.fill(0);
    this.#subscribers = 0;
  }

  #timeOf(slot: number): number {
    return this.#originMs + slot * TICK_SLOT_MS;
  }

  /** Number of the first slot at or after `atMs`. */
  #slotAt(atMs: number): number {
    return Math.max(0, Math.ceil((atMs - this.#originMs) / TICK_SLOT_MS - 1e-6));
  }

  #emptiestSlot(): number {
    let best = 0;
    for (let slot = 1; slot < SLOTS; slot++) {
      if ((this.#counts[slot] as number) < (this.#counts[best] as number)) best = slot;
    }
    return best;
  }

  /** Aim the timer at the next slot that has a subscriber. */
  #arm(): void {
    if (this.#subscribers === 0 || this.#closed) {
      this.#disarm();
      return;
    }
    const now = this.#clock.now();
    // What passed while it was idle was nobody's.
    if (this.#armedSlot < 0)
      this.#lastSlot = Math.max(this.#lastSlot, Math.floor((now - this.#originMs) / TICK_SLOT_MS));
    let next = this.#lastSlot + 1;
    while ((this.#counts[next % SLOTS] as number) === 0) next += 1;
    if (this.#timer && this.#armedSlot === next) return;
    this.#timer?.cancel();
    this.#armedSlot = next;
    this.#timer = this.#clock.setTimeout(this.#wake, Math.max(0, this.#timeOf(next) - now));
  }

  #disarm(): void {
    this.#timer?.cancel();
    this.#timer = null;
    this.#armedSlot = -1;
  }

  readonly #wake = (): void => {
    this.#timer = null;
    const now = this.#clock.now();
    const aimed = this.#timeOf(this.#armedSlot);
    if (now < aimed - EARLY_TOLERANCE_MS) {
      this.#timer = this.#clock.setTimeout(this.#wake, aimed - now);
      return;
    }
    this.#running = true;
    this.#onLateness(Math.max(0, now - aimed));
    const due = Math.floor((now + EARLY_TOLERANCE_MS - this.#originMs) / TICK_SLOT_MS);
    const first = Math.max(this.#lastSlot + 1, due - MAX_CATCH_UP_TICKS * SLOTS + 1);
    for (let slot = this.#lastSlot + 1; slot < first; slot++)
      this.#skippedTicks += this.#counts[slot % SLOTS] as number;
    for (let slot = first; slot <= due && !this.#closed; slot++) this.#run(slot);
    this.#lastSlot = Math.max(this.#lastSlot, due);
    this.#running = false;
    this.#arm();
  };

  #run(slot: number): void {
    const listeners = this.#slots[slot % SLOTS] as (TickListener | null)[];
    const count = listeners.length;
    const scheduledAtMs = this.#timeOf(slot);
    let gaps = 0;
    for (let index = 0; index < count; index++) {
      const listener = listeners[index];
      if (!listener) {
        gaps += 1;
        continue;
      }
      try {
        listener(scheduledAtMs);
      } catch (error) {
        this.#log.error({ err: error }, 'a tick listener failed');
      }
    }
    if (gaps > 0) removeGaps(listeners);
  }
}

/** In place: subscriptions hold on to the array. */
function removeGaps(listeners: (TickListener | null)[]): void {
  let kept = 0;
  for (const listener of listeners) if (listener) listeners[kept++] = listener;
  listeners.length = kept;
}
