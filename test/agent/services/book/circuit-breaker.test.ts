import { describe, expect, test } from 'vitest';
import {
  type BreakerState,
  CIRCUIT_BREAKER_DEFAULTS,
  CircuitBreaker,
  type CircuitBreakerOptions,
} from '../../../../src/agent/services/book/index.ts';
import { FakeClock } from '../../../support/fake-clock.ts';

const { openMs, maxOpenMs, refusedOpenMs, maxFailuresInRow, rateWindow } = CIRCUIT_BREAKER_DEFAULTS;

function breaker(options: Partial<CircuitBreakerOptions> = {}) {
  const clock = new FakeClock();
  const states: BreakerState['name'][] = [];
  const it = new CircuitBreaker({ clock, random: () => 0.5, onChange: ({ name }) => states.push(name), ...options });
  const fail = (how = {}) => it.begin()!.failed({ refused: false, waitMs: null, ...how });
  const failUntilOpen = () => {
    for (let count = 0; count < maxFailuresInRow; count++) fail();
  };
  return { it, clock, states, fail, failUntilOpen };
}

describe('a circuit breaker', () => {
  test('lets no request pass after failures in a row, and one after a while', () => {
    const { it, clock, fail, failUntilOpen, states } = breaker();
    fail();
    fail();
    it.begin()!.succeeded();
    fail();
    fail();
    expect(it.passes).toBe(true);
    it.begin()!.succeeded();
    failUntilOpen();
    expect(it.begin()).toBeNull();
    clock.advance(openMs - 1);
    expect(it.begin()).toBeNull();
    clock.advance(1);
    expect(it.passes).toBe(true);
    const probe = it.begin()!;
    expect(it.begin()).toBeNull();
    probe.succeeded();
    expect(it.begin()).not.toBeNull();
    expect(states).toEqual(['open', 'half-open', 'closed']);
    expect(clock.pendingCount).toBe(0);
  });

  test('stays open twice as long each time that the probe fails, up to a limit', () => {
    const { it, clock, fail, failUntilOpen } = breaker();
    failUntilOpen();
    for (let waitMs: number = openMs; ; waitMs = Math.min(waitMs * 2, maxOpenMs)) {
      clock.advance(waitMs - 1);
      expect(it.passes).toBe(false);
      clock.advance(1);
      fail();
      if (waitMs === maxOpenMs) break;
    }
    clock.advance(maxOpenMs);
    expect(it.passes).toBe(true);
  });

  test('opens when half of the last requests failed, though never several in a row', () => {
    const { it, fail } = breaker();
    for (let count = 0; count < rateWindow / 2 - 1; count++) {
      fail();
      it.begin()!.succeeded();
    }
    it.begin()!.succeeded();
    expect(it.passes).toBe(true);
    fail();
    expect(it.passes).toBe(false);
  });

  test('opens at once and for long when the service refuses our key', () => {
    const { it, clock, fail } = breaker();
    fail({ refused: true });
    clock.advance(refusedOpenMs - 1);
    expect(it.passes).toBe(false);
    clock.advance(1);
    expect(it.passes).toBe(true);
  });

  test('leaves a service alone for as long as it asked, within reason', () => {
    const { it, clock, fail } = breaker();
    fail({ waitMs: 30_000 });
    clock.advance(29_999);
    expect(it.passes).toBe(false);
    clock.advance(1);
    fail({ waitMs: 86_400_000 });
    clock.advance(maxOpenMs);
    expect(it.passes).toBe(true);
  });

  test('counts nothing of a request that its caller gave up, and lets the next one probe', () => {
    const { it, clock, failUntilOpen } = breaker();
    for (let count = 0; count < 50; count++) it.begin()!.abandoned();
    expect(it.passes).toBe(true);
    failUntilOpen();
    clock.advance(openMs);
    it.begin()!.abandoned();
    const probe = it.begin();
    expect(probe).not.toBeNull();
    probe!.succeeded();
    expect(it.state.name).toBe('closed');
  });

  test('takes the first outcome of a request, and no other', () => {
    const { it } = breaker();
    for (let count = 0; count < 10; count++) {
      const attempt = it.begin()!;
      attempt.succeeded();
      attempt.failed({ refused: true, waitMs: null });
    }
    expect(it.passes).toBe(true);
  });

  test('spreads the times of many nodes by its jitter', () => {
    const times = [0, 1].map((random) => {
      const { it, clock, failUntilOpen } = breaker({ random: () => random });
      failUntilOpen();
      const state = it.state;
      return state.name === 'open' ? state.untilMs - clock.now() : null;
    });
    expect(times).toEqual([openMs * 0.8, openMs * 1.2]);
  });
});
