/**
 * Latencies as services have them: most about the median, some far above. A log-normal distribution fitted to two of
 * its quantiles, from a seed, so that a run can be repeated.
 */

export interface LognormalOptions {
  /** Half of all are below. */
  readonly p50Ms: number;
  /** Nineteen of twenty are below; not below `p50Ms`. */
  readonly p95Ms: number;
  readonly seed: number;
}

/** The standard normal distribution's 95th percentile. */
const Z95 = 1.6448536269514722;

/** Draws one latency a call, milliseconds. */
export function lognormal({ p50Ms, p95Ms, seed }: LognormalOptions): () => number {
  const random = mulberry32(seed);
  const sigma = Math.log(p95Ms / p50Ms) / Z95;
  return () => {
    // Box-Muller; 1 - random() is never 0.
    const normal = Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
    return p50Ms * Math.exp(sigma * normal);
  };
}

/** A small generator of 32 bits of state, 0..1: gist.github.com/tommyettinger/46a874533244883189143505d203312c */
export function mulberry32(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
