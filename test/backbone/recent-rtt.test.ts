import { expect, test } from 'vitest';
import { RecentRtt } from '../../src/backbone/recent-rtt.ts';

test('the last round trips tell their middle and their tail, once there are enough of them', () => {
  const recent = new RecentRtt();
  for (let rttMs = 1; rttMs <= 15; rttMs++) recent.add(rttMs);
  expect(recent.spread).toBeNull();
  recent.add(16);
  expect(recent.spread).toEqual({ p50: 8, p95: 16 });
  // The 64 newest count.
  for (let rttMs = 101; rttMs <= 164; rttMs++) recent.add(rttMs);
  expect(recent.spread).toEqual({ p50: 132, p95: 161 });
});
