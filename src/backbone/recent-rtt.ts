/** The last round trips of a connection, and how they are spread. */

export interface RttSpread {
  /** Milliseconds. */
  readonly p50: number;
  readonly p95: number;
}

/** At a beat each quarter of a second: 16 s. */
const KEPT = 64;
/** A spread of fewer says nothing of a tail. */
const LEAST = 16;

export class RecentRtt {
  readonly #kept: number[] = [];
  #next = 0;

  add(rttMs: number): void {
    this.#kept[this.#next] = rttMs;
    this.#next = (this.#next + 1) % KEPT;
  }

  /** Nearest-rank percentiles; null until enough was measured. */
  get spread(): RttSpread | null {
    if (this.#kept.length < LEAST) return null;
    const sorted = this.#kept.toSorted((a, b) => a - b);
    const at = (share: number) => sorted[Math.ceil(share * sorted.length) - 1]!;
    return { p50: at(0.5), p95: at(0.95) };
  }
}
