import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { FakeDeepgram } from '../../../fakes/deepgram.ts';
import { FakeRealtimeTranscription } from '../../../fakes/openai-realtime-transcription.ts';
import { sayTones } from '../../../fakes/tone-words.ts';
import { type Book, openBook } from './book.ts';

const WORDS = ['one', 'two', 'three', 'four'] as const;

let first: FakeDeepgram;
let second: FakeRealtimeTranscription;
let book: Book;
let turn: AbortController;

beforeEach(async () => {
  turn = new AbortController();
  first = await FakeDeepgram.start();
  second = await FakeRealtimeTranscription.start();
  book = openBook({
    stt: ['deepgram', 'openai'],
    environment: { DEEPGRAM_API_KEY: first.apiKey, DEEPGRAM_BASE_URL: first.server.url },
    openai: { apiKey: second.apiKey, baseUrl: second.baseUrl },
  });
});
afterEach(async () => {
  book.stack.close();
  await expect.poll(() => first.server.openCount + second.server.openCount).toBe(0);
  await expect.poll(() => book.clock.pendingCount).toBe(0);
  await Promise.all([first.close(), second.close()]);
});

function begin() {
  const interims: string[] = [];
  const utterance = book.stack.stt.listen({
    signal: turn.signal,
    watch: book.watch,
    onInterim: (text) => interims.push(text),
  });
  return { utterance, interims };
}

/** In frames of 20 ms, as they come from the caller. */
function say(utterance: { write(pcm: Int16Array): void }, words: Parameters<typeof sayTones>[0]): number {
  const pcm = sayTones(words);
  // One buffer for all frames: nobody may keep it.
  const frame = new Int16Array(320);
  for (let at = 0; at < pcm.length; at += 320) {
    frame.fill(0);
    frame.set(pcm.subarray(at, at + 320));
    utterance.write(frame);
  }
  return Math.ceil(pcm.length / 320) * 320;
}

describe('speech to text with another behind it', () => {
  test('is the only one that hears while it works, and tells what it took', async () => {
    const { utterance } = begin();
    const samples = say(utterance, WORDS);
    expect(await utterance.finish()).toEqual({ text: 'one two three four' });
    expect(second.sessions).toEqual([]);
    const { startedAtMs, firstAtMs, endedAtMs, ...run } = book.runs[0]!;
    expect(firstAtMs).toBe(endedAtMs);
    expect(startedAtMs).toBeLessThanOrEqual(endedAtMs);
    expect(run).toEqual({
      kind: 'stt',
      service: 'deepgram',
      model: 'nova-3',
      region: null,
      outcome: 'ok',
      usage: { audioInSeconds: samples / 16_000 },
      connectMs: expect.any(Number),
    });
  });

  test.each([401, 429, 500])(
    'is replaced when it answers %i: the next one is given the whole utterance',
    async (refuse) => {
      first.server.faults.refuse = refuse;
      const { utterance } = begin();
      say(utterance, WORDS);
      expect(await utterance.finish()).toEqual({ text: 'one two three four' });
      expect(book.changes.length).toBe(1);
      expect(book.changes[0]).toMatch(/^stt deepgram > openai: ERR_SERVICE_/);
      expect(await book.isOpen('stt', 'deepgram')).toBe(refuse === 401);
    },
  );

  test('is replaced in the middle of an utterance when it breaks for good', async () => {
    Object.assign(first.server.faults, { cutAfterSamples: 4_000, cuts: 99 });
    const { utterance } = begin();
    say(utterance, ['one', 'two']);
    await expect.poll(() => first.server.requests.length).toBeGreaterThan(1);
    say(utterance, ['three', 'four']);
    expect(await utterance.finish()).toEqual({ text: 'one two three four' });
    expect(book.changes).toEqual(['stt deepgram > openai: ERR_SERVICE_FAILED']);
  });

  test('is given up when the words do not come in time', async () => {
    first.server.faults.silent = true;
    const { utterance } = begin();
    say(utterance, WORDS);
    await expect.poll(() => first.samples).toBeGreaterThan(0);
    const words = utterance.finish();
    book.clock.advance(2_499);
    expect(second.server.requests).toEqual([]);
    book.clock.advance(1);
    expect(await words).toEqual({ text: 'one two three four' });
    expect(book.changes).toEqual(['stt deepgram > openai: ERR_SERVICE_TIMEOUT']);
    expect(book.outcomes()).toEqual(['deepgram ERR_SERVICE_TIMEOUT', 'openai ok']);
  });

  test('counts no failure of utterances that nobody wants any more', async () => {
    first.server.faults.silent = true;
    for (let count = 0; count < 4; count++) {
      const { utterance } = begin();
      say(utterance, WORDS);
      const words = utterance.finish();
      turn.abort('interrupted');
      await expect(words).rejects.toBe('interrupted');
      turn = new AbortController();
      const other = begin().utterance;
      say(other, WORDS);
      other.close();
      other.close();
      await expect(other.finish()).rejects.toMatchObject({ code: 'ERR_SERVICE_FAILED' });
    }
    expect(second.server.requests).toEqual([]);
    expect(await book.isOpen('stt', 'deepgram')).toBe(false);
    await expect.poll(() => book.outcomes()).toEqual(Array(8).fill('deepgram aborted'));
  });

  test('fails the utterance when the last one fails too, and says so at once when all are left alone', async () => {
    first.server.faults.refuse = 403;
    second.server.faults.refuse = 403;
    const { utterance } = begin();
    say(utterance, WORDS);
    await expect(utterance.finish()).rejects.toMatchObject({ message: expect.stringContaining('refused our key') });
    const next = begin().utterance;
    say(next, WORDS);
    await expect(next.finish()).rejects.toMatchObject({
      message: 'Left alone for a while after failures: deepgram, openai.',
    });
  });

  test('passes on the words so far of the one that hears', async () => {
    const { utterance, interims } = begin();
    say(utterance, WORDS);
    await expect.poll(() => interims.length).toBeGreaterThan(0);
    await utterance.finish();
    expect('one two three four'.startsWith(interims[0]!)).toBe(true);
  });

  test('has its connection before the first utterance when it is warmed', async () => {
    book.stack.warm();
    await expect.poll(() => first.server.openCount).toBe(1);
    const { utterance } = begin();
    say(utterance, WORDS);
    await utterance.finish();
    expect(first.server.requests.length).toBe(1);
    expect(second.server.requests).toEqual([]);
  });
});
