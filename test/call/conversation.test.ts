import { beforeEach, describe, expect, test } from 'vitest';
import type { Clip } from '../../src/call/clip.ts';
import { CONVERSATION_LIMITS, converse, type Talk } from '../../src/call/conversation.ts';
import { Listener } from '../../src/call/listener.ts';
import type { Saying } from '../../src/call/microphone.ts';
import { AntipodeError } from '../../src/errors.ts';
import { FakeClock } from '../support/fake-clock.ts';

const RATE = 16_000;
const LOUD = new Int16Array(160).fill(5_000);
const QUIET = new Int16Array(160);

let clock: FakeClock;
let listener: Listener;
/** Spans of Clock.now milliseconds in which the agent sounds. */
let sounds: [from: number, to: number][];

beforeEach(() => {
  clock = new FakeClock(0);
  listener = new Listener(clock);
  sounds = [];
});

/** Let time pass with a frame of the agent's audio every 10 ms. */
async function pass(ms: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += 10) {
    const now = clock.now();
    listener.push(sounds.some(([from, to]) => now >= from && now < to) ? LOUD : QUIET, RATE, now);
    clock.advance(10);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

describe('Listener', () => {
  test('tells when a sound began and ended, to the sample', async () => {
    const edge = new Int16Array(160);
    edge.fill(5_000, 80);
    listener.push(edge, RATE, 100);
    listener.push(LOUD, RATE, 110);
    listener.push(LOUD, RATE, 120);
    const end = new Int16Array(160);
    end.fill(5_000, 0, 40);
    listener.push(end, RATE, 130);
    for (let at = 140; at < 500; at += 10) listener.push(QUIET, RATE, at);
    expect(listener.firstSoundAtMs).toBe(105);
    expect(listener.spurtBeganAtMs).toBe(105);
    expect(listener.lastSoundAtMs).toBeCloseTo(132.44, 2);
    expect(listener.silentForMs).toBeCloseTo(500 - 132.44, 2);
    expect(listener.hearing).toBe(false);
  });

  test('a click is no sound', () => {
    listener.push(LOUD, RATE, 0);
    listener.push(LOUD, RATE, 10);
    for (let at = 20; at < 100; at += 10) listener.push(QUIET, RATE, at);
    expect(listener.firstSoundAtMs).toBeNull();
    expect(listener.silentForMs).toBe(100);
  });

  test('a pause between words does not begin a new spurt, a longer one does', async () => {
    sounds = [
      [100, 300],
      [450, 600],
      [900, 1_000],
    ];
    await pass(700);
    expect(listener.spurtBeganAtMs).toBe(100);
    await pass(400);
    expect(listener.spurtBeganAtMs).toBe(900);
  });

  test('time without media is not taken for silence', async () => {
    sounds = [[100, 500]];
    await pass(500);
    clock.advance(5_000);
    listener.mediaRenewed();
    await pass(100);
    expect(listener.silentForMs).toBeLessThanOrEqual(100);
  });

  test('a wait ends with its code, or with the reason of its signal, and leaves nothing behind', async () => {
    const options = { timeoutMs: 100, code: 'ERR_CALL_NO_ANSWER', message: 'nothing came' } as const;
    const timedOut = expect(listener.until(() => null, options)).rejects.toMatchObject({ code: 'ERR_CALL_NO_ANSWER' });
    clock.advance(100);
    await timedOut;
    const stop = new AbortController();
    const reason = new Error('enough');
    const aborted = expect(listener.until(() => null, { ...options, signal: stop.signal })).rejects.toBe(reason);
    stop.abort(reason);
    await aborted;
    expect(clock.pendingCount).toBe(0);
  });
});

describe('converse()', () => {
  const clip = (path: string): Clip => ({ path, frames: [], voiced: { first: 0, last: 0 } });
  let said: { path: string; atMs: number }[];
  let stop: AbortController;
  let talk: Talk;

  beforeEach(() => {
    said = [];
    stop = new AbortController();
    talk = { greetedAtMs: null, turns: [] };
  });

  /** Every clip is voiced from 100 to 900 ms after it is said. */
  function say(one: Clip): Saying {
    said.push({ path: one.path, atMs: clock.now() });
    const at = (delayMs: number) =>
      new Promise<number>((resolve) => clock.setTimeout(() => resolve(clock.now()), delayMs));
    return { begun: at(100), ended: at(900) };
  }

  function run(paths: string[], interruptWith: string | null = null): Promise<unknown> {
    return converse({
      say: paths.map(clip),
      interruptWith: interruptWith === null ? null : clip(interruptWith),
      microphone: { say },
      listener,
      limits: CONVERSATION_LIMITS,
      signal: stop.signal,
      talk,
    }).then(
      () => 'done',
      (error: unknown) => error,
    );
  }

  test('waits for the greeting to end, then measures each answer from the last voiced sample spoken', async () => {
    sounds = [
      [500, 1_500],
      [3_700, 4_700],
      [7_000, 7_500],
    ];
    const ended = run(['a.wav', 'b.wav']);
    await pass(9_000);
    expect(await ended).toBe('done');
    expect(talk.greetedAtMs).toBe(500);
    expect(said.map(({ path }) => path)).toEqual(['a.wav', 'b.wav']);
    // A second after the greeting, and after the first answer; each within a frame.
    expect(Math.abs(said[0]!.atMs - 2_500)).toBeLessThanOrEqual(10);
    expect(Math.abs(said[1]!.atMs - 5_700)).toBeLessThanOrEqual(10);
    expect(talk.turns).toEqual([
      { voiceToVoiceMs: 3_700 - (said[0]!.atMs + 900) },
      { voiceToVoiceMs: 7_000 - (said[1]!.atMs + 900) },
    ]);
  });

  test('an agent that does not greet is spoken to after three seconds', async () => {
    sounds = [[4_500, 5_000]];
    const ended = run(['a.wav']);
    await pass(6_000);
    expect(await ended).toBe('done');
    expect(talk.greetedAtMs).toBeNull();
    expect(Math.abs(said[0]!.atMs - 3_000)).toBeLessThanOrEqual(20);
  });

  test('an interruption is measured from its first voiced sample to the last sound before the silence', async () => {
    // The answer pauses for 400 ms, twice, as one who counts; it stops 250 ms into the interruption.
    sounds = [
      [4_500, 5_000],
      [5_400, 5_800],
    ];
    const ended = run(['a.wav'], 'stop.wav');
    await pass(5_900);
    expect(said).toHaveLength(1);
    sounds.push([6_000, 6_450]);
    await pass(2_000);
    sounds.push([8_000, 8_500]);
    await pass(2_000);
    expect(await ended).toBe('done');
    const spokenAtMs = said[1]!.atMs + 100;
    expect(said[1]!.path).toBe('stop.wav');
    // Into a sound, not into a pause: the third one, as soon as it is known for one.
    expect(Math.abs(said[1]!.atMs - 6_000)).toBeLessThanOrEqual(30);
    expect(talk.turns[0]!.bargeInMs).toBeCloseTo(6_450 - spokenAtMs, 0);
  });

  test('an answer that is too short to be interrupted fails the call', async () => {
    sounds = [[4_500, 5_000]];
    const ended = run(['a.wav'], 'stop.wav');
    await pass(7_000);
    expect(await ended).toMatchObject({
      code: 'ERR_CALL_FAILED',
      message: 'the agent had finished its answer before it could be interrupted',
    });
    expect(talk.turns).toHaveLength(1);
    expect(talk.turns[0]).not.toHaveProperty('bargeInMs');
  });

  test('an agent that talks on over the interruption fails the call', async () => {
    sounds = [[4_500, 60_000]];
    const ended = run(['a.wav'], 'stop.wav');
    await pass(17_000);
    expect(await ended).toMatchObject({ code: 'ERR_CALL_FAILED', message: expect.stringContaining('talked on') });
  });

  test('no answer fails the call with its code and the file, and keeps what was measured before', async () => {
    sounds = [[4_500, 5_000]];
    const ended = run(['a.wav', 'b.wav']);
    await pass(28_000);
    expect(await ended).toMatchObject({ code: 'ERR_CALL_NO_ANSWER', message: expect.stringContaining('b.wav') });
    expect(talk.turns).toHaveLength(1);
  });

  test('no audio at all fails the call', async () => {
    const ended = run(['a.wav']);
    clock.advance(CONVERSATION_LIMITS.answerMs);
    expect(await ended).toMatchObject({ code: 'ERR_CALL_NO_ANSWER', message: 'no audio came from the agent' });
  });

  test('an agent that sounds before the caller has finished is an echo: answered, without a figure', async () => {
    sounds = [[3_150, 4_100]];
    const ended = run(['a.wav']);
    await pass(6_000);
    expect(await ended).toBe('done');
    expect(talk.turns).toEqual([{ voiceToVoiceMs: null }]);
  });

  test('ends at once with the reason of the signal, also while it speaks', async () => {
    const ended = run(['a.wav']);
    await pass(3_300);
    expect(said).toHaveLength(1);
    const reason = new AntipodeError('ERR_SESSION_ENDED', 'over');
    stop.abort(reason);
    expect(await ended).toBe(reason);
  });
});
