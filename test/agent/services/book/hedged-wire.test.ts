/** Second requests on the vendors' wires: what the slower service gets to see, and whose connection stays. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ConfinedStacks, chooseServices, serviceMetrics } from '../../../../src/agent/services/book/index.ts';
import { loadCatalogue } from '../../../../src/agent/services/catalogue/index.ts';
import { loadConfig } from '../../../../src/config/index.ts';
import { createMetrics, silentLogger } from '../../../../src/telemetry/index.ts';
import { FakeCartesia } from '../../../fakes/cartesia.ts';
import { FakeElevenLabs } from '../../../fakes/elevenlabs.ts';
import { FakeOpenAiCompatible } from '../../../fakes/openai-compatible.ts';
import { FakeClock } from '../../../support/fake-clock.ts';
import { answer, type Book, msOf, openBook, request, speech, textOf } from './book.ts';

const AFTER_MS = 200;
let book: Book;

describe('a language model with a second request', () => {
  let first: FakeOpenAiCompatible;
  let second: FakeOpenAiCompatible;
  const open = (llmAfterMs: number, llm = ['vllm/big', 'ollama/small']) =>
    openBook({
      llm,
      hedge: { llmAfterMs },
      environment: { VLLM_BASE_URL: first.baseUrl, OLLAMA_BASE_URL: second.baseUrl },
    });

  beforeEach(async () => {
    first = await FakeOpenAiCompatible.start({ keyless: true });
    second = await FakeOpenAiCompatible.start({ keyless: true });
    first.answer = { text: 'We are open until ten.' };
    second.answer = { text: 'Until nine.' };
  });
  afterEach(async () => {
    book.stack.close();
    expect(book.clock.pendingCount).toBe(0);
    await expect.poll(() => first.openCount + second.openCount).toBe(0);
    await Promise.all([first.close(), second.close()]);
  });

  test('asks the next one the same, ends the first on the wire, and tells of both and of no fail-over', async () => {
    book = open(AFTER_MS);
    first.trouble = 'hang';
    const answering = answer(book);
    await first.requested(1);
    book.clock.advance(AFTER_MS);
    expect(textOf(await answering)).toBe('Until nine.');
    await first.abandoned(1);
    expect(second.requests[0]!.messages).toEqual(first.requests[0]!.messages);
    await expect.poll(() => book.outcomes().sort()).toEqual(['ollama ok', 'vllm aborted']);
    expect(book.changes).toEqual([]);
    expect(await book.hedges()).toEqual(['llm,vllm,ollama,second 1']);
    expect(await book.isOpen('llm', 'vllm')).toBe(false);
  });

  test('keeps as many connections as it needs for the next time: the one that ended is replaced', async () => {
    book = open(AFTER_MS);
    first.trouble = 'hang';
    const answering = answer(book);
    await first.requested(1);
    book.clock.advance(AFTER_MS);
    await answering;
    await first.abandoned(1);
    await expect.poll(() => first.warmings.length).toBe(1);
    await expect.poll(() => first.openCount).toBe(1);
    first.trouble = null;
    const before = first.connections;
    await answer(book);
    expect(first.connections).toBe(before);
  });

  test('has connections to both before the first request when they are warmed', async () => {
    book = open(AFTER_MS);
    book.stack.warm();
    await expect.poll(() => [first.warmings.length, second.warmings.length]).toEqual([1, 1]);
  });

  test('takes no tool call of the slower one', async () => {
    book = open(0);
    first.trouble = 'hang';
    second.answer = { text: 'One moment.', toolCalls: [{ name: 'book_table', arguments: '{}' }] };
    const events = await answer(book);
    expect(events.filter(({ type }) => type === 'tool-call')).toHaveLength(1);
    await first.abandoned(1);
  });

  test('asks the only one twice, side by side', async () => {
    book = open(0, ['vllm/big']);
    first.trouble = 'hang';
    const turn = new AbortController();
    const answering = answer(book, { signal: turn.signal });
    await first.requested(2);
    turn.abort('interrupted');
    await expect(answering).rejects.toBe('interrupted');
    await first.abandoned(2);
    expect(await book.hedges()).toEqual(['llm,vllm,vllm,dropped 1']);
  });

  test('is an agent’s own wish where the node has none, with the same connections and breakers', async () => {
    book = openBook({ llm: ['vllm/big'], environment: { VLLM_BASE_URL: first.baseUrl } });
    await answer(book);
    expect(await book.hedges()).toEqual([]);
    const { llm } = book.stack.hedged({ llmAfterMs: 0 });
    const words: string[] = [];
    for await (const event of llm.respond(request(book))) if (event.type === 'text') words.push(event.text);
    expect(words.join('')).toBe('We are open until ten.');
    expect(await book.hedges()).toEqual(['llm,vllm,vllm,first 1']);
  });

  test('goes to no endpoint but those that a session was given', async () => {
    book = open(0);
    const environment = { VLLM_BASE_URL: first.baseUrl, OLLAMA_BASE_URL: second.baseUrl, DEEPGRAM_API_KEY: 'dg' };
    const { services } = loadConfig({
      file: null,
      environment: { ANTIPODE_STT: 'deepgram', ANTIPODE_LLM: 'vllm/big,ollama/small', ANTIPODE_TTS: 'kokoro#any' },
    });
    const stacks = new ConfinedStacks({
      chosen: chooseServices(services, loadCatalogue()),
      environment,
      flite: { missing: 'No flite.' },
      clock: new FakeClock(),
      log: silentLogger,
      metrics: serviceMetrics(createMetrics({ processMetrics: false })),
      hedge: { llmAfterMs: 0, ttsAfterMs: null },
    });
    const { stack } = stacks.acquire(['deepgram@global', 'vllm@own', 'kokoro@local']);
    first.trouble = 'hang';
    const turn = new AbortController();
    const answering = stack.llm
      .respond(request(book, { signal: turn.signal }))
      [Symbol.asyncIterator]()
      .next();
    await first.requested(2);
    turn.abort('interrupted');
    await expect(answering).rejects.toBe('interrupted');
    expect(second.requests).toEqual([]);
    stacks.close();
  });
});

describe('a voice with a second request after 200 ms', () => {
  const TEXT = 'We have a table for two people.';
  const MORE = 'Shall I book it?';
  let first: FakeCartesia;
  let second: FakeElevenLabs;
  let gate: PromiseWithResolvers<void> | null;
  /** What a fake was asked to speak, in the order of asking. */
  const spokenBy = (fake: FakeCartesia | FakeElevenLabs) =>
    fake.received.map(({ transcript, text }) => String(transcript ?? text ?? '').trim()).filter((text) => text !== '');

  beforeEach(async () => {
    gate = null;
    first = await FakeCartesia.start();
    second = await FakeElevenLabs.start({ beforePiece: async (piece) => void (piece === 2 && (await gate?.promise)) });
    book = openBook({
      tts: ['cartesia#a-voice', 'elevenlabs#b-voice'],
      hedge: { ttsAfterMs: AFTER_MS },
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

  const outrun = async (turn: AbortSignal) => {
    first.faults.push('hang');
    const speaking = speech(book, TEXT, turn);
    await expect.poll(() => first.speaking).toBe(1);
    book.clock.advance(AFTER_MS);
    return speaking;
  };

  test('has the faster voice speak all of the turn, and the first of the list begin the next one', async () => {
    const turn = new AbortController();
    const chunks = await outrun(turn.signal);
    expect(msOf(chunks)).toBeGreaterThan(0);
    await expect.poll(() => first.canceled.length).toBe(1);
    expect(await book.hedges()).toEqual(['tts,cartesia,elevenlabs,second 1']);
    await speech(book, MORE, turn.signal);
    expect(spokenBy(second)).toEqual([TEXT, MORE]);
    await speech(book, TEXT, new AbortController().signal);
    expect(spokenBy(first)).toEqual([TEXT, TEXT]);
    // The sentence was called off on a connection that stays.
    expect(first.handshakes).toBe(1);
    await expect.poll(() => book.outcomes()).toContain('cartesia aborted');
    const lost = book.runs.find(({ outcome }) => outcome === 'aborted')!;
    // What was asked to be spoken is billed, heard or not.
    expect(lost.usage).toEqual({ characters: TEXT.length, audioOutSeconds: 0 });
  });

  test('has the slower voice go on with the turn when the faster one fails at a later sentence', async () => {
    const turn = new AbortController();
    await outrun(turn.signal);
    second.faults.push('no-audio', 'no-audio');
    await speech(book, MORE, turn.signal);
    expect(book.changes).toEqual(['tts elevenlabs > cartesia: ERR_SERVICE_FAILED']);
    expect(spokenBy(first)).toEqual([TEXT, MORE]);
  });

  test('asks no second voice for later sentences of a turn, however late they are', async () => {
    const turn = new AbortController();
    await speech(book, TEXT, turn.signal);
    first.faults.push('hang');
    const speaking = speech(book, MORE, turn.signal);
    await expect.poll(() => first.speaking).toBe(1);
    book.clock.advance(1_499);
    expect(second.handshakes).toBe(0);
    book.clock.advance(1);
    await speaking;
    expect(book.changes).toEqual(['tts cartesia > elevenlabs: ERR_SERVICE_TIMEOUT']);
    expect(await book.hedges()).toEqual([]);
  });

  test('goes back to the slower voice when the faster one stops in the middle of a sentence', async () => {
    gate = Promise.withResolvers();
    first.faults.push('hang');
    const chunks: unknown[] = [];
    const turn = new AbortController();
    const speaking = (async () => {
      for await (const chunk of book.stack.tts.synthesize(TEXT, { signal: turn.signal, watch: book.watch })) {
        chunks.push(chunk);
      }
    })();
    await expect.poll(() => first.speaking).toBe(1);
    book.clock.advance(AFTER_MS);
    await expect.poll(() => chunks.length).toBe(2);
    book.clock.advance(1_500);
    await speaking;
    gate.resolve();
    expect(book.changes).toEqual(['tts elevenlabs > cartesia: ERR_SERVICE_TIMEOUT']);
    expect(TEXT.endsWith(spokenBy(first)[1]!)).toBe(true);
    expect(spokenBy(first)[1]!.length).toBeLessThan(TEXT.length);
  });
});
