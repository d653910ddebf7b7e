import { describe, expect, test } from 'vitest';
import {
  type FloorEvent,
  type FloorState,
  type Sound,
  TURN_TAKING_DEFAULTS,
  type TurnTakingOptions,
  transition,
} from '../../../src/agent/turn-taking/transition.ts';

const OPEN: FloorState = { floor: 'open' };
const CALLER: FloorState = { floor: 'caller' };
const THINKS: FloorState = { floor: 'agent', audible: false, certain: true, sound: null };
const GUESSES: FloorState = { floor: 'agent', audible: false, certain: false, sound: null };
const SPEAKS: FloorState = { floor: 'agent', audible: true, certain: true, sound: null };
const speaksOver = (sound: Sound): FloorState => ({ floor: 'agent', audible: true, certain: true, sound });
const PAUSED = speaksOver({ paused: true, asked: false });

const voice = (overrides: Partial<Extract<FloorEvent, { type: 'voice' }>> = {}): FloorEvent => ({
  type: 'voice',
  speaking: true,
  voicedMs: 64,
  silentMs: 0,
  quietMs: overrides.silentMs ?? 0,
  turnMs: 0,
  ...overrides,
});
const step = (state: FloorState, event: FloorEvent, options: Partial<TurnTakingOptions> = {}) =>
  transition(state, event, { ...TURN_TAKING_DEFAULTS, ...options });
const verdict = (which: 'probable' | 'certain' | 'going-on'): FloorEvent => ({ type: 'verdict', verdict: which });
const words = (meant: boolean, final: boolean): FloorEvent => ({ type: 'words', meant, final });

describe('the caller', () => {
  test('has the floor by speaking when nobody does', () => {
    expect(step(OPEN, voice())).toEqual({ state: CALLER, actions: ['begin-speech'] });
    expect(step(OPEN, voice({ speaking: false, silentMs: 5_000 }))).toEqual({ state: OPEN, actions: [] });
  });

  test('has it by words that voice activity did not hear, when it is open', () => {
    expect(step(OPEN, { type: 'unheard-words' })).toEqual({ state: CALLER, actions: ['begin-speech'] });
    expect(step(SPEAKS, { type: 'unheard-words' })).toEqual({ state: SPEAKS, actions: [] });
  });

  test('keeps it until the judge is certain, the silence too long or the turn too long', () => {
    expect(step(CALLER, voice({ speaking: false, silentMs: 2_999 }))).toEqual({ state: CALLER, actions: [] });
    for (const event of [verdict('certain'), voice({ silentMs: 3_000 }), voice({ turnMs: 30_000 })]) {
      expect(step(CALLER, event)).toEqual({ state: THINKS, actions: ['end-turn'] });
    }
  });

  test('is answered at once when typing, whoever has the floor', () => {
    expect(step(OPEN, { type: 'text' })).toEqual({ state: THINKS, actions: ['begin-text'] });
    for (const state of [CALLER, THINKS, GUESSES, SPEAKS]) {
      expect(step(state, { type: 'text' })).toEqual({ state: THINKS, actions: ['interrupt', 'begin-text'] });
    }
    expect(step(PAUSED, { type: 'text' })).toEqual({ state: THINKS, actions: ['reject', 'interrupt', 'begin-text'] });
  });
});

describe('a probable end', () => {
  test('lets the answer be made and held back, unless told not to', () => {
    expect(step(CALLER, verdict('probable'))).toEqual({ state: GUESSES, actions: ['speculate'] });
    expect(step(CALLER, verdict('probable'), { speculates: false })).toEqual({ state: CALLER, actions: [] });
  });

  test('becomes certain by the judge or by the backstop', () => {
    expect(step(GUESSES, verdict('certain'))).toEqual({ state: THINKS, actions: ['confirm'] });
    expect(step(GUESSES, voice({ speaking: false, silentMs: 3_000 }))).toEqual({ state: THINKS, actions: ['confirm'] });
  });

  test('is dropped at the first voiced window, or when the judge takes it back', () => {
    expect(step(GUESSES, voice({ voicedMs: 32 }))).toEqual({ state: CALLER, actions: ['continue', 'begin-speech'] });
    expect(step(GUESSES, voice({ silentMs: 32 }))).toEqual({ state: GUESSES, actions: [] });
    expect(step(GUESSES, voice({ silentMs: 0, quietMs: 96 }))).toEqual({ state: GUESSES, actions: [] });
    expect(step(GUESSES, verdict('going-on'))).toEqual({ state: CALLER, actions: ['continue', 'begin-speech'] });
  });
});

