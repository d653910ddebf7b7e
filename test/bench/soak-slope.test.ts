import { expect, test } from 'vitest';
import { slopeOf } from '../../bench/soak/slope.ts';

const HOUR_MS = 3_600_000;

test('a straight line has its slope, and no error', () => {
  const samples = [0, 1, 2, 3].map((hour) => ({ atMs: hour * HOUR_MS, value: 10 + 2 * hour }));
  const slope = slopeOf(samples);
  expect(slope?.perHour).toBeCloseTo(2, 9);
  expect(slope?.errorPerHour).toBeCloseTo(0, 6);
});

test('what only scatters is not told as growth: the error is larger than the slope', () => {
  const values = [5, 7, 5, 7, 5, 7, 5, 7];
  const slope = slopeOf(values.map((value, index) => ({ atMs: index * 60_000, value })))!;
  expect(slope.errorPerHour).toBeGreaterThan(Math.abs(slope.perHour));
});

test('two samples make no slope', () => {
  expect(slopeOf([1, 2].map((value) => ({ atMs: value, value })))).toBe(null);
});
