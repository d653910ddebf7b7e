import { describe, expect, test } from 'vitest';
import {
  type CatalogueEntry,
  configurationOf,
  createLlm,
  createS2s,
  createStt,
  createTts,
  type Environment,
  isSpoken,
  loadCatalogue,
  resolveService,
  type S2sEntry,
  type SttEntry,
  type TtsEntry,
} from '../../../../src/agent/services/catalogue/index.ts';
import { silentLogger } from '../../../../src/telemetry/index.ts';
import { FakeClock } from '../../../support/fake-clock.ts';

const catalogue = loadCatalogue();
const openai = catalogue.get('llm', 'openai')!;
const azure = catalogue.get('llm', 'azure-openai')!;
const ollama = catalogue.get('llm', 'ollama')!;

describe('whether a service is configured', () => {
  test('is whether all of its variables are set; the empty string is not', () => {
    expect(configurationOf(openai, { OPENAI_API_KEY: 'k' })).toEqual({ state: 'configured', missing: [] });
    expect(configurationOf(openai, { OPENAI_API_KEY: '' })).toEqual({
      state: 'not-configured',
      missing: ['OPENAI_API_KEY'],
    });
    expect(configurationOf(azure, { AZURE_OPENAI_API_KEY: 'k' })).toEqual({
      state: 'not-configured',
      missing: ['AZURE_OPENAI_RESOURCE'],
    });
  });

  test('is another question for servers that want no key, unless their address is set', () => {
    expect(configurationOf(ollama, {}).state).toBe('no-key-needed');
    expect(configurationOf(ollama, { OLLAMA_BASE_URL: 'http://gpu:11434/v1' }).state).toBe('configured');
  });
});

describe('the address of a service', () => {
  test("is the first without a region, else the region's, with its residency class", () => {
    const environment = { OPENAI_API_KEY: 'k' };
    const secret = { keys: { OPENAI_API_KEY: 'k' }, apiKey: 'k' };
    expect(resolveService(openai, environment)).toEqual({
      baseUrl: 'https://api.openai.com/v1',
      region: 'global',
      residency: 'none',
      ...secret,
    });
    expect(resolveService(openai, environment, 'eu')).toEqual({
      baseUrl: 'https://eu.api.openai.com/v1',
      region: 'eu',
      residency: 'pinned',
      ...secret,
    });
  });

  test('wants no key when it is one of your own that is not encrypted', () => {
    const own = { OPENAI_BASE_URL: 'http://localhost:9/v1' };
    expect(configurationOf(openai, own)).toEqual({ state: 'configured', missing: [] });
    expect(resolveService(openai, own)).toMatchObject({ baseUrl: 'http://localhost:9/v1', keys: {}, apiKey: null });
    expect(resolveService(openai, { ...own, OPENAI_API_KEY: 'k' }).apiKey).toBe('k');
    const elsewhere = { OPENAI_BASE_URL: 'https://gateway.example/v1' };
    expect(configurationOf(openai, elsewhere).missing).toEqual(['OPENAI_API_KEY']);
  });

  test('is one of your own by its variable, and nobody vouches for where that stands', () => {
    const environment = { OPENAI_API_KEY: 'k', OPENAI_BASE_URL: 'http://localhost:9/v1' };
    expect(resolveService(openai, environment)).toMatchObject({
      baseUrl: 'http://localhost:9/v1',
      region: 'own',
      residency: 'none',
    });
  });

  test('is filled in from the environment', () => {
    const environment = { AZURE_OPENAI_API_KEY: 'k', AZURE_OPENAI_RESOURCE: 'our-voices' };
    expect(resolveService(azure, environment).baseUrl).toBe('https://our-voices.openai.azure.com/openai/v1');
  });

  const refusals: [string, Environment, string | undefined, string, RegExp][] = [
    ['a missing key', {}, undefined, 'ERR_SERVICE_UNAVAILABLE', /^OpenAI is not configured: set OPENAI_API_KEY\.$/],
    [
      'a region that is not there',
      { OPENAI_API_KEY: 'k' },
      'mars',
      'ERR_CONFIG_INVALID',
      /no region "mars".*global, us, eu/,
    ],
    [
      'a region beside an address of your own',
      { OPENAI_API_KEY: 'k', OPENAI_BASE_URL: 'http://localhost:9/v1' },
      'eu',
      'ERR_CONFIG_INVALID',
      /OPENAI_BASE_URL names an address of its own/,
    ],
    [
      'an address that is none',
      { OPENAI_API_KEY: 'k', OPENAI_BASE_URL: 'file:///x' },
      undefined,
      'ERR_CONFIG_INVALID',
      /is not an http/,
    ],
  ];
  test.each(refusals)('is refused for %s', (_name, environment, region, code, message) => {
    const resolve = () => resolveService(openai, environment, region);
    expect(resolve).toThrow(expect.objectContaining({ code }));
    expect(resolve).toThrow(message);
  });

  test('cannot be led to another host by a variable', () => {
    for (const resource of ['evil.example/', 'evil.example#', 'a@evil.example', '../x', 'a b', '-a', '']) {
      const environment = { AZURE_OPENAI_API_KEY: 'k', AZURE_OPENAI_RESOURCE: resource };
      expect(() => resolveService(azure, environment)).toThrow(/AZURE_OPENAI_RESOURCE/);
    }
  });
});

