/** Token buckets: one for a socket's messages, and a bounded map of them for session requests by address or by key. */
import type { Clock } from '../clock.ts';

export interface TokenBucketOptions {
  clock: Clock;
  ratePerSecond: number;
  /** Most that can be taken at once after a pause. */
  burst: number;
}

export class TokenBucket {
  readonly #clock: Clock;
  readonly #ratePerSecond: number;
  readonly #burst: number;
  #level: number;
  #atMs: number;

  constructor(options: TokenBucketOptions) {
    this.#clock = options.clock;
    this.#ratePerSecond = options.ratePerSecond;
    this.#burst = options.burst;
    this.#level = options.burst;
    this.#atMs = options.clock.now();
  }

  /** Takes one; false when there is none, and nothing is taken. */
  take(): boolean {
    const now = this.#clock.now();
    this.#level = Math.min(this.#burst, this.#level + ((now - this.#atMs) / 1_000) * this.#ratePerSecond);
    this.#atMs = now;
    if (this.#level < 1) return false;
    this.#level -= 1;
    return true;
  }

  /** Milliseconds until there is one again, as of the last `take`. */
  get waitMs(): number {
    return this.#level >= 1 ? 0 : ((1 - this.#level) / this.#ratePerSecond) * 1_000;
  }
}

export interface AddressRateLimiterOptions {
  clock: Clock;
  perMinute: number;
  /** Addresses kept; the one that was quiet for longest is forgotten first. @defaultValue 10000 */
  maxAddresses?: number;
}

const DEFAULT_MAX_ADDRESSES = 10_000;

export class AddressRateLimiter {
  readonly #options: AddressRateLimiterOptions;
  readonly #maxAddresses: number;
  readonly #buckets = new Map<string, TokenBucket>();

  constructor(options: AddressRateLimiterOptions) {
    this.#options = options;
    this.#maxAddresses = options.maxAddresses ?? DEFAULT_MAX_ADDRESSES;
  }

  /**
   * Counts one request of `key`: 0 when it may go on, else the milliseconds to wait.
   * @param perMinute of this key, always the same. @defaultValue that of all
   */
  take(key: string, perMinute = this.#options.perMinute): number {
    let bucket = this.#buckets.get(key);
    if (bucket) this.#buckets.delete(key);
    else {
      const { clock } = this.#options;
      bucket = new TokenBucket({ clock, ratePerSecond: perMinute / 60, burst: perMinute });
    }
    this.#buckets.set(key, bucket);
    if (this.#buckets.size > this.#maxAddresses) {
      const quietest = this.#buckets.keys().next().value;
      if (quietest !== undefined) this.#buckets.delete(quietest);
    }
    return bucket.take() ? 0 : bucket.waitMs;
  }

  /** Addresses kept now. */
  get size(): number {
    return this.#buckets.size;
  }
}
