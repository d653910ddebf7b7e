/** Loss and jitter of a path cost, and what POPs tell of their paths reaches whoever places. */
import { describe, expect, test } from 'vitest';
import { DEFAULT_POLICY, fixedPolicy, PlacementService, worldOf } from '../../src/placement/index.ts';
import { qualityCostMs } from '../../src/placement/path-quality.ts';
import { Plan } from '../../src/placement/plan.ts';
import { ToldPaths } from '../../src/placement/told-paths.ts';
import type { MeasuredPath, NodeRecord } from '../../src/registry/index.ts';
import { MemoryRegistry } from '../../src/registry/index.ts';
import { createMetrics, silentLogger } from '../../src/telemetry/index.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { coreRecord, popRecord } from '../support/nodes.ts';

const TTL_MS = 600_000;

describe('qualityCostMs()', () => {
  test('is 2 ms for each of jitter and 20 ms for each lost percent, up to 200 and 400', () => {
    expect(qualityCostMs({})).toBe(0);
    expect(qualityCostMs({ jitterMs: null, loss: null })).toBe(0);
    expect(qualityCostMs({ jitterMs: 12 })).toBe(24);
    expect(qualityCostMs({ loss: 0.01 })).toBeCloseTo(20, 9);
    expect(qualityCostMs({ jitterMs: 5, loss: 0.03 })).toBeCloseTo(70, 9);
    expect(qualityCostMs({ jitterMs: 5_000, loss: 1 })).toBe(600);
  });

  test('never falls when a path gets worse', () => {
    for (let step = 0; step < 200; step++) {
      const [jitterMs, loss] = [step, step / 200];
      expect(qualityCostMs({ jitterMs: jitterMs + 1, loss })).toBeGreaterThanOrEqual(qualityCostMs({ jitterMs, loss }));
      expect(qualityCostMs({ jitterMs, loss: loss + 0.004 })).toBeGreaterThanOrEqual(qualityCostMs({ jitterMs, loss }));
    }
  });
});

describe('a plan', () => {
  const document = (quality: object) => ({
    version: 1 as const,
    regions: {},
    nodes: [
      {
        nodeId: 'pop',
        role: 'pop' as const,
        region: 'eu-central-1',
        sessions: 0,
        capacity: 9,
        draining: false,
        agents: [],
      },
      ...['eu-west-1', 'eu-west-3'].map((region) => ({
        ...{ nodeId: `core-${region}`, role: 'core' as const, region, sessions: 0, capacity: 9, draining: false },
        agents: ['echo'],
      })),
    ],
    agents: { echo: { legs: [] } },
    endpoints: [],
    paths: [
      { from: 'eu-central-1', to: 'eu-west-3', p50Ms: 12, p95Ms: 14, ageMs: 0, ...quality },
      { from: 'eu-central-1', to: 'eu-west-1', p50Ms: 26, p95Ms: 28, ageMs: 0 },
    ],
  });
  const request = {
    ...{ agent: 'echo', legs: [], pins: [], pop: null, draw: 0.5 },
    caller: { country: null, place: null },
  };
  const explain = (quality: object) => {
    const { world } = worldOf(document(quality), DEFAULT_POLICY);
    return new Plan(world, DEFAULT_POLICY, 0).explain(request);
  };

  test('counts what a lossy path costs, says so as a part, and takes another core for it', () => {
    const [best, second] = explain({});
    expect([best?.coreRegion, second?.coreRegion]).toEqual(['eu-west-3', 'eu-west-1']);
    expect(best?.parts.popCoreQuality).toBeUndefined();
    const [other, lossy] = explain({ jitterMs: 4, loss: 0.02 });
    expect([other?.coreRegion, lossy?.coreRegion]).toEqual(['eu-west-1', 'eu-west-3']);
    expect(lossy?.parts.popCoreQuality).toBeCloseTo(48, 9);
    expect(lossy!.predictedMs!.p50 - best!.predictedMs!.p50).toBeCloseTo(48, 9);
  });
});

