import { expect, test } from 'vitest';
import { PathMeter } from '../../src/backbone/path-meter.ts';

test('round trips, their differences, and what did not come back', () => {
  const meter = new PathMeter(0);
  // Ten a second for two seconds: every fifth is lost, the others take 40 and 60 ms in turn.
  for (let number = 0; number < 20; number++) {
    expect(meter.sent(number * 100)).toBe(number);
    if (number % 5 !== 4) expect(meter.back(number, number * 100 + (number % 2 === 0 ? 40 : 60))).toBe(true);
  }
  const { rttMs, jitterMs, loss, probes } = meter.quality(3_000, 30_000);
  expect({ rttMs, probes }).toEqual({ rttMs: { p50: 40, p95: 60 }, probes: 20 });
  expect(loss).toBeCloseTo(0.2, 10);
  // Sixteen came back; between the fourth and the sixth, both even, nothing changes, and so on.
  expect(jitterMs).toBeCloseTo((20 * 12) / 15, 10);
});

test('a probe counts as lost a second after it left, and no longer when it comes after all', () => {
  const meter = new PathMeter(0);
  meter.sent(0);
  expect(meter.quality(999, 30_000)).toMatchObject({ probes: 0, loss: 0, rttMs: null, jitterMs: null });
  expect(meter.quality(1_000, 30_000)).toMatchObject({ probes: 1, loss: 1 });
  meter.back(0, 1_500);
  expect(meter.quality(1_500, 30_000)).toMatchObject({ probes: 1, loss: 0, rttMs: { p50: 1_500, p95: 1_500 } });
});

test('only the last of them count', () => {
  const meter = new PathMeter(0);
  for (let number = 0; number < 10; number++) meter.sent(number * 100);
  for (let number = 10; number < 20; number++) meter.back(meter.sent(5_000 + number * 100), 5_010 + number * 100);
  expect(meter.quality(8_000, 5_000)).toMatchObject({ probes: 10, loss: 0 });
  expect(meter.quality(8_000, 30_000).loss).toBe(0.5);
});

test('tells for how long nothing has come back, and knows what it never sent', () => {
  const meter = new PathMeter(100);
  expect(meter.silentMs(400)).toBe(300);
  meter.sent(400);
  expect([meter.back(0, 450), meter.back(0, 460), meter.back(1, 470), meter.back(-1, 480)]).toEqual([
    true,
    false,
    false,
    false,
  ]);
  expect(meter.silentMs(500)).toBe(50);
  for (let number = 1; number <= 400; number++) meter.sent(1_000);
  expect(meter.back(5, 1_001)).toBe(false);
});
