import { inspect } from 'node:util';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { SpeechChunk } from '../../../../src/agent/index.ts';
import { FakeCartesia } from '../../../fakes/cartesia.ts';
import { FakeElevenLabs } from '../../../fakes/elevenlabs.ts';
import { FakeOpenAi } from '../../../fakes/openai.ts';
import { toneVoice } from '../../../fakes/speaking-socket.ts';
import { capturingLogger } from '../stt/capturing-logger.ts';
import { type Book, msOf, openBook, speech } from './book.ts';

const TEXT = 'We have a table for two people.';
const lengthMs = (text: string) => msOf([{ pcm: toneVoice(text, 24_000).pcm, sampleRate: 24_000 }]);
const LENGTH_MS = lengthMs(TEXT);

const never = new AbortController().signal;

let first: FakeCartesia;
let second: FakeElevenLabs;
let book: Book;
/** Waited for by the first voice before its third tenth of a second. */
let gate: PromiseWithResolvers<void> | null;

beforeEach(async () => {
  gate = null;
  first = await FakeCartesia.start({ beforePiece: async (piece) => void (piece === 2 && (await gate?.promise)) });
  second = await FakeElevenLabs.start();
  book = openBook({
    tts: ['cartesia#a-voice', 'elevenlabs#b-voice'],
    environment: {
      CARTESIA_API_KEY: first.apiKey,
      CARTESIA_BASE_URL: first.baseUrl,
      ELEVENLABS_API_KEY: second.apiKey,
      ELEVENLABS_BASE_URL: second.baseUrl,
    },
  });
});
afterEach(async () => {
  book.stack.close();
  await expect.poll(() => first.connectionCount + second.connectionCount).toBe(0);
  await expect.poll(() => book.clock.pendingCount).toBe(0);
  await Promise.all([first.close(), second.close()]);
});

/** What a fake was asked to speak, in the order of asking. */
const spokenBy = (fake: FakeCartesia | FakeElevenLabs) =>
  fake.received.map(({ transcript, text }) => String(transcript ?? text ?? '').trim()).filter((text) => text !== '');

