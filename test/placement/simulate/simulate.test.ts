import { describe, expect, test } from 'vitest';
import { type Policy, policySchema } from '../../../src/placement/policy.ts';
import { loadPopulation } from '../../../src/placement/simulate/population.ts';
import { defaultScenario, type Scenario } from '../../../src/placement/simulate/scenario.ts';
import { type SimulateOptions, simulate } from '../../../src/placement/simulate/simulate.ts';
import type { SimulationResult } from '../../../src/placement/simulate/simulation-result.ts';

const SESSIONS = 6_000;
const MEAN_MINUTES = 4;
const whole = defaultScenario({ sessions: SESSIONS, meanMinutes: MEAN_MINUTES });
const coreRegions = new Set(whole.nodes.filter(({ role }) => role === 'core').map(({ region }) => region));
/** Fewer POPs: a day compiles 1,440 plans. */
const planet: Scenario = { ...whole, nodes: whole.nodes.filter(({ region }) => coreRegions.has(region)) };
const policy = (text: object = {}): Policy => policySchema.parse({ version: 1, ...text });

function day(options: Partial<SimulateOptions> = {}): Promise<SimulationResult> {
  return simulate({
    scenario: planet,
    policy: policy(),
    sessions: SESSIONS,
    seed: 7,
    meanMinutes: MEAN_MINUTES,
    lost: null,
    signal: new AbortController().signal,
    ...options,
  });
}
const withNodes = (nodes: Scenario['nodes']): Scenario => ({ ...planet, nodes });
const peakOf = (result: SimulationResult, region: string, rule = 0) =>
  result.rules[rule]!.byRegion.find((each) => each.region === region)!;

describe('a simulated day', () => {
  test('is the same for the same seed, and another for another', async () => {
    const lost = { region: 'eu-central-1', minute: 600 };
    const first = JSON.stringify(await day({ lost }));
    expect(JSON.stringify(await day({ lost }))).toBe(first);
    expect(JSON.stringify(await day({ lost, seed: 8 }))).not.toBe(first);
  });

  test('accounts for every session under every rule: placed or refused, by country and in all', async () => {
    const few = planet.nodes.filter(({ role, nodeId }) => role === 'pop' || nodeId.endsWith('us-east-1-1'));
    const result = await day({ scenario: withNodes(few.map((node) => ({ ...node, capacity: 10 }))) });
    expect(result.rules.map(({ rule }) => rule)).toEqual(['antipode', 'nearest', 'nearest-inference', 'map-distance']);
    for (const { placed, refused, refusals, byCountry } of result.rules) {
      expect(placed + refused).toBe(SESSIONS);
      expect(placed).toBeGreaterThan(0);
      expect(refused).toBeGreaterThan(0);
      expect(refusals).toEqual({ ERR_PLACEMENT_NO_CORE: refused });
      expect(byCountry.reduce((sum, country) => sum + country.placed, 0)).toBe(placed);
      expect(byCountry.reduce((sum, country) => sum + country.refused, 0)).toBe(refused);
      for (const country of byCountry) {
        expect(country.regions.reduce((sum, { sessions }) => sum + sessions, 0)).toBe(country.placed);
      }
    }
  });

  test('never holds more sessions in a region than its cores can', async () => {
    const scenario = withNodes(planet.nodes.map((node) => (node.role === 'core' ? { ...node, capacity: 5 } : node)));
    const result = await day({ scenario });
    for (const { byRegion } of result.rules) {
      expect(byRegion.some(({ peak, capacity }) => peak === capacity)).toBe(true);
      for (const { peak, capacity } of byRegion) expect(peak).toBeLessThanOrEqual(capacity);
    }
  });

  test('places by prediction better than any rule of the map does', async () => {
    const [ours, ...others] = (await day()).rules;
    for (const other of others) expect(ours!.latencyMs.p50!).toBeLessThan(other.latencyMs.p50! - 20);
  });

  test('stays with the rules of the map where there is one place only', async () => {
    const one = planet.nodes.filter(({ region }) => region === 'eu-central-1');
    const result = await day({ scenario: withNodes(one) });
    const [ours, ...others] = result.rules.map(({ latencyMs }) => latencyMs);
    for (const other of others) expect(other).toEqual(ours);
  });

  test('ends when it is told to', async () => {
    const abort = new AbortController();
    const run = day({ signal: abort.signal, progress: () => abort.abort(new Error('enough')) });
    await expect(run).rejects.toThrow('enough');
  });
});

