import { describe, expect, test } from 'vitest';
import { Heartbeat } from '../../src/backbone/heartbeat.ts';
import { FakeClock } from '../support/fake-clock.ts';

function setUp(timeoutMs = 2_000) {
  const clock = new FakeClock();
  const beats: number[] = [];
  const state = { timedOutAtMs: null as number | null };
  const heartbeat = new Heartbeat({
    clock,
    intervalMs: 250,
    timeoutMs,
    ping: (beat) => beats.push(beat),
    onTimeout: () => {
      state.timedOutAtMs = clock.now();
    },
  });
  return { clock, beats, state, heartbeat, startedAtMs: clock.now() };
}

describe('Heartbeat', () => {
  test('beats at once and then every 250 ms', () => {
    const { clock, beats, heartbeat } = setUp();
    expect(beats).toEqual([1]);
    clock.advance(249);
    expect(beats).toEqual([1]);
    clock.advance(1);
    heartbeat.heard();
    clock.advance(500);
    expect(beats).toEqual([1, 2, 3, 4]);
  });

  test('takes a peer for gone at the beat after two seconds of silence, once', () => {
    const { clock, state, heartbeat, beats, startedAtMs } = setUp();
    clock.advance(1_000);
    heartbeat.heard();
    clock.advance(2_249);
    expect(state.timedOutAtMs).toBeNull();
    clock.advance(1);
    expect(state.timedOutAtMs).toBe(startedAtMs + 3_250);
    const sent = beats.length;
    clock.advance(10_000);
    expect(beats.length).toBe(sent);
    expect(clock.pendingCount).toBe(0);
  });

  test('does not blame the peer for a stall of its own process', () => {
    let nowMs = 0;
    let due = () => {};
    const clock = {
      now: () => nowMs,
      date: () => new Date(nowMs),
      setTimeout: (callback: () => void) => {
        due = callback;
        return { cancel: () => {} };
      },
    };
    let timedOut = false;
    const heartbeat = new Heartbeat({
      clock,
      intervalMs: 250,
      timeoutMs: 2_000,
      ping: () => {},
      onTimeout: () => {
        timedOut = true;
      },
    });
    nowMs += 250;
    due();
    // One timer, five seconds late, and what the peer said meanwhile is read right after it.
    nowMs += 5_250;
    due();
    expect(timedOut).toBe(false);
    heartbeat.heard();
    for (let beat = 0; beat < 8; beat++) due();
    expect(timedOut).toBe(false);
    due();
    expect(timedOut).toBe(true);
  });

  test('measures the round trip: smoothed by an eighth, and the least', () => {
    const { clock, heartbeat } = setUp();
    expect(heartbeat.rttMs).toBeNull();
    clock.advance(40);
    expect(heartbeat.pong(1)).toBe(true);
    expect(heartbeat.rttMs).toBe(40);
    clock.advance(210);
    clock.advance(120);
    heartbeat.heard();
    expect(heartbeat.pong(2)).toBe(true);
    expect(heartbeat.rttMs).toBe(40 + (120 - 40) / 8);
    expect(heartbeat.minRttMs).toBe(40);
    clock.advance(130);
    clock.advance(24);
    heartbeat.pong(3);
    expect(heartbeat.rttMs).toBe(50 + (24 - 50) / 8);
    expect(heartbeat.minRttMs).toBe(24);
  });

  test('knows answers that it never asked for, or had before', () => {
    const { heartbeat } = setUp();
    expect(heartbeat.pong(2)).toBe(false);
    expect(heartbeat.pong(1)).toBe(true);
    expect(heartbeat.pong(1)).toBe(false);
  });

  test('forgets beats that are never answered', () => {
    const { clock, heartbeat } = setUp(60_000);
    for (let beat = 0; beat < 40; beat++) {
      clock.advance(250);
      heartbeat.heard();
    }
    expect(heartbeat.pong(1)).toBe(false);
    expect(heartbeat.pong(41)).toBe(true);
  });

  test('close() stops it', () => {
    const { clock, beats, heartbeat } = setUp();
    heartbeat.close();
    heartbeat.close();
    clock.advance(5_000);
    expect(beats).toEqual([1]);
    expect(clock.pendingCount).toBe(0);
  });
});
