import { expect, test } from 'vitest';
import { DecayingDigest } from '../../src/telemetry/index.ts';

const MINUTE = 60_000;

test('the middle and the tail of what was added are within a bucket of the truth', () => {
  const digest = new DecayingDigest();
  // In no order: what comes last counts a little more.
  for (let n = 1; n <= 100; n++) digest.add(((n * 37) % 101) * 10, 0);
  const { p50, p95 } = digest.read(0)!;
  expect(p50 / 500).toBeGreaterThan(0.93);
  expect(p50 / 500).toBeLessThan(1.07);
  expect(p95 / 950).toBeGreaterThan(0.93);
  expect(p95 / 950).toBeLessThan(1.07);
});

test('one value that is far off moves neither', () => {
  const digest = new DecayingDigest();
  for (let n = 0; n < 40; n++) digest.add(100, 0);
  digest.add(60_000, 0);
  const { p50, p95 } = digest.read(0)!;
  expect(p50).toBeLessThan(110);
  expect(p95).toBeLessThan(110);
});

test('there is no reading before the first value, and what is no duration is none', () => {
  const digest = new DecayingDigest();
  for (const none of [Number.NaN, Number.POSITIVE_INFINITY, -1]) digest.add(none, 0);
  expect(digest.read(0)).toBeNull();
  digest.add(0, 0);
  expect(digest.read(0)!.count).toBe(1);
});

test('a value counts half after a quarter of an hour, with nothing new too', () => {
  const digest = new DecayingDigest();
  for (let n = 0; n < 8; n++) digest.add(100, 0);
  const count = digest.read(0)!.count;
  expect(count).toBeGreaterThan(7.8);
  expect(digest.read(15 * MINUTE)!.count).toBeCloseTo(count / 2, 6);
  expect(digest.read(30 * MINUTE)!.count).toBeCloseTo(count / 4, 6);
});

test('what changed is the middle once half of the weight is new: of few values after the half-life, of many at once', () => {
  const rare = new DecayingDigest();
  for (let minute = 0; minute < 60; minute++) rare.add(100, minute * MINUTE);
  for (let minute = 60; minute < 70; minute++) rare.add(400, minute * MINUTE);
  expect(rare.read(70 * MINUTE)!.p50).toBeLessThan(110);
  for (let minute = 70; minute < 80; minute++) rare.add(400, minute * MINUTE);
  expect(rare.read(80 * MINUTE)!.p50).toBeGreaterThan(380);

  const busy = new DecayingDigest();
  for (let n = 0; n < 10_000; n++) busy.add(100, n);
  for (let n = 0; n < 160; n++) busy.add(400, 10_000 + n);
  expect(busy.read(10_160)!.p50).toBeGreaterThan(380);
});

test('counts stay bounded and exact over a long life', () => {
  const digest = new DecayingDigest({ halfLifeValues: 10 });
  for (let n = 0; n < 5_000; n++) digest.add(50, n * 1_000);
  const { count, p50 } = digest.read(5_000_000)!;
  expect(count).toBeGreaterThan(13);
  expect(count).toBeLessThan(15.5);
  expect(p50).toBeGreaterThan(47);
  expect(p50).toBeLessThan(53);
});

test('a clock that goes back neither breaks nor revives anything', () => {
  const digest = new DecayingDigest();
  digest.add(100, 10_000);
  digest.add(100, 5_000);
  expect(digest.read(0)!.count).toBeGreaterThan(1.9);
  expect(digest.read(10_000)!.count).toBeLessThanOrEqual(2);
});