describe('an answer to words that were not said', () => {
  test('is made anew, as certain as it was', () => {
    const misheard: FloorEvent = { type: 'misheard' };
    expect(step(GUESSES, misheard)).toEqual({ state: GUESSES, actions: ['redo'] });
    expect(step(THINKS, misheard)).toEqual({ state: THINKS, actions: ['redo'] });
    for (const state of [OPEN, CALLER, SPEAKS, PAUSED]) expect(step(state, misheard)).toEqual({ state, actions: [] });
  });
});

describe('the agent', () => {
  test('greets once, and asks an idle caller only when the floor is open', () => {
    expect(step(OPEN, { type: 'call-started' })).toEqual({ state: THINKS, actions: ['begin-call'] });
    expect(step(SPEAKS, { type: 'call-started' })).toEqual({ state: SPEAKS, actions: [] });
    expect(step(OPEN, { type: 'idle' })).toEqual({ state: THINKS, actions: ['begin-idle'] });
    expect(step(CALLER, { type: 'idle' })).toEqual({ state: CALLER, actions: [] });
  });

  test('gives the floor back when its answer has been played', () => {
    expect(step(THINKS, { type: 'audible' }).state).toEqual(SPEAKS);
    expect(step(SPEAKS, { type: 'settled' })).toEqual({ state: OPEN, actions: [] });
  });

  test('takes more speech into the turn as long as nothing of the answer was heard', () => {
    expect(step(THINKS, voice({ voicedMs: 189 }))).toEqual({ state: THINKS, actions: [] });
    expect(step(THINKS, voice({ voicedMs: 192 }))).toEqual({ state: CALLER, actions: ['continue', 'begin-speech'] });
  });
});

describe('a sound over the agent', () => {
  test('pauses it after 128 ms of voice, not before', () => {
    expect(step(SPEAKS, voice({ voicedMs: 96 }))).toEqual({ state: SPEAKS, actions: [] });
    expect(step(SPEAKS, voice({ voicedMs: 128 }))).toEqual({ state: PAUSED, actions: ['pause'] });
  });

  test('does nothing to one that cannot be interrupted', () => {
    expect(step(SPEAKS, voice({ voicedMs: 5_000 }), { interruptible: false })).toEqual({ state: SPEAKS, actions: [] });
  });

  test('cuts it off by enough voice', () => {
    expect(step(PAUSED, voice({ voicedMs: 608 }))).toEqual({ state: PAUSED, actions: [] });
    expect(step(PAUSED, voice({ voicedMs: 640 }))).toEqual({ state: CALLER, actions: ['interrupt', 'adopt'] });
    expect(step(PAUSED, voice({ voicedMs: 9_999 }), { confirmAfterMs: null })).toEqual({ state: PAUSED, actions: [] });
  });

  test('cuts it off at once where any voice counts', () => {
    const options = { pauseAfterMs: 96, confirmAfterMs: 96 };
    expect(step(SPEAKS, voice({ voicedMs: 96 }), options)).toEqual({
      state: CALLER,
      actions: ['interrupt', 'begin-speech'],
    });
  });

  test('cuts it off by words that are meant, however late', () => {
    for (const sound of [
      { paused: true, asked: false },
      { paused: true, asked: true },
      { paused: false, asked: true },
    ]) {
      expect(step(speaksOver(sound), words(true, false))).toEqual({ state: CALLER, actions: ['interrupt', 'adopt'] });
    }
  });

  test('is asked for its words when it ends, and the agent goes on before they are known', () => {
    const asked = step(PAUSED, voice({ silentMs: 64 }));
    expect(asked).toEqual({ state: speaksOver({ paused: true, asked: true }), actions: ['ask-words'] });
    const resumed = step(asked.state, voice({ silentMs: 160 }));
    expect(resumed).toEqual({ state: speaksOver({ paused: false, asked: true }), actions: ['resume'] });
    expect(step(resumed.state, words(false, true))).toEqual({ state: SPEAKS, actions: ['reject'] });
  });

  test('is forgotten by words that are not meant, and the agent goes on at once', () => {
    const asked = speaksOver({ paused: true, asked: true });
    expect(step(asked, words(false, false))).toEqual({ state: asked, actions: [] });
    expect(step(asked, words(false, true))).toEqual({ state: SPEAKS, actions: ['reject', 'resume'] });
  });

  test('pauses it anew when it comes back, and is asked anew', () => {
    const resumed = speaksOver({ paused: false, asked: true });
    expect(step(resumed, voice({ voicedMs: 160 }))).toEqual({ state: PAUSED, actions: ['pause-again'] });
    expect(step(PAUSED, words(false, true))).toEqual({ state: PAUSED, actions: [] });
  });

  test('is a turn when the answer ends under it, unless it is long over', () => {
    expect(step(PAUSED, { type: 'settled' })).toEqual({ state: CALLER, actions: ['resume', 'adopt'] });
    const resumed = speaksOver({ paused: false, asked: true });
    expect(step(resumed, { type: 'settled' })).toEqual({ state: OPEN, actions: ['reject'] });
  });
});

