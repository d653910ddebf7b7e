import { describe, expect, test } from 'vitest';
import {
  configurationOf,
  createLlm,
  type Environment,
  loadCatalogue,
  resolveService,
} from '../../../../src/agent/services/catalogue/index.ts';
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
    const keys = { OPENAI_API_KEY: 'k' };
    expect(resolveService(openai, environment)).toEqual({
      baseUrl: 'https://api.openai.com/v1',
      region: 'global',
      residency: 'none',
      keys,
    });
    expect(resolveService(openai, environment, 'eu')).toEqual({
      baseUrl: 'https://eu.api.openai.com/v1',
      region: 'eu',
      residency: 'pinned',
      keys,
    });
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

  test('refuses a protocol that nothing here speaks', () => {
    const odd = { ...ollama, dialect: 'telepathy' };
    expect(() => createLlm(odd, { ...common, environment: {} })).toThrow(/nothing here speaks "telepathy"/);
  });
});
