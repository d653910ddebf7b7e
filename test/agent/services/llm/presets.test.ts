/** The presets of the catalogue, each distinct set of quirks by the suite that all language models pass. */
import { afterEach, describe, expect, test, vi } from 'vitest';
import { createLlm, type LlmEntry, loadCatalogue } from '../../../../src/agent/services/catalogue/index.ts';
import { type FakeDialect, FakeOpenAiCompatible } from '../../../fakes/openai-compatible.ts';
import { FakeClock } from '../../../support/fake-clock.ts';
import { collect, describeLlm, llmRequest, timeTool } from './conformance.ts';

const presets = loadCatalogue()
  .list('llm')
  .filter(({ dialect }) => dialect === 'openai-chat');

/** One preset for each set of quirks, with or without a key. */
const distinct = new Map<string, LlmEntry>();
for (const preset of presets) {
  const { refusesSampling, ...flags } = preset.quirks;
  const keyless = preset.keys.length === 0;
  const key = [
    ...Object.keys(flags).sort(),
    ...(refusesSampling ? ['refusesSampling'] : []),
    ...(keyless ? ['keyless'] : []),
  ];
  const words = key.length > 0 ? key.join(', ') : 'none';
  if (!distinct.has(words)) distinct.set(words, preset);
}

/** The preset as it is, at the address of a fake. */
function at(fake: FakeOpenAiCompatible, preset: LlmEntry): LlmEntry {
  const endpoints = [{ region: 'local', url: fake.baseUrl, residency: 'pinned' as const }];
  return { ...preset, endpoints, variables: {}, urlVariable: undefined };
}

const environmentOf = (preset: LlmEntry, apiKey: string) =>
  Object.fromEntries(preset.keys.map((name) => [name, apiKey]));
/** A model of the preset's that refuses sampling parameters, if there are such. */
const modelOf = (preset: LlmEntry) => `${preset.quirks.refusesSampling?.[0] ?? 'a'}-model`;

for (const [words, preset] of distinct) {
  const { quirks, keys } = preset;
  const wrong = ['same', 'missing', 'by-tool'] as const;
  for (const toolCallIndices of quirks.wrongToolCallIndices ? wrong : (['right'] as const)) {
    const dialect: FakeDialect = {
      noDeveloperRole: quirks.noDeveloperRole,
      noTools: quirks.noTools,
      noStreamOptions: quirks.noStreamOptions,
      refusesSampling: quirks.refusesSampling !== undefined,
      keyless: keys.length === 0,
      toolCallIndices,
      basePath: '/compatible/v1',
    };
    describeLlm(`preset ${preset.id} (quirks: ${words}; indices ${toolCallIndices})`, {
      start: () => FakeOpenAiCompatible.start(dialect),
      hasTools: !quirks.noTools,
      hasKey: keys.length > 0,
      create: (fake, { clock, timeoutMs, apiKey }) =>
        createLlm(at(fake, preset), {
          model: modelOf(preset),
          environment: environmentOf(preset, apiKey),
          clock,
          timeoutMs,
          // What a server with the quirk would refuse.
          sampling: { temperature: 0.3, topP: 0.9 },
          instructionsRole: 'developer',
        }),
    });
  }
}

