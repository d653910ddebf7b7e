import { describe, expect, test } from 'vitest';
import { soundsOver } from '../../bench/levelled-caller/sounds-over.ts';

const spurt = (firstAtMs: number, lastAtMs: number) => ({ firstAtMs, lastAtMs, firstNumber: 0, frames: 1 });
const sound = (kind: 'vowel' | 'speech', from: number, to: number) => [
  { index: 0, kind, edge: 'first' as const, atMs: from },
  { index: 0, kind, edge: 'last' as const, atMs: to },
];

const CALM = { stalledAtFirst: false, stalledAtLast: false };

describe('soundsOver()', () => {
  test('tells when the agent fell silent for a sound, and when it went on', () => {
    const log = {
      sounds: sound('vowel', 1_000, 1_150),
      spurts: [spurt(0, 1_060), spurt(1_350, 9_000)],
      stallsAtMs: [],
    };
    expect(soundsOver(log, 10_000)).toEqual([{ kind: 'vowel', silencedMs: 60, resumedMs: 200, ...CALM }]);
  });

  test('tells of an agent that spoke on, and of one that did not go on', () => {
    const log = { sounds: sound('vowel', 1_000, 1_150), stallsAtMs: [] };
    expect(soundsOver({ ...log, spurts: [spurt(0, 9_000)] }, 10_000)[0]).toMatchObject({ silencedMs: null });
    const later = [spurt(0, 1_100), spurt(4_000, 9_000)];
    expect(soundsOver({ ...log, spurts: later }, 10_000)[0]).toMatchObject({ silencedMs: 100, resumedMs: null });
  });

  test('leaves out sounds in a silence of the agent, and those whose end the log does not reach', () => {
    const log = { sounds: sound('speech', 1_000, 1_150), stallsAtMs: [] };
    expect(soundsOver({ ...log, spurts: [spurt(0, 900), spurt(1_200, 2_000)] }, 10_000)).toEqual([]);
    expect(soundsOver({ ...log, spurts: [spurt(0, 9_000)] }, 2_000)).toEqual([]);
  });

  test('marks sounds around which the process itself stalled', () => {
    const log = { sounds: sound('speech', 1_000, 1_150), spurts: [spurt(0, 1_060)] };
    const at = (atMs: number) => soundsOver({ ...log, stallsAtMs: [atMs] }, 10_000)[0];
    expect([899, 901, 1_600, 1_701].map((atMs) => at(atMs)?.stalledAtFirst)).toEqual([false, true, true, false]);
    expect([1_049, 1_051, 1_800, 1_851].map((atMs) => at(atMs)?.stalledAtLast)).toEqual([false, true, true, false]);
  });
});
