/**
 * A clock whose timers can rest: while it does, none fires, and each goes on with what was left of it. Its times go on,
 * since they are the node's. For an agent whose caller is away: nothing of it is to happen into nothing.
 */
import type { Clock, Timer } from '../clock.ts';

interface Entry {
  readonly callback: () => void;
  /** While it runs: when it is due. While it rests: what is left, ms. */
  dueMs: number;
  leftMs: number;
  timer: Timer | null;
}

export class RestingClock implements Clock {
  readonly #clock: Clock;
  readonly #entries = new Set<Entry>();
  #resting = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  now(): number {
    return this.#clock.now();
  }

  date(): Date {
    return this.#clock.date();
  }

  setTimeout(callback: () => void, delayMs: number): Timer {
    const entry: Entry = { callback, dueMs: 0, leftMs: delayMs, timer: null };
    this.#entries.add(entry);
    if (!this.#resting) this.#run(entry);
    return {
      cancel: () => {
        entry.timer?.cancel();
        this.#entries.delete(entry);
      },
    };
  }

  /** Idempotent. */
  rest(): void {
    if (this.#resting) return;
    this.#resting = true;
    const nowMs = this.#clock.now();
    for (const entry of this.#entries) {
      entry.timer?.cancel();
      entry.timer = null;
      entry.leftMs = Math.max(0, entry.dueMs - nowMs);
    }
  }

  /** Idempotent. */
  wake(): void {
    if (!this.#resting) return;
    this.#resting = false;
    for (const entry of [...this.#entries]) this.#run(entry);
  }

  /** Nothing fires any more. */
  close(): void {
    for (const { timer } of this.#entries) timer?.cancel();
    this.#entries.clear();
  }

  #run(entry: Entry): void {
    entry.dueMs = this.#clock.now() + entry.leftMs;
    entry.timer = this.#clock.setTimeout(() => {
      this.#entries.delete(entry);
      entry.callback();
    }, entry.leftMs);
  }
}