describe('ToldPaths', () => {
  const way = (change: Partial<MeasuredPath> = {}): MeasuredPath => ({
    ...{ core: 'core-1', region: 'eu-west-1', p50Ms: 30, p95Ms: 35, jitterMs: 1, loss: 0, ageMs: 0 },
    ...change,
  });
  const pop = (nodeId: string, telling: number, ...ways: MeasuredPath[]): NodeRecord =>
    popRecord({ nodeId, region: 'eu-central-1', paths: { telling, ways } });

  test('tells a path once, and again when it is told again', () => {
    const told = new ToldPaths();
    const expected = { from: 'eu-central-1', to: 'eu-west-1', p50: 30, p95: 35, jitterMs: 1, loss: 0 };
    expect(told.take([pop('pop-1', 1, way({ ageMs: 400 }))], 5_000, TTL_MS, null)).toEqual([
      { ...expected, atMs: 4_600 },
    ]);
    expect(told.take([pop('pop-1', 1, way({ ageMs: 400 }))], 6_000, TTL_MS, null)).toEqual([]);
    expect(told.take([pop('pop-1', 2, way())], 9_000, TTL_MS, null)).toEqual([{ ...expected, atMs: 9_000 }]);
  });

  test('believes the registry of where a core is', () => {
    const core = coreRecord({ nodeId: 'core-1', region: 'eu-north-1' });
    const [path] = new ToldPaths().take([core, pop('pop-1', 1, way())], 0, TTL_MS, null);
    expect(path?.to).toBe('eu-north-1');
  });

  test('of three POPs in a region takes the one in the middle: one that lies moves nothing', () => {
    const told = new ToldPaths();
    const records = [30, 31, 900].map((p50Ms, at) => pop(`pop-${at}`, 1, way({ p50Ms, p95Ms: p50Ms })));
    expect(told.take(records, 0, TTL_MS, null)).toMatchObject([{ p50: 31 }]);
  });

  test('leaves out what this POP told itself, and what is too old', () => {
    const told = new ToldPaths();
    expect(told.take([pop('pop-1', 1, way())], 0, TTL_MS, 'pop-1')).toEqual([]);
    expect(told.take([pop('pop-2', 1, way({ ageMs: TTL_MS + 1 }))], 0, TTL_MS, 'pop-1')).toEqual([]);
  });
});

describe('the placement service', () => {
  test("places by what POPs' records tell, and a POP by its own measurement first", async () => {
    const clock = new FakeClock();
    await using registry = new MemoryRegistry({ clock });
    const paths = (p50Ms: number, telling = 1) => ({
      telling,
      ways: [{ core: 'core-1', region: 'us-east-1', p50Ms, p95Ms: p50Ms, jitterMs: 3, loss: 0.01, ageMs: 0 }],
    });
    await registry.announce(coreRecord({ region: 'us-east-1' }), 1e9);
    await registry.announce(popRecord({ nodeId: 'pop-2', region: 'eu-central-1', paths: paths(111) }), 1e9);
    const start = (isPop: boolean) =>
      new PlacementService({
        ...{ registry, clock, log: silentLogger, metrics: createMetrics({ processMetrics: false }), isPop },
        pop: { nodeId: 'pop-1', region: 'eu-central-1' },
        popCapacity: 10,
        policy: fixedPolicy(DEFAULT_POLICY, clock),
        endpoints: () => [],
      });
    using apart = start(false);
    using own = start(true);
    const told = async (service: PlacementService) => (await service.world()).paths;
    expect(await told(apart)).toMatchObject([
      { from: 'eu-central-1', to: 'us-east-1', p50Ms: 111, jitterMs: 3, loss: 0.01, ageMs: 0 },
    ]);
    expect(await told(own)).toMatchObject([{ p50Ms: 111 }]);
    own.measureCore('core-1', { p50: 95, p95: 99, jitterMs: 1, loss: 0 });
    await registry.announce(popRecord({ nodeId: 'pop-2', region: 'eu-central-1', paths: paths(120, 2) }), 1e9);
    clock.advance(2_000);
    expect(await told(apart)).toMatchObject([{ p50Ms: 120 }]);
    expect(await told(own)).toMatchObject([{ p50Ms: 95, jitterMs: 1, loss: 0 }]);
  });
});
