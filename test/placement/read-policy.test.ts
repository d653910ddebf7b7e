import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { DEFAULT_POLICY } from '../../src/placement/policy.ts';
import { checkPolicy, policyJsonSchema, problemInWords, readPolicy } from '../../src/placement/read-policy.ts';

const root = (name: string) => readFileSync(new URL(`../../${name}`, import.meta.url), 'utf8');
const refusals = (text: string, services?: string[]) =>
  checkPolicy(`version: 1\n${text}`, { services }).problems.map(problemInWords);

describe('a policy', () => {
  test('is the defaults with what its file says', () => {
    const policy = readPolicy('version: 1\ncores:\n  headroom: n-1\n');
    expect(policy).toEqual({ ...DEFAULT_POLICY, cores: { ...DEFAULT_POLICY.cores, headroom: 'n-1' } });
  });

  test('is refused as a whole with every reason, one line each', () => {
    expect(() => readPolicy('version: 1\ncores: { headrom: n-1, maxLoad: 2 }\n')).toThrowError(
      /^The policy is refused:\n {2}cores\.maxLoad: .*\n {2}cores\.headrom: there is no such key/s,
    );
  });

  test('that ships as the example reads well, and tells editors its schema', () => {
    const text = root('placement.example.yaml');
    expect(readPolicy(text).regions['dc-berlin']).toMatchObject({ jurisdiction: 'EU' });
    expect(text.split('\n', 1)[0]).toBe('# yaml-language-server: $schema=./placement.schema.json');
  });

  test('has the defaults in the example that the schema has', () => {
    const { objective, latency } = readPolicy(root('placement.example.yaml'));
    expect({ objective, latency }).toEqual({ objective: DEFAULT_POLICY.objective, latency: DEFAULT_POLICY.latency });
  });

  test('has the committed JSON Schema; `antipode placement schema > placement.schema.json` brings it up to date', () => {
    expect(JSON.parse(root('placement.schema.json'))).toEqual(policyJsonSchema());
  });
});

describe('a typo is told with its path, the reason and the nearest word', () => {
  test.each([
    [
      'cores: { bloked: [] }',
      'cores.bloked: there is no such key (there are blocked, forcedByCountry, headroom, maxLoad, canary, move); did you mean "blocked"?',
    ],
    [
      'paths: [{ frm: us-east-1, to: us-west-2, p50Ms: 60 }]',
      'paths.0.frm: there is no such key (there are from, to, p50Ms, p95Ms); did you mean "from"?',
    ],
    [
      'regions: { mine: { country: DE, jurisdicton: EU, lat: 1, lon: 2 } }',
      'regions.mine.jurisdicton: there is no such key (there are city, country, jurisdiction, lat, lon); did you mean "jurisdiction"?',
    ],
    ['cores: { headroom: n1 }', 'cores.headroom: must be "none" or "n-1", not "n1"; did you mean "n-1"?'],
    [
      'cores: { blocked: [eu-wset-1] }',
      'cores.blocked.0: nobody knows the region "eu-wset-1"; declare it under "regions" if it is yours; did you mean "eu-west-1"?',
    ],
    [
      'cores: { canary: { us-wast-2: 0.1 } }',
      'cores.canary.us-wast-2: nobody knows the region "us-wast-2"; declare it under "regions" if it is yours; did you mean "us-east-2"?',
    ],
    [
      'residency: { byCountry: { de: eu } }',
      'residency.byCountry.de: a country is two upper-case letters; did you mean "DE"?',
    ],
    [
      'residency: { byCountry: { UK: gb } }',
      'residency.byCountry.UK: "UK" is no country of ISO 3166-1; did you mean "GB"?',
    ],
    [
      'residency: { pin: "eu, gremany" }',
      'residency.pin: "gremany" is no jurisdiction, country or region; did you mean "de"?',
    ],
    ['residency: { pin: euu }', 'residency.pin: "euu" is no jurisdiction, country or region; did you mean "eu"?'],
    [
      'residency: { whenUnknown: eaa }',
      'residency.whenUnknown: "eaa" is no jurisdiction, country or region; did you mean "eea"?',
    ],
    [
      'cost: { regionCentsPerMinute: { us-east1: 1 } }',
      'cost.regionCentsPerMinute.us-east1: nobody knows the region "us-east1"; declare it under "regions" if it is yours; did you mean "us-east-1"?',
    ],
  ])('%s', (text, words) => {
    expect(refusals(text)).toContain(words);
  });

  test('in the name of a service, where the names are known', () => {
    expect(refusals('endpoints: { blocked: [grok] }', ['groq', 'openai'])).toEqual([
      'endpoints.blocked.0: no service is called "grok"; did you mean "groq"?',
    ]);
    expect(refusals('endpoints: { blocked: [grok] }')).toEqual([]);
  });
});

test('more hosts of tools than can be sent with each session are refused', () => {
  const tools = (count: number) => {
    const hosts = Array.from({ length: 50 }, (_, index) => `host-${index}.example`).join(', ');
    const lines = Array.from(
      { length: count },
      (_, index) => `tool-${index}: { region: eu-west-1, p50Ms: 1, p95Ms: 1,`,
    );
    return `endpoints: { tools: { ${lines.map((line) => `${line} hosts: [${hosts}] }`).join(', ')} } }`;
  };
  expect(refusals(tools(10))).toEqual([]);
  expect(refusals(tools(11))).toEqual([
    'endpoints.tools: 550 hosts in all, and 500 are the most; a leading dot stands for every name below',
  ]);
});

describe('what contradicts itself or is no policy at all is refused', () => {
  test.each([
    [
      'cores: { blocked: [us-east-1], forcedByCountry: { AU: us-east-1 } }',
      /must run in "us-east-1", which "cores.blocked" forbids/,
    ],
    ['paths: [{ from: us-east-1, to: us-west-2, p50Ms: 60, p95Ms: 50 }]', /^paths\.0\.p95Ms: must not be below p50Ms/],
    [
      'residency: { pin: eu, byCountry: { US: us } }',
      /^residency\.byCountry\.US: "eu" \(residency\.pin\) and "us" \(residency\.byCountry\.US\) contradict each other$/m,
    ],
    [
      'residency: { pin: eu, whenUnknown: us }',
      /^residency\.whenUnknown: "eu" \(residency\.pin\) and "us" \(residency\.whenUnknown\) contradict each other$/m,
    ],
    ['residency: { pin: eu & us }', /^residency\.pin: "eu" .* and "us" .* contradict each other$/m],
    [
      'residency: { byCountry: { DE: eu } }\ncores: { forcedByCountry: { DE: us-east-1 } }',
      /callers of DE must run in "us-east-1", which the pin "eu" \(residency\.byCountry\.DE\) forbids/,
    ],
    ['objective: { tailWeight: .nan }', /^objective\.tailWeight: /],
    ['cost: { maxCentsPerMinute: -1 }', /^cost\.maxCentsPerMinute: /],
    ['version: 1', /line \d+, column \d+: Map keys must be unique/],
    ['a: [', /^\(file\): line \d+/],
  ])('%s', (text, words) => {
    expect(refusals(text).join('\n')).toMatch(words);
  });

  test.each([
    ['', /^version: must be 1, not absent/],
    ['version: 2', /^version: must be 1, not 2/],
    ['- 1', /^\(file\): /],
    ['just words', /^\(file\): /],
  ])('the file "%s"', (text, words) => {
    expect(checkPolicy(text).problems.map(problemInWords).join('\n')).toMatch(words);
  });
});
