/** The adapter without the catalogue: what only its own options show. */
import { afterEach, describe, expect, test } from 'vitest';
import { OpenAiLlm } from '../../../../src/agent/services/llm/openai.ts';
import {
  OpenAiCompatibleLlm,
  type OpenAiCompatibleOptions,
} from '../../../../src/agent/services/llm/openai-compatible.ts';
import { usageOf } from '../../../../src/agent/services/llm/usage.ts';
import { refusalOf } from '../../../../src/agent/services/refusal.ts';
import { loadConfig } from '../../../../src/config/index.ts';
import { type FakeDialect, FakeOpenAiCompatible } from '../../../fakes/openai-compatible.ts';
import { FakeClock } from '../../../support/fake-clock.ts';
import { collect, describeLlm, llmRequest } from './conformance.ts';

const about = { name: 'own', label: 'Own', model: 'a-model', timeoutMs: 5_000 };

describeLlm('OpenAI by the configuration', {
  start: () => FakeOpenAiCompatible.start(),
  hasTools: true,
  hasKey: true,
  create: (fake, { clock, timeoutMs, apiKey }) => {
    const { services } = loadConfig({
      file: null,
      environment: { OPENAI_API_KEY: apiKey, OPENAI_BASE_URL: fake.baseUrl },
      defaults: { 'services.openai.timeoutMs': timeoutMs },
    });
    return new OpenAiLlm({ settings: services.openai, clock });
  },
});

describeLlm('a server that refuses stream_options', {
  start: () => FakeOpenAiCompatible.start({ noStreamOptions: true }),
  hasTools: true,
  hasKey: true,
  create: (fake, options) =>
    new OpenAiCompatibleLlm({ ...about, baseUrl: fake.baseUrl, quirks: { noStreamOptions: true }, ...options }),
});

describe('a server that speaks as OpenAI does', () => {
  const closing: (() => unknown)[] = [];
  afterEach(async () => {
    for (const close of closing.splice(0).reverse()) await close();
  });

  async function start(options: Partial<OpenAiCompatibleOptions> = {}, dialect: FakeDialect = {}) {
    const fake = await FakeOpenAiCompatible.start(dialect);
    const clock = new FakeClock();
    const { apiKey, baseUrl } = fake;
    const llm = new OpenAiCompatibleLlm({ ...about, baseUrl, apiKey, clock, ...options });
    closing.push(
      () => fake.close(),
      () => llm.close(),
    );
    return { fake, clock, llm };
  }

  test('is sent no Authorization when it wants no key', async () => {
    const { fake, llm } = await start({ apiKey: null }, { keyless: true });
    await collect(llm.respond(llmRequest()));
    expect(fake.headers[0]).not.toHaveProperty('authorization');
  });

  test('may be given less time for its first word than between two', async () => {
    const { fake, clock, llm } = await start({ firstTimeoutMs: 1_000 });
    fake.trouble = 'hang';
    const failing = expect(collect(llm.respond(llmRequest()))).rejects.toMatchObject({
      code: 'ERR_SERVICE_TIMEOUT',
      message: 'Own said nothing for 1000 ms.',
    });
    await fake.requested(1);
    clock.advance(1_000);
    await failing;
    fake.trouble = 'stall';
    const words = llm.respond(llmRequest())[Symbol.asyncIterator]();
    await words.next();
    const next = words.next();
    clock.advance(4_999);
    fake.more('Late.');
    expect((await next).value).toEqual({ type: 'text', text: 'Late.' });
    await words.return?.();
  });

  test('says how long to wait when it limits our rate', async () => {
    const { fake, llm } = await start();
    fake.trouble = { status: 429, retryAfterSeconds: 3 };
    const error = await collect(llm.respond(llmRequest())).catch((thrown: unknown) => thrown);
    expect(refusalOf(error)).toMatchObject({ status: 429, retryAfterMs: 3_000 });
  });

  test.each([
    ['half-event', 'Own sent what is not JSON, or half of it.'],
    ['wrong-shape', 'Own sent a message of another shape than its dialect has.'],
    ['early-end', "Own's answer broke off."],
    ['cut', 'Own broke off its answer.'],
    ['error-event', 'Own failed in its answer.'],
  ] as const)('is blamed in clear words for %s', async (trouble, message) => {
    const { fake, llm } = await start();
    fake.trouble = trouble;
    await expect(collect(llm.respond(llmRequest()))).rejects.toMatchObject({ code: 'ERR_SERVICE_FAILED', message });
  });
});

describe('usage', () => {
  test.each([
    [
      { prompt_tokens: 5, completion_tokens: 2 },
      { inputTokens: 5, outputTokens: 2 },
    ],
    [
      { prompt_tokens: 5, completion_tokens: 2, prompt_tokens_details: { cached_tokens: 4 } },
      { inputTokens: 5, cachedInputTokens: 4, outputTokens: 2 },
    ],
    [
      { prompt_tokens: 5, prompt_cache_hit_tokens: 3 },
      { inputTokens: 5, cachedInputTokens: 3 },
    ],
    [{ prompt_tokens: -1 }, null],
    [{}, null],
    [null, null],
    [undefined, null],
    ['many', null],
  ])('of %j is %j', (told, usage) => {
    expect(usageOf(told)).toEqual(usage);
  });
});
