/**
 * When this process ran late. The callers and all the long ways are in it, so what it is late by is in every hop of a
 * turn: a turn during which the machine had no time for us measures the machine. Owns a timer.
 */
import { performance } from 'node:perf_hooks';

const PERIOD_MS = 5;
/** A timer that is later than this is a stall. */
const STALL_MS = 25;

export class Stalls implements Disposable {
  readonly #at: { fromMs: number; toMs: number }[] = [];
  readonly #timer: NodeJS.Timeout;
  #lastMs = performance.now();

  constructor() {
    this.#timer = setInterval(() => {
      const nowMs = performance.now();
      if (nowMs - this.#lastMs - PERIOD_MS > STALL_MS) this.#at.push({ fromMs: this.#lastMs, toMs: nowMs });
      this.#lastMs = nowMs;
    }, PERIOD_MS);
  }

  /** Whether there was one between two times of `performance.now()`. */
  within(fromMs: number, toMs: number): boolean {
    return this.#at.some((stall) => stall.fromMs < toMs && stall.toMs > fromMs);
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}
