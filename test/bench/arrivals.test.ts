import { expect, test } from 'vitest';
import { Arrivals } from '../../bench/light-caller/arrivals.ts';
import { OwnLag } from '../../bench/light-caller/own-lag.ts';

test('a steady stream has nothing lost and nothing late, over the wrap of both numbers', () => {
  const arrivals = new Arrivals();
  for (let index = 0; index < 20; index++) {
    const timestamp = (0xffff_ffff - 5 * 960 + index * 960) >>> 0;
    expect(arrivals.take((65_530 + index) & 0xffff, timestamp, index * 20 + (index % 2))).toBe(0);
  }
  expect(arrivals.report()).toEqual({ received: 20, lost: 0, disordered: 0, late: 0, lateSeen: 0, worstMs: 1 });
});

test('a hole is lost, what comes after it is not late for that', () => {
  const arrivals = new Arrivals();
  arrivals.take(1, 0, 0);
  expect(arrivals.take(4, 3 * 960, 60)).toBe(2);
  expect(arrivals.report()).toMatchObject({ received: 2, lost: 2, late: 0 });
});

test('a frame more than 30 ms after the one before is late, silence by DTX is not', () => {
  const arrivals = new Arrivals();
  arrivals.take(1, 0, 0);
  arrivals.take(2, 960, 30);
  arrivals.take(3, 2 * 960, 61);
  arrivals.take(4, 22 * 960, 461);
  expect(arrivals.report()).toMatchObject({ received: 4, lost: 0, late: 1, worstMs: 11 });
});

test('duplicates and stragglers are counted apart and heal no loss', () => {
  const arrivals = new Arrivals();
  arrivals.take(1, 0, 0);
  arrivals.take(3, 2 * 960, 40);
  expect(arrivals.take(3, 2 * 960, 41)).toBeLessThan(0);
  expect(arrivals.take(2, 960, 42)).toBeLessThan(0);
  expect(arrivals.report()).toMatchObject({ received: 2, lost: 1, disordered: 2 });
});

test("a frame is not the server's fault for as long as this process itself was late", () => {
  const arrivals = new Arrivals();
  arrivals.take(1, 0, 0);
  arrivals.take(2, 960, 35, false, 6);
  arrivals.take(3, 2 * 960, 55);
  arrivals.take(4, 3 * 960, 90, false, 4);
  expect(arrivals.report()).toMatchObject({ lateSeen: 2, late: 1 });
});

test('a frame that begins a spurt after a pause is measured against none before it', () => {
  const arrivals = new Arrivals();
  arrivals.take(1, 0, 0);
  arrivals.take(2, 150 * 960, 3_015, true);
  arrivals.take(3, 151 * 960, 3_035);
  expect(arrivals.report()).toMatchObject({ lateSeen: 0, late: 0, worstMs: 0 });
});

test("one's own lag counts for what is read soon after it, the greatest of them", () => {
  const lag = new OwnLag();
  lag.note(3, 1_000);
  lag.note(9, 1_010);
  lag.note(1, 1_020);
  expect(lag.recent(1_021)).toBe(9);
  expect(lag.recent(1_036)).toBe(1);
  expect(lag.recent(1_100)).toBe(0);
});

test('a stall in mid-speech is late, though the frame after it begins a spurt and its timestamp hides the hole', () => {
  const arrivals = new Arrivals();
  arrivals.take(1, 0, 0);
  arrivals.take(2, 5 * 960, 100, true);
  expect(arrivals.report()).toMatchObject({ lateSeen: 1, late: 1, worstMs: 80 });
});
