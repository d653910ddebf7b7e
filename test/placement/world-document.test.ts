import { describe, expect, test } from 'vitest';
import { DEFAULT_POLICY, policySchema } from '../../src/placement/policy.ts';
import { readWorldDocument, worldOf } from '../../src/placement/world-document.ts';

const world = (text: string, policy = DEFAULT_POLICY) => worldOf(readWorldDocument(`version: 1\n${text}`), policy);
const node = (more: string) => `nodes:\n  - { nodeId: n, role: core, region: us-east-1, capacity: 5${more} }\n`;

describe('a world', () => {
  test('needs no more of an endpoint than its kind, service and region', () => {
    const { endpoints } = world('nodes: []\nendpoints: [{ kind: llm, service: openai, region: eu }]').world;
    expect(endpoints).toEqual([
      {
        ...{ id: 'openai@eu', kind: 'llm', service: 'openai', region: 'eu', place: 'eu-central-1', residency: 'none' },
        ...{ p50: 500, p95: 1_200, source: 'assumed', centsPerMinute: null },
      },
    ]);
  });

  test('says where its figures come from: whoever wrote the file, unless the file says otherwise', () => {
    const line = (more: string) => `nodes: []\nendpoints: [{ kind: stt, service: s, region: eu, p50Ms: 100${more} }]`;
    expect(world(line('')).world.endpoints[0]).toMatchObject({ p50: 100, p95: 160, source: 'operator' });
    expect(world(line(', source: measured')).world.endpoints[0]!.source).toBe('measured');
  });

  test('takes the policy’s word for where an address stands', () => {
    const policy = policySchema.parse({ version: 1, endpoints: { places: { 'openai@global': 'eu-west-1' } } });
    const text = 'nodes: []\nendpoints: [{ kind: llm, service: openai, region: global, place: us-east-1 }]';
    expect(world(text, policy).world.endpoints[0]!.place).toBe('eu-west-1');
  });

  test('forgets measurements that are too old, and those of a clock that runs ahead do not exist', () => {
    const path = (ageMs: number) =>
      `nodes: []\npaths: [{ from: us-east-1, to: eu-west-1, p50Ms: 70, p95Ms: 75, ageMs: ${ageMs} }]`;
    const source = (text: string) => world(text).world.paths.between('us-east-1', 'eu-west-1', 0).source;
    expect(source(path(600_000))).toBe('measured');
    expect(source(path(600_001))).toBe('matrix');
    expect(() => world(path(-5))).toThrowError(/paths\.0\.ageMs/);
  });

  test('knows the regions that it declares itself', () => {
    const text = `regions: { lab: { country: de, jurisdiction: eu, lat: 50, lon: 8 } }\n${node('').replace('us-east-1', 'lab')}`;
    expect(world(text).unknownRegions).toEqual([]);
    expect(world(node('').replace('us-east-1', 'lab')).unknownRegions).toEqual(['lab']);
  });
});

describe('what is no world is refused with its path', () => {
  test.each([
    [node(', capcity: 4'), /nodes\.0: .*capcity/],
    [node(', sessions: -1'), /nodes\.0\.sessions/],
    [node(', sessions: .nan'), /nodes\.0\.sessions/],
    [
      `${node(', agents: [dsek]')}agents: { desk: {} }`,
      /has the agent "dsek", which "agents" does not describe; did you mean "desk"\?/,
    ],
    ['nodes: []\npaths: [{ from: a, to: b, p50Ms: 9, p95Ms: 8 }]', /paths\.0\.p95Ms: must not be below p50Ms/],
    ['nodes: []\nendpoints: [{ kind: asr, service: s, region: eu }]', /endpoints\.0\.kind/],
    ['nodes: []\nagents: { a: { legs: [{ kind: llm, services: [], k: 1 }] } }', /agents\.a\.legs\.0\.services/],
    ['nodes: [', /is refused/],
    ['', /nodes/],
  ])('%s', (text, words) => {
    expect(() => world(text)).toThrowError(words);
  });
});
