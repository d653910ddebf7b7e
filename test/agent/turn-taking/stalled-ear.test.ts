import { describe, expect, test } from 'vitest';
import type { VoiceFrame } from '../../../src/agent/frames.ts';
import { StalledEar } from '../../../src/agent/turn-taking/stalled-ear.ts';
import { FakeClock } from '../../support/fake-clock.ts';

const VOICE = { kind: 'voice', speaking: true, silentMs: 0, quietMs: 0 } as VoiceFrame;

function setUp() {
  const clock = new FakeClock(0);
  const silences: number[] = [];
  const ear = new StalledEar(clock, ({ silentMs }) => void silences.push(silentMs));
  return { clock, silences, ear };
}

describe('an ear that gives nothing', () => {
  test('is silent from 300 ms on, and more so with each step', () => {
    const { clock, silences, ear } = setUp();
    ear.heard(VOICE, true);
    clock.advance(299);
    expect(silences).toEqual([]);
    clock.advance(1 + 2 * 64);
    expect(silences).toEqual([0, 64, 128]);
    ear.close();
    expect(clock.pendingCount).toBe(0);
  });

  test('is not silent while sound comes that voice activity has not judged yet', () => {
    const { clock, silences, ear } = setUp();
    ear.heard(VOICE, true);
    for (let ms = 0; ms < 2_000; ms += 20) {
      ear.sound();
      clock.advance(20);
    }
    expect(silences).toEqual([]);
    // The last sound came 20 ms ago.
    clock.advance(280 + 64);
    expect(silences).toEqual([0, 64]);
  });

  test('is not silent because the process stood still: what came meanwhile is read first', () => {
    const timers: { run: () => void; delayMs: number }[] = [];
    let nowMs = 0;
    const clock = {
      now: () => nowMs,
      setTimeout: (run: () => void, delayMs: number) => {
        timers.push({ run, delayMs });
        return { cancel() {} };
      },
    };
    const silences: number[] = [];
    const ear = new StalledEar(clock as never, ({ silentMs }) => void silences.push(silentMs));
    ear.heard(VOICE, true);
    nowMs = 1_100;
    timers.shift()!.run();
    expect(silences).toEqual([]);
    expect(timers).toMatchObject([{ delayMs: 300 }]);
    nowMs = 1_400;
    timers.shift()!.run();
    expect(silences).toEqual([0]);
  });
});
