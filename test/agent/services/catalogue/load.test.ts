import { describe, expect, test } from 'vitest';
import { stringify } from 'yaml';
import {
  Catalogue,
  type CatalogueEntry,
  type CatalogueFiles,
  loadCatalogue,
  SERVICE_KINDS,
} from '../../../../src/agent/services/catalogue/index.ts';
import type { AntipodeError } from '../../../../src/errors.ts';

const catalogue = loadCatalogue();
const every = SERVICE_KINDS.flatMap((kind) =>
  catalogue.list(kind).map((entry): [string, CatalogueEntry] => [kind, entry]),
);

/** The smallest valid file, to be broken. */
function file() {
  return {
    sources: { page: { title: 'A page', date: '2026-10' } as Record<string, unknown> } as Record<string, unknown>,
    services: [
      {
        id: 'one',
        name: 'One',
        dialect: 'd',
        source: 'page',
        keys: ['ONE_API_KEY'],
        endpoints: [{ region: 'eu', url: 'https://one.example/v1', residency: 'pinned' }],
        models: [{ id: 'm' }],
      } as Record<string, unknown>,
    ],
  };
}

function filesWith(llm: unknown): CatalogueFiles {
  const other = stringify(file());
  return {
    llm: typeof llm === 'string' ? llm : stringify(llm, { aliasDuplicateObjects: false }),
    stt: other,
    tts: other,
    s2s: other,
  };
}

function refusal(llm: unknown): AntipodeError {
  try {
    new Catalogue(filesWith(llm));
  } catch (error) {
    return error as AntipodeError;
  }
  throw new Error('The file was not refused.');
}

/** The small file with some fields of its only service replaced. */
function withFields(fields: Record<string, unknown>): unknown {
  const broken = file();
  Object.assign(broken.services[0]!, fields);
  return broken;
}

const withEndpoint = (fields: Record<string, unknown>) =>
  withFields({ endpoints: [{ region: 'eu', url: 'https://one.example/v1', residency: 'pinned', ...fields }] });
const withModel = (fields: Record<string, unknown>) => withFields({ models: [{ id: 'm', ...fields }] });