describe('any order of events', () => {
  /** Repeatable: a linear congruence, 0 to `below` - 1. */
  function dice(seed: number) {
    let state = seed;
    return (below: number) => {
      state = (state * 1_103_515_245 + 12_345) & 0x7fffffff;
      return (state >> 8) % below;
    };
  }

  function anyEvent(roll: (below: number) => number): FloorEvent {
    const silentMs = [0, 0, 32, 128, 500, 3_000][roll(6)]!;
    const events: FloorEvent[] = [
      voice({ speaking: roll(2) === 0, voicedMs: roll(800), silentMs, quietMs: silentMs + 32 * roll(3) }),
      verdict((['probable', 'certain', 'going-on'] as const)[roll(3)]!),
      words(roll(2) === 0, roll(2) === 0),
      { type: 'misheard' },
      { type: 'audible' },
      { type: 'settled' },
      { type: 'text' },
      { type: 'unheard-words' },
      { type: 'idle' },
      { type: 'call-started' },
    ];
    return events[roll(events.length)]!;
  }

  test.each([1, 2, 3, 4])('keeps the turns in order: seed %i', (seed) => {
    const roll = dice(seed);
    let state: FloorState = OPEN;
    /** A turn that is open, and one for a sound over the agent. */
    let open = false;
    let tentative = false;
    for (let count = 0; count < 5_000; count++) {
      const event = anyEvent(roll);
      // Nothing of an uncertain answer is ever heard.
      if (event.type === 'audible' && (state.floor !== 'agent' || !state.certain)) continue;
      const { state: next, actions }: ReturnType<typeof step> = step(state, event);
      for (const action of actions) {
        if (action === 'interrupt' || action === 'continue') {
          expect(open).toBe(true);
          open = false;
        } else if (action.startsWith('begin-')) {
          expect(open).toBe(false);
          open = true;
        } else if (action === 'end-turn' || action === 'speculate' || action === 'confirm') expect(open).toBe(true);
        else if (action === 'redo') {
          expect(open).toBe(true);
          expect(state).toMatchObject({ floor: 'agent', audible: false });
          expect(next).toEqual(state);
        } else if (action === 'pause') {
          expect(tentative).toBe(false);
          tentative = true;
        } else if (action === 'adopt' || action === 'reject') {
          expect(tentative).toBe(true);
          tentative = false;
          if (action === 'adopt') open = true;
        }
      }
      if (event.type === 'settled' && next.floor === 'open') open = false;
      state = next;
      expect(open).toBe(state.floor !== 'open');
      expect(tentative).toBe(state.floor === 'agent' && state.sound !== null);
    }
  });
});
