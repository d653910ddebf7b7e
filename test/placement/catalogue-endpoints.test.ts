import { describe, expect, test } from 'vitest';
import {
  type CatalogueService,
  catalogueEndpoints,
  centsOf,
  localEndpoint,
  toolEndpoints,
  usedEndpoints,
} from '../../src/placement/catalogue-endpoints.ts';
import { DEFAULT_POLICY, policySchema } from '../../src/placement/policy.ts';

const thinks: CatalogueService = {
  id: 'thinks',
  endpoints: [
    { region: 'global', residency: 'none' },
    { region: 'eu', residency: 'pinned' },
    { region: 'au', residency: 'best-effort' },
  ],
  models: [
    { id: 'unmeasured' },
    { id: 'small', ttftMs: { p50: 300 }, price: { inputPerMillion: 1, outputPerMillion: 4 } },
    { id: 'large', ttftMs: { p50: 700, p95: 2_000 } },
  ],
};
const find = (_kind: string, id: string) => (id === 'thinks' ? thinks : null);
const policyWith = (endpoints: object) => policySchema.parse({ version: 1, endpoints });

describe('an address of the catalogue', () => {
  test('has its place, its residency class and the latency of the first model that has one', () => {
    expect(catalogueEndpoints('llm', [thinks], DEFAULT_POLICY)).toMatchObject([
      { id: 'thinks@global', place: 'us-east-1', residency: 'none', p50: 300, source: 'catalogue' },
      { id: 'thinks@eu', place: 'eu-central-1', residency: 'pinned' },
      { id: 'thinks@au', place: 'ap-southeast-2', residency: 'best-effort' },
    ]);
  });

  test('of which a vendor publishes the median only has the spread of its kind', () => {
    const [endpoint] = catalogueEndpoints('llm', [thinks], DEFAULT_POLICY);
    expect(endpoint!.p95).toBe(300 * (1_200 / 500));
  });

  test('of speech to text takes what is left of the published time after the silence in which nothing was asked', () => {
    const hears = { ...thinks, models: [{ id: 'ear', finalMs: { p50: 247, p95: 298 } }] };
    expect(catalogueEndpoints('stt', [hears], DEFAULT_POLICY)[0]).toMatchObject({ p50: 47, p95: 98 });
  });

  test('has the figures of the model that is used, and says when nobody knows any', () => {
    const used = (model: string) =>
      usedEndpoints([{ kind: 'llm', service: 'thinks', region: 'eu', model }], find, DEFAULT_POLICY)[0];
    expect(used('large')).toMatchObject({ p50: 700, p95: 2_000, source: 'catalogue' });
    expect(used('unmeasured')).toMatchObject({ p50: 500, p95: 1_200, source: 'assumed', centsPerMinute: null });
    expect(used('newer')).toMatchObject({ source: 'assumed' });
  });

  test('stands where the policy says, and keeps the vendor’s promise, not more', () => {
    const policy = policyWith({ places: { 'thinks@global': 'eu-west-1' } });
    expect(catalogueEndpoints('llm', [thinks], policy)[0]).toMatchObject({
      region: 'global',
      place: 'eu-west-1',
      residency: 'none',
    });
  });
});

describe('an address of one’s own', () => {
  const own = { kind: 'llm', service: 'thinks', region: 'own' } as const;

  test('promises nothing, and nobody knows where it stands', () => {
    expect(usedEndpoints([own], find, DEFAULT_POLICY)[0]).toMatchObject({
      ...{ id: 'thinks@own', region: 'own', place: 'own', residency: 'none' },
    });
  });

  test('stands and is promised where the policy says: the operator’s word', () => {
    const policy = policyWith({ places: { 'thinks@own': 'ap-southeast-2' } });
    expect(usedEndpoints([own], find, policy)[0]).toMatchObject({
      ...{ id: 'thinks@own', region: 'ap-southeast-2', place: 'ap-southeast-2', residency: 'pinned' },
    });
  });

  test('on the core itself is asked without a network, and still promises nothing', () => {
    expect(usedEndpoints([{ ...own, onCore: true }], find, DEFAULT_POLICY)[0]).toMatchObject({
      ...{ region: 'own', place: 'local', residency: 'none' },
    });
  });
});

test('a program on the core is its own endpoint, costs nothing and lets no data out', () => {
  const expected = { id: 'flite@local', place: 'local', residency: 'pinned', centsPerMinute: 0 };
  expect(localEndpoint('tts', 'flite')).toMatchObject(expected);
  expect(usedEndpoints([{ kind: 'tts', service: 'flite', region: 'local' }], find, DEFAULT_POLICY)[0]).toMatchObject(
    expected,
  );
});

test('servers of tools stand where the policy says', () => {
  const policy = policyWith({ tools: { bookings: { region: 'eu-central-1', p50Ms: 40, p95Ms: 90 } } });
  expect(toolEndpoints(policy)).toMatchObject([
    {
      id: 'bookings@eu-central-1',
      kind: 'tool',
      place: 'eu-central-1',
      residency: 'pinned',
      p50: 40,
      p95: 90,
      source: 'operator',
    },
  ]);
});

describe('a minute costs', () => {
  test.each([
    ['speech to text at $0.006 a minute', { perMinute: 0.006 }, 0.6],
    // 75 words, 6 characters each.
    ['text to speech at $50 a million characters', { perMillionCharacters: 50 }, 2.25],
    // 6 turns of 1,500 tokens in; 75 words, 4/3 tokens each, out.
    ['a language model at $2.5 and $10 a million tokens', { inputPerMillion: 2.5, outputPerMillion: 10 }, 2.35],
    // 600 tokens in, 600 out.
    ['speech to speech at $32 and $64 a million tokens', { audioInputPerMillion: 32, audioOutputPerMillion: 64 }, 5.76],
  ])('%s', (_name, price, cents) => {
    expect(centsOf({ id: 'm', price })).toBeCloseTo(cents, 6);
  });

  test('what nobody says', () => {
    expect(centsOf({ id: 'm' })).toBeNull();
    expect(centsOf(null)).toBeNull();
  });
});
