import { describe, expect, it } from 'vitest';
import type { CallLog, HeardSpurt, SaidSound } from '../../bench/fake-pop/messages.ts';
import { answersOf, interruptionsOf, soundsOf } from '../../bench/interruptions.ts';
import { turnsOf, waitsOf } from '../../bench/turns.ts';

const said = (kind: SaidSound['kind'], fromMs: number, toMs: number, index = 0): SaidSound[] => [
  { index, kind, edge: 'first', atMs: fromMs },
  { index, kind, edge: 'last', atMs: toMs },
];
const spurt = (firstAtMs: number, lastAtMs: number): HeardSpurt => ({
  firstAtMs,
  lastAtMs,
  firstNumber: firstAtMs / 20,
  frames: (lastAtMs - firstAtMs) / 20 + 1,
});
const log = (sounds: SaidSound[], spurts: HeardSpurt[], told: CallLog['told'] = []): CallLog => ({
  sounds,
  spurts,
  told,
  received: 0,
  lost: 0,
  disordered: 0,
  unsent: 0,
  sendLateMs: 0,
  ended: null,
});
const decided = (atMs: number, packetAtMs: number) => ({
  atMs,
  name: 'turn-decided',
  data: {},
  packet: { atMs: packetAtMs },
});

describe('turns of a log', () => {
  it('run from the last sound to the answer, by way of the packet that decided', () => {
    const call = log(
      [...said('speech', 0, 1_000), ...said('speech', 4_000, 5_000)],
      [spurt(1_610, 3_000)],
      [decided(1_605, 1_580)],
    );
    expect(turnsOf(call)).toEqual({
      answered: [{ lastSoundAtMs: 1_000, decidableAtMs: 1_580, answeredAtMs: 1_610 }],
      unanswered: 0,
    });
    expect(waitsOf(call)).toEqual({ waitsMs: [610], unanswered: 0 });
  });

  it('are unanswered when the caller speaks again before the agent did', () => {
    const call = log([...said('speech', 0, 1_000), ...said('speech', 4_000, 5_000)], [spurt(4_100, 5_000)]);
    expect(turnsOf(call)).toEqual({ answered: [], unanswered: 1 });
    expect(waitsOf(call)).toEqual({ waitsMs: [], unanswered: 1 });
  });

  it('leave out the last end of voice, whose answer may come after the log', () => {
    expect(waitsOf(log(said('speech', 0, 1_000), []))).toEqual({ waitsMs: [], unanswered: 0 });
  });
});

describe('interruptions of a log', () => {
  it('take from the first sound to the last packet, pauses included', () => {
    const spurts = [spurt(0, 2_100), spurt(2_300, 2_340), spurt(3_800, 9_000)];
    const call = log(said('speech', 2_000, 3_000), spurts);
    expect(interruptionsOf(call)).toEqual({ tookMs: [340], ignored: 0 });
  });

  it('are ignored where the agent speaks on', () => {
    expect(interruptionsOf(log(said('speech', 2_000, 3_000), [spurt(0, 9_000)]))).toEqual({ tookMs: [], ignored: 1 });
  });

  it('are none where the agent was silent', () => {
    expect(interruptionsOf(log(said('speech', 2_000, 3_000), [spurt(0, 1_000)]))).toEqual({ tookMs: [], ignored: 0 });
  });
});

describe('sounds over the agent', () => {
  it('that pause it are followed by how soon it goes on', () => {
    const call = log(said('vowel', 2_000, 2_200), [spurt(0, 2_120), spurt(2_300, 6_000)]);
    expect(soundsOf(call)).toEqual([{ resumedMs: 100, cutOff: false }]);
  });

  it('that do not pause it are told apart, even when the answer ends soon after', () => {
    expect(soundsOf(log(said('noise', 2_000, 2_200), [spurt(0, 2_900)]))).toEqual([{ resumedMs: null, cutOff: false }]);
  });

  it('that end the answer count as cut off', () => {
    const call = log([...said('vowel', 2_000, 2_200), ...said('speech', 8_000, 9_000, 1)], [spurt(0, 2_120)]);
    expect(soundsOf(call)).toEqual([{ resumedMs: null, cutOff: true }]);
  });

  it('leave the answer whole: frames between two questions are summed', () => {
    const sounds = [...said('speech', 0, 1_000), ...said('vowel', 2_000, 2_200, 1), ...said('speech', 8_000, 9_000)];
    expect(answersOf(log(sounds, [spurt(1_600, 2_120), spurt(2_300, 6_000)]))).toEqual([27 + 186]);
  });
});
