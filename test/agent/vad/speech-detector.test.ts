import { describe, expect, test } from 'vitest';
import { SpeechDetector, type SpeechState } from '../../../src/agent/vad/speech-detector.ts';

/** A digit is a window's probability in tenths: '0099900' is silence, voice, silence. */
function run(detector: SpeechDetector, tenths: string): SpeechState[] {
  return [...tenths].map((digit, index) => detector.push(Number(digit) / 10, (index + 1) * 512));
}
const events = (states: SpeechState[]) => states.flatMap(({ event }, index) => (event ? [[index, event]] : []));

describe('the speech detector', () => {
  test('begins a stretch after 64 ms of voice, dated back to its first window', () => {
    const states = run(new SpeechDetector(), '00999');
    expect(events(states)).toEqual([[3, 'speech-started']]);
    expect(states[3]).toMatchObject({ segment: 1, segmentStart: 2 * 512, voicedMs: 64, silentMs: 0 });
  });

  test('passes over a single voiced window', () => {
    expect(events(run(new SpeechDetector(), '000900090000'))).toEqual([]);
  });

  test('ends a stretch after 250 ms of silence and says where the last voice was', () => {
    const states = run(new SpeechDetector(), '99900000000');
    expect(events(states)).toEqual([
      [1, 'speech-started'],
      [10, 'speech-stopped'],
    ]);
    expect(states[10]).toMatchObject({ lastVoicedPosition: 3 * 512, silentMs: 256, speaking: false, voicedMs: 96 });
  });

  test('goes on through a short pause', () => {
    const states = run(new SpeechDetector(), '999000000999');
    expect(events(states)).toEqual([[1, 'speech-started']]);
    expect(states.at(-1)).toMatchObject({ segment: 1, voicedMs: 192, silentMs: 0 });
  });

  test('keeps a voice that drops between the two thresholds, and begins none there', () => {
    expect(run(new SpeechDetector(), '994444').at(-1)).toMatchObject({ speaking: true, voicedMs: 192 });
    expect(events(run(new SpeechDetector(), '444444'))).toEqual([]);
  });

  test('is quiet from where the voice begins to fade, and silent from where it has', () => {
    const of = (tenths: string) =>
      run(new SpeechDetector(), tenths).map(({ quietMs, silentMs }) => [quietMs, silentMs]);
    expect(of('999641').slice(2)).toEqual([
      [0, 0],
      [32, 0],
      [64, 0],
      [96, 32],
    ]);
    // What rises, stays, or is as loud as before does not fade.
    expect(of('99965566').slice(3)).toEqual([
      [32, 0],
      [64, 0],
      [0, 0],
      [0, 0],
      [0, 0],
    ]);
    expect(of('9998').at(-1)).toEqual([0, 0]);
  });

  test('numbers stretches and measures each anew', () => {
    const states = run(new SpeechDetector(), `999${'0'.repeat(9)}99`);
    expect(states.at(-1)).toMatchObject({ segment: 2, segmentStart: 12 * 512, voicedMs: 64 });
  });

  test('has been silent for ever before the first voice', () => {
    expect(run(new SpeechDetector(), '0')[0]!.silentMs).toBe(Number.POSITIVE_INFINITY);
  });
});
