/**
 * Percentiles of a stream of durations in bounded memory, in which older values count less: a histogram of 5 % wide
 * buckets whose weights decay, by time and by what came since. Owns no clock: times come in with the values.
 */

export interface DecayingDigestOptions {
  /** A value counts half after this, ms. @defaultValue 900000 */
  halfLifeMs?: number;
  /** And half after so many newer ones. @defaultValue 140 */
  halfLifeValues?: number;
}

export const DECAYING_DIGEST_DEFAULTS = { halfLifeMs: 900_000, halfLifeValues: 140 } as const;

export interface DigestReading {
  /** Milliseconds. */
  readonly p50: number;
  readonly p95: number;
  /** Sum of the weights: as many values of now. */
  readonly count: number;
}

const LOWEST_MS = 0.5;
const RATIO = 1.05;
/** Up to twelve minutes. */
const BUCKETS = 291;
/** Weights grow instead of being decayed one by one; they are scaled back before they lose precision. */
const MAX_EXPONENT = 60;

export class DecayingDigest {
  readonly #halfLifeMs: number;
  readonly #halfLifeValues: number;
  readonly #weights = new Float64Array(BUCKETS);
  #total = 0;
  #atMs = 0;
  /** The newest value's weight is 2 to the power of this. */
  #exponent = 0;

  constructor(options: DecayingDigestOptions = {}) {
    this.#halfLifeMs = options.halfLifeMs ?? DECAYING_DIGEST_DEFAULTS.halfLifeMs;
    this.#halfLifeValues = options.halfLifeValues ?? DECAYING_DIGEST_DEFAULTS.halfLifeValues;
  }

  /** @param ms finite and not negative; anything else is no duration and is left out */
  add(ms: number, atMs: number): void {
    if (!Number.isFinite(ms) || ms < 0) return;
    this.#exponent += this.#total === 0 ? 0 : this.#halvings(atMs) + 1 / this.#halfLifeValues;
    this.#atMs = this.#total === 0 ? atMs : Math.max(this.#atMs, atMs);
    if (this.#exponent > MAX_EXPONENT) this.#scaleBack();
    const weight = 2 ** this.#exponent;
    this.#weights[bucketOf(ms)]! += weight;
    this.#total += weight;
  }

  /** Null before the first value. */
  read(nowMs: number): DigestReading | null {
    if (this.#total === 0) return null;
    const count = this.#total / 2 ** (this.#exponent + this.#halvings(nowMs));
    return { p50: this.#at(0.5), p95: this.#at(0.95), count };
  }

  #halvings(nowMs: number): number {
    return Math.max(0, nowMs - this.#atMs) / this.#halfLifeMs;
  }

  #scaleBack(): void {
    const factor = 2 ** -this.#exponent;
    for (let index = 0; index < BUCKETS; index++) this.#weights[index]! *= factor;
    this.#total *= factor;
    this.#exponent = 0;
  }

  #at(share: number): number {
    const wanted = share * this.#total;
    let sum = 0;
    for (let index = 0; index < BUCKETS; index++) {
      const weight = this.#weights[index]!;
      if (weight > 0 && sum + weight >= wanted) return LOWEST_MS * RATIO ** (index + (wanted - sum) / weight);
      sum += weight;
    }
    return LOWEST_MS * RATIO ** BUCKETS;
  }
}

function bucketOf(ms: number): number {
  if (ms <= LOWEST_MS) return 0;
  return Math.min(BUCKETS - 1, Math.floor(Math.log(ms / LOWEST_MS) / Math.log(RATIO)));
}