describe('a voice with another behind it', () => {
  test('is the only one that speaks while it works, and tells what it took', async () => {
    const chunks = await speech(book, TEXT);
    expect(msOf(chunks)).toBe(LENGTH_MS);
    expect(second.handshakes).toBe(0);
    expect(book.runs).toMatchObject([
      { kind: 'tts', service: 'cartesia', model: 'sonic-3.5', outcome: 'ok', usage: { characters: TEXT.length } },
    ]);
    expect(book.runs[0]!.usage.audioOutSeconds).toBeCloseTo(msOf(chunks) / 1_000, 6);
  });

  test.each([
    [{ status: 401 }, 'ERR_SERVICE_FAILED'],
    [{ status: 429 }, 'ERR_SERVICE_UNAVAILABLE'],
    [{ status: 500 }, 'ERR_SERVICE_FAILED'],
    ['no-audio' as const, 'ERR_SERVICE_FAILED'],
    ['half-message' as const, 'ERR_SERVICE_FAILED'],
  ])('is replaced for the whole sentence when it fails before any sound (%j)', async (fault, code) => {
    // It tries anew by itself when only a connection broke.
    first.faults.push(fault, fault);
    const chunks = await speech(book, TEXT);
    expect(spokenBy(second)).toEqual([TEXT]);
    expect(msOf(chunks)).toBe(LENGTH_MS);
    expect(book.changes).toEqual([`tts cartesia > elevenlabs: ${code}`]);
  });

  test('is gone on from the last whole word when it breaks off in the middle of a sentence', async () => {
    gate = Promise.withResolvers();
    const chunks: SpeechChunk[] = [];
    for await (const chunk of book.stack.tts.synthesize(TEXT, { signal: never, watch: book.watch })) {
      chunks.push(chunk);
      // "We" and "have" take 160 ms; 200 ms have come.
      if (msOf(chunks) === 200) first.dropConnections();
    }
    gate.resolve();
    const rest = 'a table for two people.';
    expect(spokenBy(second)).toEqual([rest]);
    expect(msOf(chunks)).toBe(200 + lengthMs(rest));
    const table = chunks.flatMap(({ words = [] }) => words).find(({ text }) => text === 'table')!;
    expect(table.startMs).toBeCloseTo(200 + 60, 6);
    await expect.poll(() => book.outcomes()).toEqual(['cartesia ERR_SERVICE_FAILED', 'elevenlabs ok']);
    expect(book.runs[0]!.usage).toEqual({ characters: TEXT.length, audioOutSeconds: 0.2 });
  });

  test('is given up when it says nothing for too long', async () => {
    first.faults.push('hang');
    const speaking = speech(book, TEXT);
    await expect.poll(() => first.speaking).toBe(1);
    book.clock.advance(1_499);
    expect(second.handshakes).toBe(0);
    book.clock.advance(1);
    expect(msOf(await speaking)).toBe(LENGTH_MS);
    expect(book.changes).toEqual(['tts cartesia > elevenlabs: ERR_SERVICE_TIMEOUT']);
    await expect.poll(() => first.canceled.length).toBe(1);
  });

  test('counts no failure when the caller speaks over it', async () => {
    for (let count = 1; count <= 5; count++) {
      first.faults.push('hang');
      const turn = new AbortController();
      const speaking = speech(book, TEXT, turn.signal);
      await expect.poll(() => first.speaking).toBe(1);
      turn.abort('interrupted');
      await expect(speaking).rejects.toBe('interrupted');
      await expect.poll(() => first.speaking).toBe(0);
    }
    expect(second.handshakes).toBe(0);
    expect(await book.isOpen('tts', 'cartesia')).toBe(false);
    await expect.poll(() => book.outcomes()).toEqual(Array(5).fill('cartesia aborted'));
  });

  test('says in no log and no error what its key is, not even when the service quotes it', async () => {
    const { logger, text } = capturingLogger();
    const told = openBook({
      tts: ['cartesia#a-voice', 'elevenlabs#b-voice'],
      environment: {
        CARTESIA_API_KEY: first.apiKey,
        CARTESIA_BASE_URL: first.baseUrl,
        ELEVENLABS_API_KEY: second.apiKey,
        ELEVENLABS_BASE_URL: second.baseUrl,
      },
      log: logger,
    });
    first.faults.push({ status: 500 }, { status: 401 });
    second.faults.push({ status: 500 }, { status: 401 });
    for (let count = 0; count < 2; count++) {
      const error = await speech(told, TEXT).catch((cause: Error) => cause);
      expect(error).toBeInstanceOf(Error);
      expect(inspect(error, { depth: 10 })).not.toContain(first.apiKey);
    }
    expect(text()).toContain('another service takes over');
    expect(text()).toContain('a service is left alone after failures');
    expect(text()).not.toContain(first.apiKey);
    told.stack.close();
  });

  test('fails the sentence when the last one fails too', async () => {
    first.faults.push({ status: 500 });
    second.faults.push({ status: 500 });
    await expect(speech(book, TEXT)).rejects.toMatchObject({ code: 'ERR_SERVICE_FAILED' });
    expect(book.outcomes()).toEqual(['cartesia ERR_SERVICE_FAILED', 'elevenlabs ERR_SERVICE_FAILED']);
  });

  test('has its connection before the first sentence when it is warmed', async () => {
    book.stack.warm();
    await expect.poll(() => first.connectionCount).toBe(1);
    expect(second.handshakes).toBe(0);
    await speech(book, TEXT);
    expect(first.handshakes).toBe(1);
  });
});

describe('a voice that tells no times of words', () => {
  test('is gone on from by the pace of its speech', async () => {
    const one = await FakeOpenAi.start({ keyless: true });
    const two = await FakeOpenAi.start({ keyless: true });
    const pair = openBook({
      tts: ['kokoro#a', 'openai#b'],
      environment: { KOKORO_BASE_URL: one.baseUrl },
      openai: { baseUrl: two.baseUrl },
    });
    one.failures.speech = 'cut';
    const chunks = await speech(pair, TEXT);
    // A tenth of a second came, in which a letter or two were said: no whole word.
    expect(two.spoken).toEqual([TEXT]);
    expect(chunks[0]!.pcm.length).toBe(2_400);
    expect(pair.changes).toEqual(['tts kokoro > openai: ERR_SERVICE_FAILED']);
    pair.stack.close();
    await Promise.all([one.close(), two.close()]);
  });
});
