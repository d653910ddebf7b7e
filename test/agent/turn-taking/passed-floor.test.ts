import { describe, expect, test } from 'vitest';
import type { Frame, TurnStartedFrame, VoiceFrame } from '../../../src/agent/frames.ts';
import { type TakeTurnsOptions, takeTurns } from '../../../src/agent/turn-taking/take-turns.ts';
import { TURN_TAKING_DEFAULTS, type TurnTakingOptions, transition } from '../../../src/agent/turn-taking/transition.ts';
import type { Speaker } from '../../../src/agent/types.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { MemoryCall } from '../../support/memory-call.ts';

const ANN: Speaker = { participantId: 'ann', name: 'Ann' };
const BOB: Speaker = { participantId: 'bob', name: 'Bob' };

function setUp(options: Partial<TakeTurnsOptions> = {}) {
  const clock = new FakeClock();
  const call = new MemoryCall({ clock });
  const frames: Frame[] = [];
  const stage = takeTurns({ call, greets: false, ...options });
  const push = (frame: Frame) => stage.process(frame, (each) => frames.push(each));
  let windows = 0;
  /** A window of 32 ms, with its sound before it. */
  const voice = (speaker: Speaker, overrides: Partial<VoiceFrame> = {}, othersWait = false) => {
    const position = ++windows * 512;
    const audio = {
      pcm: new Int16Array(512),
      position: position - 512,
      receivedAtMs: clock.now(),
      speaker,
      othersWait,
    };
    push({ kind: 'caller-audio', audio: { ...audio, origin: 'received' } });
    const silentMs = overrides.silentMs ?? 0;
    const detected = { speaking: silentMs === 0, segment: 1, segmentStart: 512, voicedMs: 320 };
    const quiet = { silentMs, quietMs: silentMs };
    push({ kind: 'voice', position, receivedAtMs: clock.now(), ...detected, ...quiet, speaker, ...overrides });
  };
  push({ kind: 'call-started', atMs: clock.now() });
  const turns = () =>
    frames.filter((frame): frame is TurnStartedFrame => frame.kind === 'turn-started').map(({ turn }) => turn);
  const story = () =>
    frames.flatMap((frame) => {
      if (frame.kind === 'turn-started') return [`${frame.turn.speaker?.name} begins ${frame.turn.number}`];
      if (frame.kind === 'turn-ended') return [`${frame.turn.number} ends`];
      return frame.kind === 'turn-queried' ? [`${frame.turn.number} asked`] : [];
    });
  return { call, voice, turns, story };
}

describe('a floor that passes to somebody else', () => {
  test('is the probable end of a turn: its answer is prepared, and held', () => {
    const passed = (state: Parameters<typeof transition>[0], options: TurnTakingOptions = TURN_TAKING_DEFAULTS) =>
      transition(state, { type: 'passed' }, options);
    const guesses = { floor: 'agent', audible: false, certain: false, sound: null } as const;
    expect(passed({ floor: 'caller' })).toEqual({ state: guesses, actions: ['speculate'] });
    expect(passed({ floor: 'caller' }, { ...TURN_TAKING_DEFAULTS, speculates: false })).toEqual({
      state: { ...guesses, certain: true },
      actions: ['end-turn'],
    });
    expect(passed({ floor: 'open' })).toEqual({ state: { floor: 'open' }, actions: [] });
    expect(passed(guesses)).toEqual({ state: guesses, actions: [] });
    const sound = { paused: true, asked: false };
    expect(passed({ ...guesses, audible: true, certain: true, sound })).toMatchObject({
      state: { sound: { paused: true, asked: true } },
      actions: ['ask-words'],
    });
  });

  test('gives each caller a turn of their own; the later one carries the earlier on', () => {
    const { voice, turns, story } = setUp();
    voice(ANN);
    voice(BOB);
    expect(story()).toEqual(['Ann begins 0', '0 ends', 'Bob begins 1']);
    expect(turns()[0]!.signal.reason).toBe('continued');
    expect(turns()[1]!.continues).toBe(turns()[0]);
    expect(turns()[1]!.continuesOwn).toBeNull();
  });

  test('does not cut a turn off for somebody who says nothing', () => {
    const { voice, turns, story } = setUp();
    voice(ANN);
    for (let silentMs = 32; silentMs <= 544; silentMs += 32) voice(BOB, { silentMs });
    expect(story()).toEqual(['Ann begins 0', '0 ends']);
    expect(turns()[0]!.certain).toBe(true);
    voice(ANN, { silentMs: 632 });
    expect(turns()[0]!.signal.aborted).toBe(false);
  });

  test('holds the answer back while somebody waits to be heard', () => {
    const { voice, turns, story } = setUp();
    voice(ANN, {}, true);
    voice(ANN, { silentMs: 600 }, true);
    expect(story()).toEqual(['Ann begins 0', '0 ends']);
    expect(turns()[0]!.certain).toBe(false);
    voice(BOB);
    expect(turns()[0]!.signal.reason).toBe('continued');
    expect(turns()[1]!.speaker).toEqual(BOB);
  });

  test('lets the answer go when who waited said nothing', () => {
    const { voice, turns } = setUp();
    voice(ANN, {}, true);
    voice(ANN, { silentMs: 600 }, true);
    for (let ms = 32; ms < 500; ms += 32) voice(BOB, { silentMs: 600 + ms });
    expect(turns()[0]!.certain).toBe(false);
    voice(BOB, { silentMs: 1_132 });
    expect(turns()[0]!.certain).toBe(true);
  });

  test('while a sound over the agent is still looked at: each of the two is heard for itself', () => {
    const { call, voice, turns, story } = setUp();
    voice(ANN);
    voice(ANN, { silentMs: 600 });
    call.mouth.write(call.mouth.open(), new Int16Array(80_000), 16_000);
    turns()[0]!.markAudible(1);
    voice(ANN, { segment: 2, voicedMs: 160 });
    expect(call.mouth.paused).toBe(true);
    voice(BOB, { segment: 3, voicedMs: 160 });
    voice(BOB, { segment: 3, voicedMs: 672 });
    expect(turns()[0]!.signal.reason).toBe('interrupted');
    expect(story().slice(2)).toEqual(['Ann begins 1', '1 asked', '1 ends', 'Bob begins 2']);
    expect(turns()[2]!.continues).toBe(turns()[1]);
  });
});
