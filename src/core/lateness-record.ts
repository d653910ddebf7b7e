/** Percentiles of lateness in constant memory: counts in steps of 0.1 ms up to 100 ms. Owns no clock. */

const STEP_MS = 0.1;
const STEPS = 1_000;

/** Milliseconds; null before the first record. */
export interface LatenessPercentiles {
  count: number;
  p50: number | null;
  p95: number | null;
  p99: number | null;
  max: number | null;
}

export class LatenessRecord {
  /** The last place counts everything beyond. */
  readonly #counts = new Float64Array(STEPS + 1);
  #count = 0;
  #maxMs = 0;

  /** @param latenessMs below zero counts as zero */
  add(latenessMs: number): void {
    const step = latenessMs <= 0 ? 0 : Math.min(STEPS, Math.floor(latenessMs / STEP_MS));
    this.#counts[step] = (this.#counts[step] as number) + 1;
    this.#count += 1;
    if (latenessMs > this.#maxMs) this.#maxMs = latenessMs;
  }

  /** Forget everything. */
  clear(): void {
    this.#counts.fill(0);
    this.#count = 0;
    this.#maxMs = 0;
  }

  percentiles(): LatenessPercentiles {
    if (this.#count === 0) return { count: 0, p50: null, p95: null, p99: null, max: null };
    return {
      count: this.#count,
      p50: this.#percentile(0.5),
      p95: this.#percentile(0.95),
      p99: this.#percentile(0.99),
      max: this.#maxMs,
    };
  }

  /** Upper bound of the step that holds the percentile. */
  #percentile(share: number): number {
    const rank = Math.ceil(share * this.#count);
    let seen = 0;
    for (let step = 0; step < STEPS; step++) {
      seen += this.#counts[step] as number;
      if (seen >= rank) return Math.min(this.#maxMs, Math.round((step + 1) * STEP_MS * 10) / 10);
    }
    return this.#maxMs;
  }
}
