/**
 * What a path between two nodes does to packets, from numbered probes that go there and back: round trip, how much it
 * varies, and how many are lost. Owns the counting; sends nothing.
 */
import type { RttSpread } from './recent-rtt.ts';

/** Of the last probes, there and back. */
export interface PathQuality {
  /** Milliseconds; null before one came back. */
  readonly rttMs: RttSpread | null;
  /** Mean difference between one round trip and the next, ms (as RFC 3550 has it, there and back); null as well. */
  readonly jitterMs: number | null;
  /** Share of the probes that did not come back, 0 to 1. */
  readonly loss: number;
  /** Probes behind it. */
  readonly probes: number;
}

/** Half a minute at ten a second. */
const KEPT = 320;
/** A probe that is not back by then is lost. */
const LOST_AFTER_MS = 1_000;

export class PathMeter {
  readonly #sentAtMs = new Float64Array(KEPT).fill(Number.NaN);
  readonly #backAtMs = new Float64Array(KEPT).fill(Number.NaN);
  #next = 0;
  #lastBackAtMs: number;

  constructor(nowMs: number) {
    this.#lastBackAtMs = nowMs;
  }

  /** The number of the probe that leaves now: 0, 1, 2 and so on. */
  sent(nowMs: number): number {
    const number = this.#next++;
    this.#sentAtMs[number % KEPT] = nowMs;
    this.#backAtMs[number % KEPT] = Number.NaN;
    return number;
  }

  /** False when it was never sent, came back before, or is too old to be remembered. */
  back(number: number, nowMs: number): boolean {
    const at = number % KEPT;
    if (number < 0 || number >= this.#next || number < this.#next - KEPT) return false;
    if (!Number.isNaN(this.#backAtMs[at]!)) return false;
    this.#backAtMs[at] = nowMs;
    this.#lastBackAtMs = nowMs;
    return true;
  }

  /** Probes that were sent. */
  get count(): number {
    return this.#next;
  }

  /** Since the last one came back, or since the beginning. */
  silentMs(nowMs: number): number {
    return nowMs - this.#lastBackAtMs;
  }

  /** Of the probes that were sent in the last `windowMs`, but for those that may still come back. */
  quality(nowMs: number, windowMs: number): PathQuality {
    const trips: number[] = [];
    let steps = 0;
    let stepsMs = 0;
    let probes = 0;
    let before: number | null = null;
    for (let number = Math.max(0, this.#next - KEPT); number < this.#next; number++) {
      const sentAtMs = this.#sentAtMs[number % KEPT]!;
      const tripMs = this.#backAtMs[number % KEPT]! - sentAtMs;
      const isBack = !Number.isNaN(tripMs);
      if (nowMs - sentAtMs > windowMs + LOST_AFTER_MS || (!isBack && nowMs - sentAtMs < LOST_AFTER_MS)) continue;
      probes += 1;
      if (!isBack) continue;
      trips.push(tripMs);
      if (before !== null) {
        steps += 1;
        stepsMs += Math.abs(tripMs - before);
      }
      before = tripMs;
    }
    trips.sort((a, b) => a - b);
    const at = (share: number) => trips[Math.ceil(share * trips.length) - 1]!;
    return {
      rttMs: trips.length === 0 ? null : { p50: at(0.5), p95: at(0.95) },
      jitterMs: steps === 0 ? null : stepsMs / steps,
      loss: probes === 0 ? 0 : 1 - trips.length / probes,
      probes,
    };
  }
}
