import { describe, expect, it } from 'vitest';
import { AddressRateLimiter, TokenBucket } from '../../src/signaling/rate-limit.ts';
import { FakeClock } from '../support/fake-clock.ts';

describe('rate limits', () => {
  it('a bucket gives its burst at once and its rate from then on', () => {
    const clock = new FakeClock();
    const bucket = new TokenBucket({ clock, ratePerSecond: 2, burst: 3 });
    expect([bucket.take(), bucket.take(), bucket.take(), bucket.take()]).toEqual([true, true, true, false]);
    expect(bucket.waitMs).toBe(500);
    clock.advance(500);
    expect([bucket.take(), bucket.take()]).toEqual([true, false]);
    clock.advance(60_000);
    expect([bucket.take(), bucket.take(), bucket.take(), bucket.take()]).toEqual([true, true, true, false]);
  });

  it('addresses are counted apart, and the quietest is forgotten first', () => {
    const limiter = new AddressRateLimiter({ clock: new FakeClock(), perMinute: 1, maxAddresses: 2 });
    expect(limiter.take('a')).toBe(0);
    expect(limiter.take('b')).toBe(0);
    expect(limiter.take('a')).toBe(60_000);
    expect(limiter.take('c')).toBe(0);
    expect(limiter.size).toBe(2);
    expect(limiter.take('a')).toBe(60_000);
    expect(limiter.take('b')).toBe(0);
  });
});