describe('a preset', () => {
  let fake: FakeOpenAiCompatible | null = null;
  afterEach(async () => {
    vi.unstubAllEnvs();
    await fake?.close();
    fake = null;
  });

  async function ask(preset: LlmEntry, model: string, dialect: FakeDialect = {}) {
    fake = await FakeOpenAiCompatible.start(dialect);
    const llm = createLlm(at(fake, preset), {
      model,
      environment: environmentOf(preset, fake.apiKey),
      clock: new FakeClock(),
      sampling: { temperature: 0.3, topP: 0.9 },
      instructionsRole: 'developer',
    });
    return { fake, llm };
  }

  const preset = (id: string) => presets.find((each) => each.id === id)!;

  test('sends sampling parameters to the models that take them, and only to those', async () => {
    const { fake, llm } = await ask(preset('openai'), 'gpt-4.1');
    await collect(llm.respond(llmRequest()));
    expect(fake.requests[0]).toMatchObject({ model: 'gpt-4.1', temperature: 0.3, top_p: 0.9 });
    await fake.close();
    const reasoning = await ask(preset('openai'), 'gpt-5-mini', { refusesSampling: true });
    await collect(reasoning.llm.respond(llmRequest()));
    expect(Object.keys(reasoning.fake.requests[0]!)).not.toContain('temperature');
    expect(Object.keys(reasoning.fake.requests[0]!)).not.toContain('top_p');
  });

  test('gives instructions as developer where that is asked for, as system where it is refused', async () => {
    const openai = await ask(preset('openai'), 'gpt-4.1');
    await collect(openai.llm.respond(llmRequest()));
    expect(openai.fake.requests[0]!.messages[0]).toEqual({ role: 'developer', content: 'Be brief.' });
    await openai.fake.close();
    const cerebras = await ask(preset('cerebras'), 'a-model', { noDeveloperRole: true });
    await collect(cerebras.llm.respond(llmRequest()));
    expect(cerebras.fake.requests[0]!.messages[0]).toEqual({ role: 'system', content: 'Be brief.' });
  });

  test('sends nothing when a service without tools is to go on with a conversation that had some', async () => {
    const { fake, llm } = await ask(preset('perplexity'), 'sonar', { noTools: true });
    const entries = [
      { role: 'tool', turn: 1, callId: 'c', name: 'get_time', arguments: '{}', result: 'noon' },
    ] as const;
    await expect(collect(llm.respond(llmRequest({ entries })))).rejects.toMatchObject({ code: 'ERR_SERVICE_FAILED' });
    expect(fake.requests).toEqual([]);
  });

  test('tells parallel calls apart where the server gives neither numbers nor ids', async () => {
    const { fake, llm } = await ask(preset('sglang'), 'a-model', {
      toolCallIndices: 'missing',
      noToolCallIds: true,
      keyless: true,
    });
    const call = { name: 'get_time', arguments: '{}' };
    fake.answer = { toolCalls: [call, call] };
    expect(await collect(llm.respond(llmRequest({ tools: [timeTool] })))).toMatchObject([
      { type: 'tool-call', callId: 'call_1_0', ...call },
      { type: 'tool-call', callId: 'call_1_1', ...call },
      { type: 'usage' },
    ]);
  });

  test('fails by calls without numbers from a server that is known to number them', async () => {
    const { fake, llm } = await ask(preset('groq'), 'a-model', { toolCallIndices: 'missing' });
    fake.answer = { toolCalls: [{ name: 'get_time', arguments: '{}' }] };
    await expect(collect(llm.respond(llmRequest({ tools: [timeTool] })))).rejects.toMatchObject({
      code: 'ERR_SERVICE_FAILED',
      message: 'Groq did not number its tool calls.',
    });
  });

  test('names itself in errors, and says nothing of OpenAI', async () => {
    const { fake, llm } = await ask(preset('groq'), 'a-model');
    fake.trouble = { status: 429 };
    await expect(collect(llm.respond(llmRequest()))).rejects.toThrow(/^Groq limits our rate or quota \(429\)\.$/);
  });

  test('follows no redirect: a key and a conversation stay where they were meant for', async () => {
    const elsewhere = await FakeOpenAiCompatible.start();
    try {
      const { fake, llm } = await ask(preset('mistral'), 'a-model');
      fake.trouble = { redirectTo: `${elsewhere.baseUrl}/chat/completions` };
      await expect(collect(llm.respond(llmRequest()))).rejects.toMatchObject({
        code: 'ERR_SERVICE_FAILED',
        message: expect.stringContaining('where our key does not go'),
      });
      expect(elsewhere.headers).toEqual([]);
    } finally {
      await elsewhere.close();
    }
  });

  test("sends no vendor the organization and project of OpenAI's account", async () => {
    vi.stubEnv('OPENAI_ORG_ID', 'org-of-ours');
    vi.stubEnv('OPENAI_PROJECT_ID', 'project-of-ours');
    const { fake, llm } = await ask(preset('groq'), 'a-model');
    await collect(llm.respond(llmRequest()));
    expect(fake.headers).toHaveLength(1);
    expect(JSON.stringify(fake.headers)).not.toMatch(/of-ours/);
  });
});