describe('the catalogue that ships', () => {
  test('has at least forty presets of OpenAI-compatible language models', () => {
    expect(catalogue.list('llm').filter(({ dialect }) => dialect === 'openai-chat').length).toBeGreaterThanOrEqual(40);
  });

  test('has the services of every kind that others rely on', () => {
    for (const id of ['openai', 'groq', 'azure-openai', 'ollama']) expect(catalogue.get('llm', id)?.id).toBe(id);
    for (const id of ['deepgram', 'deepgram-flux', 'openai']) expect(catalogue.get('stt', id)?.id).toBe(id);
    for (const id of ['cartesia', 'elevenlabs', 'openai', 'kokoro']) expect(catalogue.get('tts', id)?.id).toBe(id);
    for (const id of ['openai', 'gemini-live']) expect(catalogue.get('s2s', id)?.id).toBe(id);
    expect(catalogue.get('llm', 'deepgram')).toBeUndefined();
  });

  test('gives each figure as published, with a source that says what and when', () => {
    const gpt4o = catalogue.get('llm', 'openai')!.models.find(({ id }) => id === 'gpt-4o')!;
    expect(gpt4o).toMatchObject({
      ttftMs: { p50: 546, p95: 1369, source: 'aiewf-eval' },
      price: { inputPerMillion: 2.5, outputPerMillion: 10, source: 'vendor-prices' },
    });
    expect(catalogue.source('llm', 'aiewf-eval')).toMatchObject({ date: '2026-08' });
    expect(catalogue.get('stt', 'deepgram')!.models[0]).toMatchObject({
      finalMs: { p50: 247, p95: 298 },
      price: { perMinute: 0.0048 },
    });
    expect(catalogue.get('s2s', 'openai')!.models[1]).toMatchObject({
      id: 'gpt-realtime-2.1',
      voiceToVoiceMs: { p50: 1504 },
      price: { audioInputPerMillion: 32, audioOutputPerMillion: 64 },
    });
  });

  test('says of all that is from memory that nobody verified it', () => {
    for (const [kind, { id, source, verified }] of every) {
      expect([kind, id, verified]).toEqual([kind, id, source !== 'memory']);
    }
  });

  test('calls no address pinned whose vendor promised nothing: of the unpinned, Groq, Cerebras and Together', () => {
    for (const id of ['groq', 'cerebras', 'together']) {
      expect(catalogue.get('llm', id)!.endpoints.map(({ residency }) => residency)).toEqual(['none']);
    }
    const vague = every.flatMap(([, { endpoints }]) => endpoints.filter(({ region }) => region === 'global'));
    expect(vague.length).toBeGreaterThan(50);
    expect(vague.every(({ residency }) => residency === 'none')).toBe(true);
  });

  test('has an endpoint for each region of each service, with its residency class and its service', () => {
    const mistral = catalogue.endpoints('llm').filter(({ service }) => service.id === 'mistral');
    expect(mistral.map(({ region, residency, url }) => [region, residency, url])).toEqual([
      ['global', 'none', 'https://api.mistral.ai/v1'],
      ['eu', 'pinned', 'https://api.eu.mistral.ai/v1'],
    ]);
    expect(mistral[0]!.service).toBe(catalogue.get('llm', 'mistral'));
    for (const kind of SERVICE_KINDS) {
      const count = catalogue.list(kind).reduce((sum, { endpoints }) => sum + endpoints.length, 0);
      expect(catalogue.endpoints(kind)).toHaveLength(count);
    }
  });

  test('is read once and frozen to the bottom', () => {
    expect(loadCatalogue()).toBe(catalogue);
    const openai = catalogue.get('llm', 'openai')!;
    expect(() => Object.assign(openai.models[0]!.ttftMs!, { p50: 1 })).toThrow(TypeError);
    expect(() => Object.assign(openai.quirks, { noTools: true })).toThrow(TypeError);
    expect(() => (catalogue.list('llm') as unknown[]).push(1)).toThrow(TypeError);
    expect(() => (catalogue.endpoints('llm') as unknown[]).push(1)).toThrow(TypeError);
    expect(() => Object.assign(catalogue.endpoints('llm')[0]!, { residency: 'pinned' })).toThrow(TypeError);
  });
});