describe('a pinned population', () => {
  const regions = planet.regions;

  test('never leaves its pin, under any rule', async () => {
    const pinned = policy({ residency: { byCountry: { DE: 'eu', FR: 'eu', US: 'us' } } });
    const result = await day({ policy: pinned, lost: { region: 'us-east-1', minute: 900 } });
    for (const { byCountry } of result.rules) {
      for (const { country, placed, regions: used } of byCountry) {
        if (!['DE', 'FR', 'US'].includes(country)) continue;
        expect(placed).toBeGreaterThan(0);
        for (const { region } of used) {
          const { inEu, jurisdiction } = regions.get(region)!;
          expect(country === 'US' ? jurisdiction === 'US' : inEu).toBe(true);
        }
      }
    }
  });

  test('is refused rather than served elsewhere where nothing is within its pin', async () => {
    const outside = planet.nodes.filter(({ region }) => !regions.get(region)!.inEu);
    const result = await day({
      scenario: withNodes(outside),
      policy: policy({ residency: { byCountry: { DE: 'eu' } } }),
    });
    for (const { byCountry, refusals, refused } of result.rules) {
      const germany = byCountry.find(({ country }) => country === 'DE')!;
      expect(germany.placed).toBe(0);
      expect(germany.refused).toBeGreaterThan(0);
      expect(refusals).toEqual({ ERR_PLACEMENT_RESIDENCY: refused });
      expect(refused).toBe(germany.refused);
    }
  });
});

describe('a lost region', () => {
  test('moves its running calls elsewhere and takes no more', async () => {
    const lost = { region: 'busiest', minute: 'peak' } as const;
    const [calm, result] = await Promise.all([day(), day({ lost })]);
    const busiest = result.lost!.region;
    expect(peakOf(calm, busiest).peak).toBeGreaterThan(0);
    expect(peakOf(result, busiest).peakAfterLoss).toBe(0);
    const ours = result.rules[0]!;
    expect(ours.afterLoss!.moved).toBeGreaterThan(0);
    expect(ours.afterLoss!.ended).toBe(0);
    expect(ours.afterLoss!.placed + ours.afterLoss!.refused).toBe(SESSIONS);
    // The day without the loss is lived as if there were none.
    expect(ours.byCountry).toEqual(calm.rules[0]!.byCountry);
    expect(ours.byRegion.map(({ peak }) => peak)).toEqual(calm.rules[0]!.byRegion.map(({ peak }) => peak));
  });

  test('ends the calls for which nobody else has room, and says so', async () => {
    const one = planet.nodes.filter(({ role, region }) => role === 'pop' || region === 'us-east-1');
    const result = await day({ scenario: withNodes(one), lost: { region: 'us-east-1', minute: 700 } });
    const { moved, ended, refused } = result.rules[0]!.afterLoss!;
    expect(moved).toBe(0);
    expect(ended).toBeGreaterThan(0);
    expect(refused).toBeGreaterThan(0);
  });
});

test('a world without cores, or without POPs, refuses everybody', async () => {
  for (const role of ['pop', 'core'] as const) {
    const result = await day({ scenario: withNodes(planet.nodes.filter((node) => node.role === role)) });
    for (const { placed, refusals, latencyMs } of result.rules) {
      expect(placed).toBe(0);
      expect(refusals).toEqual({ ERR_PLACEMENT_NO_CORE: SESSIONS });
      expect(latencyMs).toEqual({ p50: null, p95: null, mean: null });
    }
  }
  const empty = await day({ scenario: withNodes([]), lost: { region: 'busiest', minute: 'peak' } });
  expect(empty.rules[0]!.refused).toBe(SESSIONS);
  expect(empty.lost).toBeNull();
});

test('the shipped population is whole: every city in a known country, the shares of a country 100 %', () => {
  const { countries, cities } = loadPopulation();
  expect(countries).toHaveLength(64);
  expect(new Set(countries.map(({ code }) => code)).size).toBe(countries.length);
  for (const [index, { name, populationMillions, internetPercent }] of countries.entries()) {
    const own = cities.filter(({ countryIndex }) => countryIndex === index);
    const users = own.reduce((sum, { usersMillions }) => sum + usersMillions, 0);
    expect(users, name).toBeCloseTo((populationMillions * internetPercent) / 100, 6);
  }
  for (const { lat, lon, utcOffsetMinutes, name } of cities) {
    expect(Math.abs(lat), name).toBeLessThan(65);
    // An hour of the sun is 15 degrees; no country's clock is farther off than three and a half.
    expect(Math.abs(utcOffsetMinutes - lon * 4), name).toBeLessThan(210);
  }
});
