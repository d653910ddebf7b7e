/** A straight line through samples by least squares, and how sure its slope is. */

export interface Sample {
  readonly atMs: number;
  readonly value: number;
}

export interface Slope {
  readonly perHour: number;
  /** Half of the interval of 95 %, by the scatter about the line; samples that hang together make it too small. */
  readonly errorPerHour: number;
}

const HOUR_MS = 3_600_000;
/** Of the normal distribution: there are dozens of samples. */
const Z95 = 1.96;

/** Null of fewer than three samples. */
export function slopeOf(samples: readonly Sample[]): Slope | null {
  const count = samples.length;
  if (count < 3) return null;
  const mean = (pick: (sample: Sample) => number) => samples.reduce((sum, sample) => sum + pick(sample), 0) / count;
  const [meanMs, meanValue] = [mean(({ atMs }) => atMs), mean(({ value }) => value)];
  let [spread, together] = [0, 0];
  for (const { atMs, value } of samples) {
    spread += (atMs - meanMs) ** 2;
    together += (atMs - meanMs) * (value - meanValue);
  }
  const slope = together / spread;
  const left = samples.reduce((sum, { atMs, value }) => sum + (value - meanValue - slope * (atMs - meanMs)) ** 2, 0);
  const error = Math.sqrt(left / (count - 2) / spread);
  return { perHour: slope * HOUR_MS, errorPerHour: Z95 * error * HOUR_MS };
}
