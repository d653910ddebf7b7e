/** The models that speak a dialect of their own: each by the suite that all pass, and what is particular to it. */
import { afterEach, describe, expect, test } from 'vitest';
import { AnthropicLlm } from '../../../../src/agent/services/llm/anthropic.ts';
import { GeminiLlm } from '../../../../src/agent/services/llm/gemini.ts';
import { ResponsesLlm } from '../../../../src/agent/services/llm/responses.ts';
import { refusalOf } from '../../../../src/agent/services/refusal.ts';
import type { AntipodeError } from '../../../../src/errors.ts';
import { FakeAnthropic } from '../../../fakes/anthropic.ts';
import { FakeGemini } from '../../../fakes/gemini.ts';
import { FakeResponses } from '../../../fakes/openai-responses.ts';
import { sse } from '../../../fakes/streaming-llm.ts';
import { FakeClock } from '../../../support/fake-clock.ts';
import { type ClosingLlm, collect, describeLlm, llmRequest, timeTool, weatherTool } from './conformance.ts';

const about = { label: 'A model', model: 'a-model' };

describeLlm('Anthropic', {
  start: () => FakeAnthropic.start(),
  hasTools: true,
  hasKey: true,
  create: ({ baseUrl }, options) => new AnthropicLlm({ ...about, name: 'anthropic', baseUrl, ...options }),
});
describeLlm('Gemini', {
  start: () => FakeGemini.start(),
  hasTools: true,
  hasKey: true,
  create: ({ baseUrl }, options) => new GeminiLlm({ ...about, name: 'gemini', baseUrl, ...options }),
});
describeLlm('OpenAI Responses', {
  start: () => FakeResponses.start(),
  hasTools: true,
  hasKey: true,
  create: ({ baseUrl }, options) => new ResponsesLlm({ ...about, name: 'openai-responses', baseUrl, ...options }),
});

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

/** A conversation with everything in it: the agent greeted, was cut off, a tool ran after some words. */
const TALK = llmRequest({
  tools: [weatherTool],
  said: 'Let me look. ',
  entries: [
    { role: 'agent', turn: 0, text: 'Welcome.', interrupted: false },
    { role: 'summary', text: 'They talked of Perth.' } as never,
    { role: 'caller', turn: 1, text: 'Is it' },
    { role: 'agent', turn: 1, text: 'It', interrupted: true },
    { role: 'caller', turn: 2, text: 'warm in Oslo?' },
    {
      ...{
        role: 'tool',
        turn: 2,
        callId: 'c1',
        name: 'get_weather',
        arguments: '{"city":"Oslo"}',
        result: '4 degrees',
      },
    } as never,
  ],
});

const SETTINGS = { ...about, name: 'x', apiKey: 'key-of-the-fake', timeoutMs: 5_000, clock: new FakeClock() };

async function asked(fake: FakeAnthropic | FakeGemini | FakeResponses, llm: ClosingLlm): Promise<unknown> {
  closing.push(
    () => fake.close(),
    () => llm.close(),
  );
  await collect(llm.respond(TALK));
  return fake.requests[0];
}

describe('Anthropic', () => {
  test('is told the conversation by turns, the tool behind the words before it, and where to run', async () => {
    const fake = await FakeAnthropic.start();
    const llm = new AnthropicLlm({
      ...SETTINGS,
      baseUrl: fake.baseUrl,
      inferenceGeo: 'us',
      sampling: { temperature: 1.5 },
    });
    expect(await asked(fake, llm)).toMatchObject({
      model: 'a-model',
      max_tokens: 1_024,
      temperature: 1,
      inference_geo: 'us',
      system: [{ text: 'Be brief.', cache_control: { type: 'ephemeral' } }],
      messages: [
        { role: 'user', content: [{ text: '[The call begins.]' }] },
        { role: 'assistant', content: [{ text: 'Welcome.' }] },
        {
          role: 'user',
          content: [{ text: '[What was said before, in short: They talked of Perth.]' }, { text: 'Is it' }],
        },
        { role: 'assistant', content: [{ text: 'It [the caller spoke over the rest]' }] },
        { role: 'user', content: [{ text: 'warm in Oslo?' }] },
        {
          role: 'assistant',
          content: [
            { text: 'Let me look. ' },
            { type: 'tool_use', id: 'c1', name: 'get_weather', input: { city: 'Oslo' } },
          ],
        },
        { role: 'user', content: [{ type: 'tool_result', tool_use_id: 'c1', content: '4 degrees' }] },
      ],
      tools: [{ name: 'get_weather', input_schema: { type: 'object', required: ['city'] } }],
    });
  });

  test('calls a tool without arguments with none', async () => {
    const fake = await FakeAnthropic.start();
    const llm = new AnthropicLlm({ ...SETTINGS, baseUrl: fake.baseUrl });
    fake.answer = { toolCalls: [{ name: 'get_time', arguments: '{}' }] };
    closing.push(
      () => fake.close(),
      () => llm.close(),
    );
    const events = await collect(llm.respond(llmRequest({ tools: [timeTool] })));
    expect(events[0]).toEqual({ type: 'tool-call', callId: 'toolu_0', name: 'get_time', arguments: '{}' });
  });

  test('that says in its answer that it is overloaded is unavailable, and another may take over', async () => {
    const fake = await FakeAnthropic.start();
    const llm = new AnthropicLlm({ ...SETTINGS, baseUrl: fake.baseUrl });
    closing.push(
      () => fake.close(),
      () => llm.close(),
    );
    const error = { type: 'overloaded_error', message: 'Overloaded, key-of-the-fake' };
    Object.assign(fake, {
      words: () => ({ begin: () => sse('error', { type: 'error', error }), word: () => '', end: () => '' }),
    });
    const failed = (await collect(llm.respond(llmRequest())).catch((cause) => cause)) as AntipodeError;
    expect(failed.code).toBe('ERR_SERVICE_UNAVAILABLE');
    expect(failed.message).toContain('Overloaded, [secret]');
    expect(refusalOf(failed)?.status).toBe(529);
  });
});

