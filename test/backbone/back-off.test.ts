import { expect, test } from 'vitest';
import { reconnectDelayMs } from '../../src/backbone/back-off.ts';

test('the wait before dialing again is anything up to 200 ms, then 400, 800 and so on up to 5 s', () => {
  const longest = [0, 1, 2, 3, 4, 5, 6, 60].map((attempts) => reconnectDelayMs(attempts, 1));
  expect(longest).toEqual([200, 400, 800, 1_600, 3_200, 5_000, 5_000, 5_000]);
  expect(reconnectDelayMs(5, 0)).toBe(0);
  expect(reconnectDelayMs(5, 0.25)).toBe(1_250);
});

test('a thousand POPs that lost a core in one moment do not dial it in one', () => {
  // The fractions of multiples of the golden ratio: as good as random, and the same each time.
  let draw = 0;
  const random = () => {
    draw = (draw + 0.618_033_988_75) % 1;
    return draw;
  };
  const waits = Array.from({ length: 1_000 }, () => reconnectDelayMs(0, random()));
  const per10Ms = Array.from({ length: 20 }, (_, at) => waits.filter((wait) => Math.floor(wait / 10) === at).length);
  expect(Math.max(...per10Ms)).toBeLessThanOrEqual(51);
  expect(Math.min(...per10Ms)).toBeGreaterThanOrEqual(49);
});
