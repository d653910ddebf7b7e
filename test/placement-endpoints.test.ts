import { describe, expect, test } from 'vitest';
import { loadCatalogue } from '../src/agent/services/catalogue/index.ts';
import { configSchema } from '../src/config/index.ts';
import { DEFAULT_POLICY, readPolicy } from '../src/placement/index.ts';
import { allEndpoints, endpointsInUse, serviceNames } from '../src/placement-endpoints.ts';

const catalogue = loadCatalogue();
const services = (more: object = {}) => configSchema.parse({ services: more }).services;
const inUse = (config: object, environment: Record<string, string> = {}, policy = DEFAULT_POLICY) =>
  endpointsInUse(services(config), catalogue, environment)(policy);

describe('the addresses that cores use', () => {
  test('are none without services: programs are known by the legs of agents', () => {
    expect(inUse({})).toEqual([]);
  });

  test('are the ones that are configured, in their region and no other of the same service', () => {
    const config = {
      stt: [{ service: 'deepgram', model: 'nova-3', region: 'eu' }],
      llm: [{ service: 'mistral', region: 'eu', model: 'mistral-small' }],
      tts: [{ service: 'flite' }],
    };
    const endpoints = inUse(config, { DEEPGRAM_API_KEY: 'k', MISTRAL_API_KEY: 'k' });
    expect(endpoints.map(({ id, place, residency }) => [id, place, residency])).toEqual([
      ['mistral@eu', 'eu-central-1', 'pinned'],
      ['deepgram@eu', 'eu-central-1', 'pinned'],
      ['flite@local', 'local', 'pinned'],
    ]);
    expect(endpoints.find(({ kind }) => kind === 'stt')).toMatchObject({ p50: 47, p95: 98, source: 'catalogue' });
    expect(endpoints.find(({ kind }) => kind === 'stt')!.centsPerMinute).toBeCloseTo(0.48, 6);
  });

  test('are known to a POP, which has no keys', () => {
    const config = {
      stt: [{ service: 'deepgram', region: 'eu' }],
      llm: [{ service: 'openai' }],
      tts: [{ service: 'cartesia' }],
    };
    const keys = { DEEPGRAM_API_KEY: 'k', CARTESIA_API_KEY: 'k', OPENAI_API_KEY: 'k' };
    expect(inUse(config)).toHaveLength(3);
    expect(inUse(config)).toEqual(inUse(config, keys));
  });

  test('of one’s own promise nothing until the policy says where they stand', () => {
    const config = { openai: { apiKey: 'k', baseUrl: 'https://models.example.com/v1' } };
    const own = inUse(config).find(({ kind }) => kind === 'llm')!;
    expect(own).toMatchObject({ id: 'openai@own', place: 'own', residency: 'none' });
    const policy = readPolicy('version: 1\nendpoints: { places: { openai@own: ap-southeast-2 } }\n');
    const placed = inUse(config, {}, policy).find(({ kind }) => kind === 'llm')!;
    expect(placed).toMatchObject({ region: 'ap-southeast-2', place: 'ap-southeast-2', residency: 'pinned' });
    const here = inUse({ openai: { apiKey: 'k', baseUrl: 'http://127.0.0.1:9/v1' } })[0]!;
    expect(here).toMatchObject({ place: 'local', residency: 'none' });
  });

  test('have the tools of the policy beside them', () => {
    const policy = readPolicy(
      'version: 1\nendpoints: { tools: { crm: { region: eu-west-1, p50Ms: 30, p95Ms: 90 } } }\n',
    );
    expect(inUse({}, {}, policy).map(({ id }) => id)).toEqual(['crm@eu-west-1']);
  });
});

test('all of the catalogue has a place, a time and a residency class', () => {
  const endpoints = allEndpoints(catalogue, DEFAULT_POLICY);
  expect(endpoints.length).toBeGreaterThan(60);
  for (const { id, place, p50, p95 } of endpoints) {
    expect(place, id).not.toBe('');
    expect(p95, id).toBeGreaterThanOrEqual(p50);
  }
  expect(new Set(endpoints.map(({ kind, id }) => `${kind} ${id}`)).size).toBe(endpoints.length);
});

test('policies may name the services of the catalogue and the programs', () => {
  expect(serviceNames(catalogue)).toEqual(expect.arrayContaining(['openai', 'deepgram', 'flite', 'pocketsphinx']));
});