describe('Gemini', () => {
  test('is told the conversation by turns, with a signature for each call', async () => {
    const fake = await FakeGemini.start();
    const llm = new GeminiLlm({ ...SETTINGS, baseUrl: fake.baseUrl, sampling: { temperature: 0.4 } });
    expect(await asked(fake, llm)).toMatchObject({
      systemInstruction: { parts: [{ text: 'Be brief.' }] },
      contents: [
        { role: 'model', parts: [{ text: 'Welcome.' }] },
        {
          role: 'user',
          parts: [{ text: '[What was said before, in short: They talked of Perth.]' }, { text: 'Is it' }],
        },
        { role: 'model', parts: [{ text: 'It [the caller spoke over the rest]' }] },
        { role: 'user', parts: [{ text: 'warm in Oslo?' }] },
        {
          role: 'model',
          parts: [
            { text: 'Let me look. ' },
            {
              functionCall: { name: 'get_weather', args: { city: 'Oslo' } },
              thoughtSignature: 'skip_thought_signature_validator',
            },
          ],
        },
        { role: 'user', parts: [{ functionResponse: { name: 'get_weather', response: { result: '4 degrees' } } }] },
      ],
      generationConfig: { temperature: 0.4 },
    });
  });

  test('asks by an account where it is given one, and sends no key', async () => {
    const fake = await FakeGemini.start();
    const headers = async () => ({ authorization: 'Bearer key-of-the-fake' });
    const llm = new GeminiLlm({ ...SETTINGS, apiKey: null, baseUrl: fake.baseUrl, headers });
    closing.push(
      () => fake.close(),
      () => llm.close(),
    );
    expect(await collect(llm.respond(llmRequest()))).toContainEqual({ type: 'text', text: 'Hello.' });
  });

  test.each(['SAFETY', 'PROHIBITED_CONTENT'])('fails when the answer is withheld: %s', async (finishReason) => {
    const fake = await FakeGemini.start();
    const llm = new GeminiLlm({ ...SETTINGS, baseUrl: fake.baseUrl });
    closing.push(
      () => fake.close(),
      () => llm.close(),
    );
    Object.assign(fake, {
      words: () => ({ begin: () => '', word: () => '', end: () => sse(null, { candidates: [{ finishReason }] }) }),
    });
    const failed = (await collect(llm.respond(llmRequest())).catch((cause) => cause)) as AntipodeError;
    expect(failed).toMatchObject({
      code: 'ERR_SERVICE_FAILED',
      message: `A model withheld its answer (${finishReason}).`,
    });
  });
});

describe('OpenAI Responses', () => {
  test('is told the whole conversation as items, and keeps nothing', async () => {
    const fake = await FakeResponses.start();
    const llm = new ResponsesLlm({
      ...SETTINGS,
      baseUrl: fake.baseUrl,
      sampling: { temperature: 0.4 },
      refusesSampling: ['a-'],
    });
    const request = await asked(fake, llm);
    expect(request).not.toHaveProperty('temperature');
    expect(request).toMatchObject({
      instructions: 'Be brief.',
      store: false,
      input: [
        { role: 'assistant', content: 'Welcome.' },
        { role: 'user', content: '[What was said before, in short: They talked of Perth.]' },
        { role: 'user', content: 'Is it' },
        { role: 'assistant', content: 'It [the caller spoke over the rest]' },
        { role: 'user', content: 'warm in Oslo?' },
        { role: 'assistant', content: 'Let me look. ' },
        { type: 'function_call', call_id: 'c1', name: 'get_weather', arguments: '{"city":"Oslo"}' },
        { type: 'function_call_output', call_id: 'c1', output: '4 degrees' },
      ],
    });
  });
});