/** All that an entry wants, set. */
function environmentOf(entry: CatalogueEntry): { environment: Environment } {
  const names = [...entry.keys, ...Object.values(entry.variables)];
  return { environment: Object.fromEntries(names.map((name) => [name, 'x1'])) };
}

describe('speech', () => {
  const clock = new FakeClock();
  const log = silentLogger;

  test('is made of every entry that has an adapter, at each of its regions', () => {
    const made = { stt: 0, tts: 0, s2s: 0 };
    for (const kind of ['stt', 'tts', 's2s'] as const) {
      for (const { service: entry, region } of catalogue.endpoints(kind)) {
        const common = { ...environmentOf(entry), region, model: 'a-model', clock, log };
        if (!isSpoken(kind, entry)) continue;
        made[kind]++;
        if (kind === 'stt') createStt(entry as SttEntry, common);
        else if (kind === 'tts') createTts(entry as TtsEntry, { ...common, voice: 'a-voice' });
        else createS2s(entry as S2sEntry, common);
      }
    }
    for (const count of Object.values(made)) expect(count).toBeGreaterThan(8);
  });

  test('is refused without its key, for a protocol that nothing here speaks, and a voice without a name', () => {
    const deepgram = catalogue.get('stt', 'deepgram')!;
    expect(() => createStt(deepgram, { environment: {}, clock, log })).toThrow(
      'Deepgram is not configured: set DEEPGRAM_API_KEY.',
    );
    const google = catalogue.get('stt', 'google')!;
    expect(() => createStt(google, { ...environmentOf(google), clock, log })).toThrow(
      /nothing here speaks "google-grpc"/,
    );
    const cartesia = catalogue.get('tts', 'cartesia')!;
    expect(() => createTts(cartesia, { ...environmentOf(cartesia), clock })).toThrow(
      'Cartesia needs a voice: name it, or give its id.',
    );
  });
});

describe('createLlm', () => {
  const common = { model: 'a-model', clock: new FakeClock() };

  test('makes every preset whose variables are set, at each of its regions, under its own name', () => {
    for (const entry of catalogue.list('llm')) {
      const names = [...entry.keys, ...Object.values(entry.variables)];
      const environment = Object.fromEntries(names.map((name) => [name, 'x1']));
      for (const { region, url } of entry.endpoints) {
        const llm = createLlm(entry, { ...common, environment, region });
        expect([llm.name, llm.model]).toEqual([entry.id, 'a-model']);
        expect(llm.baseUrl).toBe(url.replaceAll(/\{[a-z]+\}/g, 'x1'));
      }
    }
  });

  test('refuses to make one without its key', () => {
    const groq = catalogue.get('llm', 'groq')!;
    expect(() => createLlm(groq, { ...common, environment: {} })).toThrow(
      expect.objectContaining({
        code: 'ERR_SERVICE_UNAVAILABLE',
        message: 'Groq is not configured: set GROQ_API_KEY.',
      }),
    );
  });

  test('takes the first model of an entry that names one, and asks for one otherwise', () => {
    expect(createLlm(openai, { ...environmentOf(openai), clock: new FakeClock() }).model).toBe('gpt-4.1');
    expect(() => createLlm(ollama, { environment: {}, clock: new FakeClock() })).toThrow(
      expect.objectContaining({ code: 'ERR_CONFIG_INVALID', message: 'Ollama has no model of its own: name one.' }),
    );
  });

  test('refuses a protocol that nothing here speaks', () => {
    const odd = { ...ollama, dialect: 'telepathy' };
    expect(() => createLlm(odd, { ...common, environment: {} })).toThrow(/nothing here speaks "telepathy"/);
  });
});
