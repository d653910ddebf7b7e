import { describe, expect, test } from 'vitest';
import { type PathTimes, type Silence, Suspicion, suspectLimitMs } from '../../src/backbone/suspicion.ts';
import type { Clock } from '../../src/clock.ts';
import { FakeClock } from '../support/fake-clock.ts';

const BOUNDS = { intervalMs: 250, suspectAfterMs: 900, timeoutMs: 2_000 };

function setUp(path: PathTimes | null = null, clock: Clock = new FakeClock(0)) {
  const said: string[] = [];
  const suspicion = new Suspicion({
    ...BOUNDS,
    clock,
    path: () => path,
    onChange: (silence: Silence) => said.push(`${silence} at ${clock.now()}`),
  });
  return { suspicion, said };
}

describe('Suspicion', () => {
  test('is uneasy after 540 ms of silence and sure after 900, 20 ms later each, for the socket is read once more', () => {
    const clock = new FakeClock(0);
    const { said, suspicion } = setUp(null, clock);
    clock.advance(919);
    expect(said).toEqual(['uneasy at 560']);
    expect(suspicion.suspected).toBe(false);
    clock.advance(1);
    expect(said).toEqual(['uneasy at 560', 'suspected at 920']);
    expect(suspicion.suspected).toBe(true);
    clock.advance(10_000);
    expect(said).toHaveLength(2);
  });

  test('counts from when the peer was heard last', () => {
    const clock = new FakeClock(0);
    const { said, suspicion } = setUp(null, clock);
    for (let beat = 0; beat < 20; beat++) {
      clock.advance(250);
      suspicion.heard();
    }
    expect(said).toEqual([]);
    clock.advance(920);
    expect(said).toEqual(['uneasy at 5560', 'suspected at 5920']);
  });

  test('is withdrawn when the peer is heard, and begins anew', () => {
    const clock = new FakeClock(0);
    const { said, suspicion } = setUp(null, clock);
    clock.advance(1_000);
    suspicion.heard();
    expect(said.at(-1)).toBe('heard at 1000');
    expect(suspicion.suspected).toBe(false);
    clock.advance(920);
    expect(said.slice(3)).toEqual(['uneasy at 1560', 'suspected at 1920']);
  });

  test('what was waiting in the socket when the time was up counts', () => {
    const clock = new FakeClock(0);
    const { said, suspicion } = setUp(null, clock);
    clock.advance(545);
    suspicion.heard();
    clock.advance(500);
    expect(said).toEqual([]);
  });

  test('a stall of this process is not the silence of the peer: it has two beats more to say something', () => {
    let nowMs = 0;
    let due: { atMs: number; call: () => void } = { atMs: 0, call: () => {} };
    const clock: Clock = {
      now: () => nowMs,
      date: () => new Date(nowMs),
      setTimeout: (call, delayMs) => {
        due = { atMs: nowMs + delayMs, call };
        return { cancel: () => {} };
      },
    };
    const { said, suspicion } = setUp(null, clock);
    // Stopped for three seconds: the timer is late by more than two.
    nowMs = 3_000;
    due.call();
    expect(said).toEqual([]);
    expect(due.atMs).toBe(3_500);
    nowMs = 3_500;
    due.call();
    nowMs = due.atMs;
    due.call();
    expect(said).toEqual(['uneasy at 3520']);
    suspicion.heard();
    expect(said.at(-1)).toBe('heard at 3520');
    // A short one is made up for by as much.
    const lateMs = due.atMs + 80;
    nowMs = lateMs;
    due.call();
    expect(due.atMs).toBe(lateMs + 80);
  });

  test('close() ends it', () => {
    const clock = new FakeClock(0);
    const { said, suspicion } = setUp(null, clock);
    suspicion.close();
    suspicion.close();
    clock.advance(5_000);
    suspicion.heard();
    expect({ said, timers: clock.pendingCount }).toEqual({ said: [], timers: 0 });
  });
});

describe('suspectLimitMs()', () => {
  test('is the setting where a lost beat comes again sooner than that', () => {
    expect(suspectLimitMs(BOUNDS, null)).toBe(900);
    expect(suspectLimitMs(BOUNDS, { rttMs: 20, deviationMs: 2 })).toBe(900);
    expect(suspectLimitMs(BOUNDS, { rttMs: 180, deviationMs: 5 })).toBe(900);
  });

  test('grows with a slow and an uneven path, up to where the peer counts as gone', () => {
    expect(suspectLimitMs(BOUNDS, { rttMs: 300, deviationMs: 10 })).toBe(500 + 2 * 340);
    expect(suspectLimitMs(BOUNDS, { rttMs: 100, deviationMs: 60 })).toBe(500 + 2 * 340);
    expect(suspectLimitMs(BOUNDS, { rttMs: 900, deviationMs: 10 })).toBe(2_000);
  });
});
