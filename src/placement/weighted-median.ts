/** The value in the middle when each counts by its weight: one that is far off moves it little, however far. */

/** NaN without values. Weights must be positive. */
export function weightedMedian(values: readonly number[], weights: readonly number[]): number {
  const sorted = values
    .map((value, index) => ({ value, weight: weights[index]! }))
    .toSorted((a, b) => a.value - b.value);
  const half = sorted.reduce((total, { weight }) => total + weight, 0) / 2;
  let sum = 0;
  for (const [index, { value, weight }] of sorted.entries()) {
    sum += weight;
    if (sum > half) return value;
    if (sum === half) return (value + (sorted[index + 1]?.value ?? value)) / 2;
  }
  return sorted.at(-1)?.value ?? Number.NaN;
}
