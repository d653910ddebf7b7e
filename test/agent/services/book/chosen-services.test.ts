import { describe, expect, test } from 'vitest';
import {
  chooseServices,
  ServiceStack,
  serviceMetrics,
  servicesEnvironment,
} from '../../../../src/agent/services/book/index.ts';
import { loadCatalogue } from '../../../../src/agent/services/catalogue/index.ts';
import { loadConfig } from '../../../../src/config/index.ts';
import { AntipodeError } from '../../../../src/errors.ts';
import { createMetrics, silentLogger } from '../../../../src/telemetry/index.ts';
import { FakeClock } from '../../../support/fake-clock.ts';

const KINDS = ['stt', 'llm', 'tts', 's2s'] as const;
const OPENAI = 'https://api.openai.com/v1';

type Environment = Record<string, string>;

const configured = (environment: Environment, defaults = {}) =>
  loadConfig({ file: null, environment, defaults }).services;

function chosen(environment: Environment, defaults = {}) {
  const services = chooseServices(configured(environment, defaults), loadCatalogue());
  return Object.fromEntries(KINDS.map((kind) => [kind, services[kind].map(({ choice }) => choice)]));
}

function stack(environment: Environment, defaults = {}): ServiceStack {
  const config = configured(environment, defaults);
  return new ServiceStack({
    chosen: chooseServices(config, loadCatalogue()),
    environment: servicesEnvironment(config, environment),
    flite: { missing: 'The program flite is not installed.' },
    clock: new FakeClock(),
    log: silentLogger,
    metrics: serviceMetrics(createMetrics({ processMetrics: false })),
  });
}

function refusal(make: () => unknown): AntipodeError {
  try {
    make();
  } catch (error) {
    if (error instanceof AntipodeError) return error;
    throw error;
  }
  throw new Error('nothing was refused');
}

describe('the services of a node', () => {
  test('are none without a choice and without OpenAI', () => {
    expect(chosen({})).toEqual({ stt: [], llm: [], tts: [], s2s: [] });
  });

  test("are OpenAI's when there is a key, by what is set for it", () => {
    const timeoutMs = 15_000;
    expect(chosen({ OPENAI_API_KEY: 'k' }, { 'services.openai.llmModel': 'a-model' })).toEqual({
      stt: [{ service: 'openai-transcriptions', model: 'gpt-4o-mini-transcribe', timeoutMs }],
      llm: [{ service: 'openai', model: 'a-model', timeoutMs }],
      tts: [{ service: 'openai', model: 'gpt-4o-mini-tts', voice: 'alloy', timeoutMs }],
      s2s: [{ service: 'openai' }],
    });
  });

  test('are those of a server of your own that speaks as OpenAI does, with no key', () => {
    const own = { OPENAI_BASE_URL: 'http://localhost:8000/v1' };
    expect(chosen(own).llm).toMatchObject([{ service: 'openai', model: 'gpt-4.1-mini' }]);
    expect(stack(own).legs.map(({ service }) => service)).toEqual(['openai-transcriptions', 'openai', 'openai']);
    expect(chosen({ OPENAI_BASE_URL: 'https://elsewhere.example/v1' }).llm).toEqual([]);
  });

  test('are what the environment chooses, in its order, and OpenAI for what it does not', () => {
    const services = chosen({
      OPENAI_API_KEY: 'k',
      ANTIPODE_STT: 'deepgram/nova-3@eu, openai-transcriptions',
      ANTIPODE_LLM: 'groq/openai/gpt-oss-120b,ollama/llama3.2:3b,openai',
    });
    expect(services.stt).toMatchObject([
      { service: 'deepgram', model: 'nova-3', region: 'eu' },
      { service: 'openai-transcriptions', model: 'gpt-4o-mini-transcribe' },
    ]);
    expect(services.llm).toMatchObject([
      { service: 'groq', model: 'openai/gpt-oss-120b' },
      { service: 'ollama', model: 'llama3.2:3b' },
      { service: 'openai', model: 'gpt-4.1-mini' },
    ]);
    expect(services.tts).toMatchObject([{ service: 'openai', voice: 'alloy' }]);
  });

  test('are named in short or in full', () => {
    const cartesia = { service: 'cartesia', model: 'sonic-3.5', voice: 'a0e9-9d5f' };
    const short = chosen({ OPENAI_API_KEY: 'k' }, { 'services.tts': ['cartesia/sonic-3.5#a0e9-9d5f', 'flite'] });
    const full = chosen({ OPENAI_API_KEY: 'k' }, { 'services.tts': [cartesia, { service: 'flite' }] });
    expect(short.tts).toEqual([cartesia, { service: 'flite' }]);
    expect(full).toEqual(short);
    const workers = chosen({ OPENAI_API_KEY: 'k' }, { 'services.llm': ['cloudflare/@cf/meta/llama-4@global'] });
    expect(workers.llm).toEqual([{ service: 'cloudflare', model: '@cf/meta/llama-4', region: 'global' }]);
  });

  test("speak with this node's own voice when nothing else is chosen for it", () => {
    const environment = { ANTIPODE_STT: 'deepgram', ANTIPODE_LLM: 'groq', DEEPGRAM_API_KEY: 'd', GROQ_API_KEY: 'g' };
    expect(chosen(environment).tts).toEqual([{ service: 'flite' }]);
    expect(refusal(() => stack(environment))).toMatchObject({
      code: 'ERR_CONFIG_INVALID',
      message: 'services.tts.0: The program flite is not installed.',
    });
  });

  test('have the legs of those that are used first', () => {
    const environment = {
      ANTIPODE_STT: 'deepgram@eu',
      ANTIPODE_LLM: 'mistral/mistral-small-latest@eu,ollama/any',
      ANTIPODE_TTS: 'kokoro#af_heart',
      DEEPGRAM_API_KEY: 'd',
      MISTRAL_API_KEY: 'm',
    };
    const { legs, names } = stack(environment);
    expect(legs).toEqual([
      { kind: 'stt', service: 'deepgram', k: 1, local: false },
      { kind: 'llm', service: 'mistral', k: 1, local: false },
      { kind: 'tts', service: 'kokoro', k: 1, local: true },
    ]);
    expect(names).toEqual(['Deepgram', 'Mistral AI', 'Ollama', 'Kokoro-FastAPI']);
  });
});

