import { describe, expect, it } from 'vitest';
import type { Clock } from '../../src/clock.ts';
import { NodeClock } from '../../src/core/node-clock.ts';
import { silentLogger } from '../../src/telemetry/index.ts';
import { FakeClock } from '../support/fake-clock.ts';

function setUp(clock: Clock = new FakeClock()) {
  const lateness: number[] = [];
  const nodeClock = new NodeClock({ clock, log: silentLogger, onLateness: (ms) => lateness.push(ms) });
  return { nodeClock, lateness };
}

describe('NodeClock', () => {
  it('has no timer while nobody is subscribed', () => {
    const clock = new FakeClock();
    const { nodeClock } = setUp(clock);
    expect(clock.pendingCount).toBe(0);
    const end = nodeClock.subscribe(() => {});
    expect(clock.pendingCount).toBe(1);
    end();
    end();
    expect(clock.pendingCount).toBe(0);
    expect(nodeClock.subscribers).toBe(0);
  });

  it('calls a subscriber every 20 ms at scheduled times, without drift over an hour', () => {
    const clock = new FakeClock(0);
    const { nodeClock } = setUp(clock);
    let count = 0;
    let last = -1;
    nodeClock.subscribe((at) => {
      count += 1;
      last = at;
    });
    for (let minute = 0; minute < 60; minute++) clock.advance(60_000);
    expect(count).toBe(180_000);
    expect(last % 20).toBe(0);
    expect(last).toBe(3_600_000);
  });

  it('does not drift when every timer is late', () => {
    const real = new FakeClock(0);
    const late: Clock = {
      now: () => real.now(),
      date: () => real.date(),
      setTimeout: (callback, delayMs) => real.setTimeout(callback, delayMs + 3),
    };
    const { nodeClock, lateness } = setUp(late);
    const times: number[] = [];
    nodeClock.subscribe((at) => times.push(at), 20);
    for (let second = 0; second < 10; second++) real.advance(1_000);
    expect(times.length).toBeGreaterThanOrEqual(499);
    expect(times.slice(0, 3)).toEqual([20, 40, 60]);
    expect(Math.max(...lateness)).toBeCloseTo(3, 6);
  });

  it('keeps the asked phase, up to 5 ms behind', () => {
    const clock = new FakeClock(0);
    const { nodeClock } = setUp(clock);
    const times: number[] = [];
    clock.advance(3);
    nodeClock.subscribe(() => times.push(clock.now()), 33);
    clock.advance(60);
    expect(times).toEqual([15, 35, 55]);
  });

  it('spreads subscribers without a phase over the phases', () => {
    const clock = new FakeClock(0);
    const { nodeClock } = setUp(clock);
    const phases: number[] = [];
    for (let index = 0; index < 8; index++) nodeClock.subscribe((at) => phases.push(at % 20));
    clock.advance(20);
    expect(phases.sort((a, b) => a - b)).toEqual([0, 0, 5, 5, 10, 10, 15, 15]);
  });

  it('calls subscribers of a phase in the order of their coming', () => {
    const clock = new FakeClock(0);
    const { nodeClock } = setUp(clock);
    const order: string[] = [];
    nodeClock.subscribe(() => order.push('a'), 20);
    const end = nodeClock.subscribe(() => order.push('b'), 20);
    nodeClock.subscribe(() => order.push('c'), 20);
    clock.advance(20);
    end();
    clock.advance(20);
    expect(order.join('')).toBe('abcac');
  });

  it('catches up after a stall by three ticks at the most and says what it skipped', () => {
    const clock = new FakeClock(0);
    let stalledUntil = 0;
    const stalling: Clock = {
      now: () => Math.max(clock.now(), stalledUntil),
      date: () => clock.date(),
      setTimeout: (callback, delayMs) => clock.setTimeout(callback, delayMs),
    };
    const { nodeClock, lateness } = setUp(stalling);
    const times: number[] = [];
    nodeClock.subscribe((at) => times.push(at), 20);
    clock.advance(20);
    stalledUntil = 1_001;
    clock.advance(20);
    expect(times).toEqual([20, 960, 980, 1_000]);
    expect(nodeClock.skippedTicks).toBe(46);
    expect(Math.max(...lateness)).toBe(961);
    clock.advance(981);
    expect(times.at(-1)).toBe(1_020);
  });

  it('lets a subscriber leave, and another come, during a tick', () => {
    const clock = new FakeClock(0);
    const { nodeClock } = setUp(clock);
    const order: string[] = [];
    const end = nodeClock.subscribe(() => {
      order.push('a');
      end();
      nodeClock.subscribe(() => order.push('c'), 20);
    }, 20);
    nodeClock.subscribe(() => order.push('b'), 20);
    clock.advance(20);
    clock.advance(20);
    expect(order.join('')).toBe('abbc');
  });

  it('goes on when a subscriber throws', () => {
    const clock = new FakeClock(0);
    const { nodeClock } = setUp(clock);
    let count = 0;
    nodeClock.subscribe(() => {
      throw new Error('broken');
    }, 20);
    nodeClock.subscribe(() => {
      count += 1;
    }, 20);
    clock.advance(100);
    expect(count).toBe(5);
  });

  it('is idle after close', () => {
    const clock = new FakeClock(0);
    const { nodeClock } = setUp(clock);
    nodeClock.subscribe(() => expect.unreachable());
    nodeClock.close();
    nodeClock.subscribe(() => expect.unreachable());
    clock.advance(100);
    expect(clock.pendingCount).toBe(0);
  });
});