describe('a file of the catalogue', () => {
  test('is taken when nothing is wrong with it', () => {
    const own = new Catalogue(filesWith(file()));
    expect(own.get('llm', 'one')).toMatchObject({ verified: true, quirks: {}, variables: {} });
  });

  const refused: [string, unknown, string][] = [
    ['an unknown key at the top', { ...file(), extra: 1 }, 'extra: unknown key'],
    ['an unknown key of a service', withFields({ baseUrl: 'x' }), 'services.0.baseUrl: unknown key'],
    ['an unknown quirk', withFields({ quirks: { noRoles: true } }), 'services.0.quirks.noRoles: unknown key'],
    ['an unknown key of a model', withModel({ ttft: 1 }), 'services.0.models.0.ttft: unknown key'],
    [
      'a latency of another kind',
      withModel({ finalMs: { p50: 1, source: 'page' } }),
      'services.0.models.0.finalMs: unknown key',
    ],
    [
      'http to elsewhere',
      withEndpoint({ url: 'http://one.example/v1' }),
      'services.0.endpoints.0.url: must be https or wss',
    ],
    [
      'another protocol',
      withEndpoint({ url: 'ftp://one.example' }),
      'services.0.endpoints.0.url: must be https or wss',
    ],
    ['no URL', withEndpoint({ url: 'one.example/v1' }), 'services.0.endpoints.0.url: must be a URL'],
    [
      'a key in a URL',
      withEndpoint({ url: 'https://one.example/v1?key=k' }),
      'services.0.endpoints.0.url: must have no user',
    ],
    [
      'a user in a URL',
      withEndpoint({ url: 'https://a:b@one.example' }),
      'services.0.endpoints.0.url: must have no user',
    ],
    ['a local region elsewhere', withEndpoint({ region: 'local' }), 'services.0.endpoints.0.url: region "local"'],
    [
      'this machine as a region',
      withEndpoint({ url: 'http://localhost:1/v1' }),
      'services.0.endpoints.0.url: region "local"',
    ],
    [
      'an unfilled placeholder',
      withEndpoint({ url: 'https://{name}.one.example' }),
      'services.0.endpoints.0.url: {name} is not',
    ],
    ['an unknown residency', withEndpoint({ residency: 'maybe' }), 'services.0.endpoints.0.residency: '],
    ['no endpoint', withFields({ endpoints: [] }), 'services.0.endpoints: '],
    [
      'a key instead of its name',
      withFields({ keys: ['sk-123'] }),
      'services.0.keys.0: must be the name of an environment',
    ],
    [
      'a p95 below p50',
      withModel({ ttftMs: { p50: 9, p95: 8, source: 'page' } }),
      'services.0.models.0.ttftMs.p95: must not be below',
    ],
    ['a latency without a source', withModel({ ttftMs: { p50: 9 } }), 'services.0.models.0.ttftMs.source: '],
    [
      'a price without a source',
      withModel({ price: { inputPerMillion: 1, outputPerMillion: 1 } }),
      'services.0.models.0.price.source: ',
    ],
    ['a source that is not there', withFields({ source: 'rumor' }), 'services.0.source: no source is named "rumor"'],
    [
      'a figure of a source that is not there',
      withModel({ ttftMs: { p50: 9, source: 'rumor' } }),
      'services.0.models.0.ttftMs.source: no source is named "rumor"',
    ],
    ['a source without a date', { ...file(), sources: { page: { title: 'A page' } } }, 'sources.page.date: '],
    [
      'a source that nothing uses',
      { ...file(), sources: { ...file().sources, b: { title: 'B', date: '2026-10' } } },
      'sources.b: ',
    ],
    [
      'an id twice',
      { ...file(), services: [...file().services, ...file().services] },
      'services.1.id: this id is taken',
    ],
    [
      'a model twice',
      withFields({ models: [{ id: 'm' }, { id: 'm' }] }),
      'services.0.models.1.id: this model is taken',
    ],
    [
      'a region twice',
      withFields({ endpoints: Array(2).fill({ region: 'eu', url: 'https://one.example', residency: 'none' }) }),
      'services.0.endpoints.1.region: this region is taken',
    ],
    ['nothing', '', '(top): '],
    ['a list', '[]', '(top): '],
  ];
  test.each(refused)('is refused with its path for %s', (_name, broken, line) => {
    const error = refusal(broken);
    expect(error.code).toBe('ERR_CONFIG_INVALID');
    expect(error.message).toContain(`The catalogue's llm.yaml is refused:`);
    expect(error.message).toContain(`\n  ${line}`);
  });

  test('is refused when it is no YAML, has a key twice, or unfolds itself', () => {
    for (const text of ['{', 'a: 1\na: 2', 'a: &x [1]\nb: *x']) {
      expect(refusal(text).code).toBe('ERR_CONFIG_INVALID');
      expect(refusal(text).message).toMatch(/^The catalogue's llm\.yaml is not valid YAML: /);
    }
  });

  test('names every wrong place at once, and the first as its path', () => {
    const error = refusal(withFields({ extra: 1, name: '' }));
    expect(error.message).toContain('services.0.extra: unknown key');
    expect(error.message).toContain('services.0.name: ');
    expect(error.path).toMatch(/^services\.0\./);
  });
});