describe('a service', () => {
  const key = { OPENAI_API_KEY: 'k' };

  test.each([
    ['that there is not', { ANTIPODE_LLM: 'grok' }, 'services.llm.0.service', 'did you mean "groq"?'],
    [
      'of another kind',
      { ANTIPODE_STT: 'openai-transcriptions,mistral' },
      'services.stt.1.service',
      'no service "mistral"',
    ],
    ['in a region that it has not', { ANTIPODE_STT: 'deepgram@mars' }, 'services.stt.0.region', '(global, eu, au, in)'],
    ['in a region of a program', { ANTIPODE_TTS: 'flite@eu' }, 'services.tts.0.region', 'has no region "eu"'],
    ['that only agents with a grammar use', { ANTIPODE_STT: 'pocketsphinx' }, 'services.stt.0.service', 'grammar'],
  ])('%s is refused with where it is chosen', (_name, environment, path, words) => {
    const error = refusal(() => chosen({ ...key, ...environment }));
    expect(error).toMatchObject({ code: 'ERR_CONFIG_INVALID', path });
    expect(error.message).toContain(`${path}: `);
    expect(error.message).toContain(words);
  });

  test.each([
    ['without its key', { ANTIPODE_LLM: 'groq' }, 'services.llm.0', 'Groq is not configured: set GROQ_API_KEY.'],
    [
      'behind another one, without its key',
      { ANTIPODE_STT: 'openai-transcriptions,deepgram' },
      'services.stt.1',
      'set DEEPGRAM_API_KEY',
    ],
    [
      'without an adapter',
      { ANTIPODE_STT: 'google', GOOGLE_APPLICATION_CREDENTIALS: 'g' },
      'services.stt.0',
      'nothing here speaks "google-grpc"',
    ],
    ['without a voice', { ANTIPODE_TTS: 'cartesia', CARTESIA_API_KEY: 'c' }, 'services.tts.0', 'needs a voice'],
    ['without a model', { ANTIPODE_LLM: 'ollama' }, 'services.llm.0', 'has no model of its own'],
    [
      'in a region beside an address of your own',
      { ANTIPODE_LLM: 'openai@eu', OPENAI_BASE_URL: `${OPENAI}x` },
      'services.llm.0',
      'OPENAI_BASE_URL',
    ],
  ])('%s is refused at start with what to do', (_name, environment, path, words) => {
    const error = refusal(() => stack({ ...key, ...environment }));
    expect(error).toMatchObject({ code: 'ERR_CONFIG_INVALID', path });
    expect(error.message).toContain(`${path}: `);
    expect(error.message).toContain(words);
  });

  test('is not used alone: speech and a language model belong together', () => {
    expect(refusal(() => chosen({ ANTIPODE_LLM: 'ollama/any' }))).toMatchObject({ path: 'services.stt' });
    expect(refusal(() => chosen({ ANTIPODE_TTS: 'flite' })).message).toMatch(/services\.stt: [\s\S]*services\.llm: /);
  });

  test('does not get a key or an address of OpenAI that the configuration has not read', () => {
    const stray = { OPENAI_API_KEY: 'stray', OPENAI_BASE_URL: 'http://stray/v1', GROQ_API_KEY: 'g' };
    expect(servicesEnvironment(configured({}), stray)).toEqual({ GROQ_API_KEY: 'g' });
    expect(servicesEnvironment(configured({ OPENAI_API_KEY: 'k', OPENAI_BASE_URL: OPENAI }), stray)).toEqual({
      GROQ_API_KEY: 'g',
      OPENAI_API_KEY: 'k',
    });
  });
});
