/** Worlds, requests and clocks that are wrong in ways that the tests of the single parts do not show together. */
import { afterEach, describe, expect, test } from 'vitest';
import type { AiEndpoint } from '../../src/placement/endpoint.ts';
import { PathBook } from '../../src/placement/paths.ts';
import { parsePin } from '../../src/placement/pin.ts';
import { PlacementService } from '../../src/placement/placement-service.ts';
import { Plan } from '../../src/placement/plan.ts';
import type { PlanNode, PlanRequest } from '../../src/placement/plan-types.ts';
import { DEFAULT_POLICY } from '../../src/placement/policy.ts';
import { fixedPolicy } from '../../src/placement/policy-file.ts';
import { Regions } from '../../src/placement/regions.ts';
import { MemoryRegistry } from '../../src/registry/index.ts';
import { createMetrics, silentLogger } from '../../src/telemetry/index.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { coreRecord, popRecord } from '../support/nodes.ts';

const regions = Regions.load();
const HOUR_MS = 3_600_000;

const node = (nodeId: string, region: string, change: Partial<PlanNode> = {}): PlanNode => ({
  ...{ nodeId, role: nodeId.startsWith('pop') ? 'pop' : 'core', region, sessions: 0, capacity: 10 },
  ...{ draining: false, agents: ['desk'], ...change },
});
const thinks = (region: string, residency: AiEndpoint['residency']): AiEndpoint => ({
  ...{ id: `thinks@${region}`, kind: 'llm', service: 'thinks', region, place: region, residency },
  ...{ p50: 500, p95: 900, source: 'operator', centsPerMinute: null },
});
const NODES = [node('pop-fra', 'eu-central-1'), node('core-fra', 'eu-central-1'), node('core-iad', 'us-east-1')];

function plan(nodes: readonly PlanNode[], endpoints: readonly AiEndpoint[] = []) {
  return new Plan({ regions, paths: new PathBook({ regions }), nodes, endpoints }, DEFAULT_POLICY, 0);
}
const request = (change: Partial<PlanRequest> = {}): PlanRequest => ({
  ...{ agent: 'desk', legs: [], pins: [], caller: { country: null, place: null }, pop: null, draw: 0 },
  ...change,
});

describe('an empty world', () => {
  test.each([
    ['no node at all', [], 'No core is alive.'],
    ['no core', [node('pop-fra', 'eu-central-1')], 'No core is alive.'],
    ['no POP', [node('core-fra', 'eu-central-1')], 'No POP is alive.'],
  ])('with %s refuses everybody with the reason', (_name, nodes, reason) => {
    const empty = plan(nodes);
    expect(empty.decide(request()).refused).toEqual({ code: 'ERR_PLACEMENT_NO_CORE', reasons: [reason] });
    expect(empty.explain(request())).toEqual([]);
  });
});

describe('a world that is full', () => {
  const full = (role: PlanNode['role']) =>
    NODES.map((each) => (each.role === role ? { ...each, sessions: each.capacity } : each));

  test('at every core refuses with what each region lacks', () => {
    expect(plan(full('core')).decide(request()).refused).toEqual({
      code: 'ERR_PLACEMENT_NO_CORE',
      reasons: [
        'every core in eu-central-1 is full (10 of 10 sessions)',
        'every core in us-east-1 is full (10 of 10 sessions)',
      ],
    });
  });

  test('at every POP refuses too, unless the caller is there already', () => {
    const refused = { code: 'ERR_PLACEMENT_NO_CORE', reasons: ['no POP in eu-central-1 has room'] };
    expect(plan(full('pop')).decide(request()).refused).toEqual(refused);
    const pop = { nodeId: 'pop-fra', region: 'eu-central-1' };
    expect(plan(full('pop')).decide(request({ pop })).chosen).not.toBeNull();
  });
});

describe('pins', () => {
  test('that nothing satisfies name what each constraint excluded, down to the leg, and nobody is served elsewhere', () => {
    const legs = [{ kind: 'llm' as const, services: ['thinks'], k: 1 }];
    const endpoints = [thinks('us-east-1', 'pinned'), thinks('eu-central-1', 'none')];
    const pins = [parsePin('eu', 'request')];
    const { chosen, refused } = plan(NODES, endpoints).decide(request({ legs, pins }));
    expect(chosen).toBeNull();
    expect(refused).toEqual({
      code: 'ERR_PLACEMENT_RESIDENCY',
      reasons: [
        'no endpoint for llm is promised to keep data within "eu" (request): there are thinks@us-east-1 (pinned), thinks@eu-central-1 (none)',
        'us-east-1 is outside the pin "eu" (request): is under the law of US',
      ],
    });
  });

  test('of which every two can be satisfied and not all together refuse the call', () => {
    const pins = [parsePin('eu,us', 'policy'), parsePin('us,jp', 'request'), parsePin('jp,eu', 'agent')];
    const { refused } = plan(NODES).decide(request({ pins }));
    expect(refused!.code).toBe('ERR_PLACEMENT_RESIDENCY');
    expect(refused!.reasons.join()).toContain('eu-central-1 is outside the pin "us,jp" (request)');
  });
});

describe('clocks that disagree', () => {
  const services: PlacementService[] = [];
  afterEach(() => {
    for (const service of services.splice(0)) service.close();
  });

  async function service() {
    const clock = new FakeClock();
    const registry = new MemoryRegistry({ clock });
    // A core whose clock is a year ahead, a POP whose clock is at the beginning of time.
    await registry.announce(coreRecord({ region: 'us-east-1', startedAt: '2027-01-01T12:00:00.000Z' }), 1e9);
    await registry.announce(popRecord({ region: 'eu-central-1', startedAt: '1970-01-01T00:00:00.000Z' }), 1e9);
    const placement = new PlacementService({
      ...{ pop: { nodeId: 'pop-1', region: 'eu-central-1' }, popCapacity: 10, registry, endpoints: () => [] },
      ...{ policy: fixedPolicy(DEFAULT_POLICY, clock), clock, log: silentLogger },
      metrics: createMetrics({ processMetrics: false }),
    });
    services.push(placement);
    const source = async () => {
      clock.advance(1_000);
      const caller = { country: null, place: null };
      const placed = await placement.place({ agent: 'echo', residency: null, caller, pop: null, key: 's' });
      placed.reservation.release();
      return placed.choice.sources.popCore;
    };
    return { clock, placement, source };
  }
  const path = { from: 'eu-central-1', to: 'us-east-1', p50: 95, p95: 100 };

  test('place calls all the same: nobody’s time but our own is compared', async () => {
    const { clock, placement, source } = await service();
    expect(await source()).toBe('matrix');
    placement.measureCore('core-1', path);
    expect(await source()).toBe('measured');
    clock.advance(HOUR_MS);
    expect(await source()).toBe('matrix');
  });

  test('make no measurement last: one from a time to come, or long gone, does not count', async () => {
    const { clock, placement, source } = await service();
    placement.measure({ ...path, atMs: clock.now() + HOUR_MS });
    expect(await source()).toBe('matrix');
    placement.measure({ ...path, atMs: clock.now() - HOUR_MS });
    expect(await source()).toBe('matrix');
    placement.measure({ ...path, atMs: clock.now() });
    expect(await source()).toBe('measured');
  });
});
