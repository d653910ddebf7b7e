/** What OpenAI is really asked, leg by leg; what may go wrong is in the suites of each leg. */
import { afterEach, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { OpenAiLlm } from '../../../src/agent/services/llm/openai.ts';
import type { LlmEvent, LlmRequest } from '../../../src/agent/services/llm.ts';
import type { OpenAiOptions } from '../../../src/agent/services/openai-request.ts';
import { OpenAiStt } from '../../../src/agent/services/stt/openai.ts';
import { OpenAiTts } from '../../../src/agent/services/tts/openai.ts';
import { parseWav } from '../../../src/agent/services/wav.ts';
import { systemClock } from '../../../src/clock.ts';
import { loadConfig } from '../../../src/config/index.ts';
import { FakeOpenAi, type FakeOpenAiOptions } from '../../fakes/openai.ts';

let fake: FakeOpenAi | null = null;
afterEach(async () => {
  await fake?.close();
  fake = null;
});

async function start(options: FakeOpenAiOptions = {}): Promise<{ fake: FakeOpenAi; options: OpenAiOptions }> {
  fake = await FakeOpenAi.start(options);
  const { services } = loadConfig({
    file: null,
    environment: { OPENAI_API_KEY: fake.apiKey, OPENAI_BASE_URL: fake.baseUrl },
    defaults: { 'services.openai.timeoutMs': 500 },
  });
  return { fake, options: { settings: services.openai, clock: systemClock } };
}

const never = () => new AbortController().signal;
const request = (overrides: Partial<LlmRequest> = {}): LlmRequest => ({
  instructions: 'Be brief.',
  entries: [{ role: 'caller', turn: 1, text: 'Hi.' }],
  said: '',
  tools: [],
  signal: never(),
  ...overrides,
});

async function collect<T>(iterable: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const each of iterable) all.push(each);
  return all;
}

describe("OpenAI's speech to text", () => {
  test('sends the utterance as one WAV file and gives its words', async () => {
    const uploads: Buffer[] = [];
    const { options } = await start({
      transcribe(wav) {
        uploads.push(wav);
        return ' What time is it? ';
      },
    });
    const utterance = new OpenAiStt(options).listen({ signal: never() });
    utterance.write(Int16Array.of(1, 2));
    utterance.write(Int16Array.of(3));
    expect(await utterance.finish()).toEqual({ text: 'What time is it?' });
    expect(parseWav(uploads[0]!)).toEqual({ pcm: Int16Array.of(1, 2, 3), sampleRate: 16_000 });
  });
});

describe("OpenAI's language model", () => {
  test('streams words as they come', async () => {
    const { options, fake } = await start({ chat: () => ({ text: 'One moment please.' }) });
    const events = await collect(new OpenAiLlm(options).respond(request()));
    expect(events).toEqual([
      ...['One ', 'moment ', 'please.'].map((text) => ({ type: 'text', text })),
      { type: 'usage', usage: { inputTokens: 30, cachedInputTokens: 12, outputTokens: 7 } },
    ]);
    expect(fake.chatRequests[0]!.messages).toEqual([
      { role: 'system', content: 'Be brief.' },
      { role: 'user', content: 'Hi.' },
    ]);
  });

  test('puts a tool call together from its pieces, and describes tools as JSON Schema', async () => {
    const { options, fake } = await start({
      chat: () => ({ toolCalls: [{ name: 'book_table', arguments: '{"people": 2}' }] }),
    });
    const tool = {
      name: 'book_table',
      description: 'Book.',
      parameters: z.object({ people: z.number().int().min(1) }),
      run: () => '',
    };
    const events: LlmEvent[] = await collect(new OpenAiLlm(options).respond(request({ tools: [tool] })));
    expect(events[0]).toEqual({
      type: 'tool-call',
      callId: 'call_0',
      name: 'book_table',
      arguments: '{"people": 2}',
    });
    expect(fake.chatRequests[0]!.tools![0]!.function).toMatchObject({
      name: 'book_table',
      parameters: { type: 'object', required: ['people'], properties: { people: { type: 'integer', minimum: 1 } } },
    });
  });

  test('tells the model what was heard of its words, and what its tools answered', async () => {
    const { options, fake } = await start();
    await collect(
      new OpenAiLlm(options).respond(
        request({
          entries: [
            { role: 'agent', turn: 0, text: 'Welcome to', interrupted: true },
            { role: 'caller', turn: 1, text: 'Time?' },
            { role: 'tool', turn: 1, callId: 'call_0', name: 'get_time', arguments: '{}', result: 'noon' },
          ],
          said: 'Let me look.',
        }),
      ),
    );
    expect(fake.chatRequests[0]!.messages.slice(1)).toMatchObject([
      { role: 'assistant', content: 'Welcome to [the caller spoke over the rest]' },
      { role: 'user', content: 'Time?' },
      { role: 'assistant', content: 'Let me look.' },
      { role: 'assistant', tool_calls: [{ id: 'call_0' }] },
      { role: 'tool', tool_call_id: 'call_0', content: 'noon' },
    ]);
  });
});

describe("OpenAI's text to speech", () => {
  test('passes 24 kHz audio on as it comes, whole samples only', async () => {
    const pcm = Int16Array.from({ length: 24_000 }, (_, index) => index % 1_000);
    const { options } = await start({ speak: () => pcm });
    const chunks = await collect(new OpenAiTts(options).synthesize('Hello.', { signal: never() }));
    expect(chunks.length).toBeGreaterThan(1);
    expect(chunks.every(({ sampleRate }) => sampleRate === 24_000)).toBe(true);
    expect(chunks.flatMap((chunk) => [...chunk.pcm])).toEqual([...pcm]);
  });
});

test('OpenAI without a key is a service that is not available', () => {
  const { services } = loadConfig({ file: null, environment: {} });
  const options = { settings: services.openai, clock: systemClock };
  for (const Service of [OpenAiStt, OpenAiLlm, OpenAiTts]) {
    expect(() => new Service(options)).toThrow(expect.objectContaining({ code: 'ERR_SERVICE_UNAVAILABLE' }));
  }
});
