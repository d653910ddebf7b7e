import { describe, expect, test } from 'vitest';
import type { VoiceFrame } from '../../../src/agent/frames.ts';
import { ConverseYield } from '../../../src/agent/stages/converse-yield.ts';
import { FakeClock } from '../../support/fake-clock.ts';

function setUp() {
  const clock = new FakeClock();
  const done: string[] = [];
  const mouth = {
    pause: () => void done.push('pause'),
    resume: () => void done.push('resume'),
    yields: (on: boolean) => void done.push(`yields ${on}`),
  };
  const yielding = new ConverseYield({ mouth, clock });
  const voice = (voicedMs: number, silentMs = 0, audible = true) =>
    yielding.voice({ kind: 'voice', speaking: voicedMs > 0, voicedMs, silentMs } as VoiceFrame, audible);
  return { clock, done, yielding, voice };
}

describe('an agent of a service that detects turns itself', () => {
  test('is armed by the first frame of voice activity, and never without any', () => {
    const { done, voice } = setUp();
    expect(done).toEqual([]);
    voice(0);
    voice(0);
    expect(done).toEqual(['yields true']);
  });

  test('pauses for 128 ms of voice while it is heard, and goes on when the voice was short', () => {
    const { done, voice } = setUp();
    voice(96);
    expect(done).toEqual(['yields true']);
    voice(128);
    voice(160);
    expect(done).toEqual(['yields true', 'pause']);
    voice(160, 288);
    expect(done).toHaveLength(2);
    voice(160, 320);
    expect(done).toEqual(['yields true', 'pause', 'resume']);
  });

  test('does not pause while it is not heard', () => {
    const { done, voice } = setUp();
    voice(400, 0, false);
    expect(done).toEqual(['yields true']);
  });

  test('goes on after 1.2 s in which the service said nothing, and not again for the same voice', () => {
    const { clock, done, voice } = setUp();
    voice(128);
    clock.advance(1_199);
    expect(done).toEqual(['yields true', 'pause']);
    clock.advance(1);
    expect(done).toEqual(['yields true', 'pause', 'resume']);
    voice(1_400);
    expect(done).toHaveLength(3);
    voice(0);
    voice(128);
    expect(done.at(-1)).toBe('pause');
  });

  test('is decided by the service: nothing of the same voice pauses the next answer', () => {
    const { clock, done, yielding, voice } = setUp();
    voice(128);
    yielding.decided();
    expect(done).toEqual(['yields true', 'pause', 'resume']);
    voice(300);
    expect(done).toHaveLength(3);
    expect(clock.pendingCount).toBe(0);
  });

  test('leaves no timer', () => {
    const { clock, yielding, voice } = setUp();
    voice(128);
    yielding.close();
    yielding.close();
    expect(clock.pendingCount).toBe(0);
  });
});
