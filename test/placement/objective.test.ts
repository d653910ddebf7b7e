/** What counts beside the predicted milliseconds: spread, load, cost, and that a session runs somewhere already. */
import { describe, expect, test } from 'vitest';
import type { AiEndpoint } from '../../src/placement/endpoint.ts';
import { PathBook } from '../../src/placement/paths.ts';
import { Plan } from '../../src/placement/plan.ts';
import type { PlanNode, PlanRequest } from '../../src/placement/plan-types.ts';
import { policySchema } from '../../src/placement/policy.ts';
import { Regions } from '../../src/placement/regions.ts';

const regions = Regions.load();
const IRELAND = { lat: 53.35, lon: -6.26 };

const node = (nodeId: string, region: string, change: Partial<PlanNode> = {}): PlanNode => ({
  ...{ nodeId, role: nodeId.startsWith('pop') ? 'pop' : 'core', region, sessions: 0, capacity: 100 },
  ...{ draining: false, agents: ['desk'], ...change },
});
const thinks = (region: string, change: Partial<AiEndpoint> = {}): AiEndpoint => ({
  ...{ id: `thinks@${region}`, kind: 'llm', service: 'thinks', region, place: region, residency: 'none' },
  ...{ p50: 500, p95: 700, source: 'operator', centsPerMinute: null, ...change },
});
/** Dublin is some milliseconds nearer than London, and Frankfurt is farther than both. */
const NODES = [
  node('pop-dub', 'eu-west-1'),
  node('core-dub', 'eu-west-1'),
  node('core-lhr', 'eu-west-2'),
  node('core-fra', 'eu-central-1'),
];

interface World {
  nodes?: readonly PlanNode[];
  endpoints?: readonly AiEndpoint[];
  policy?: object;
}

function decide({ nodes = NODES, endpoints = [], policy }: World, change: Partial<PlanRequest> = {}) {
  const world = { regions, paths: new PathBook({ regions }), nodes, endpoints };
  return new Plan(world, policySchema.parse({ version: 1, ...policy }), 0).decide({
    ...{ agent: 'desk', legs: [], pins: [], caller: { country: 'IE', place: IRELAND }, pop: null, draw: 0 },
    ...change,
  });
}
const busy = (nodeId: string, sessions: number) =>
  NODES.map((each) => (each.nodeId === nodeId ? { ...each, sessions } : each));

describe('load', () => {
  test('counts as milliseconds by the share of the least loaded core: a busy near place loses to an idle one', () => {
    expect(decide({}).chosen!.coreNode).toBe('core-dub');
    const nodes = busy('core-dub', 90);
    expect(decide({ nodes }).chosen!.coreNode).toBe('core-lhr');
    const policy = { objective: { loadWeightMs: 0 } };
    expect(decide({ nodes, policy }).chosen!.coreNode).toBe('core-dub');
  });

  test('is no reason where another core of the same region is idle', () => {
    const nodes = [...busy('core-dub', 90), node('core-dub-2', 'eu-west-1')];
    expect(decide({ nodes }).chosen!.coreNode).toBe('core-dub-2');
  });

  test('over the share that the policy sets takes no new session', () => {
    const policy = { cores: { maxLoad: 0.5 }, objective: { loadWeightMs: 0 } };
    expect(decide({ nodes: busy('core-dub', 49), policy }).chosen!.coreNode).toBe('core-dub');
    expect(decide({ nodes: busy('core-dub', 50), policy }).chosen!.coreNode).toBe('core-lhr');
  });
});

describe('spread', () => {
  test('counts by its weight: what is steady may win over what is sooner half of the time', () => {
    const steady = { id: 'thinks@steady', p50: 520, p95: 540 };
    const endpoints = [thinks('eu-west-1', { p95: 3_000 }), thinks('eu-west-1', steady)];
    const legs = [{ kind: 'llm' as const, services: ['thinks'], k: 1 }];
    const chosenBy = (tailWeight: number) =>
      decide({ endpoints, policy: { objective: { tailWeight } } }, { legs }).chosen!.endpoints[0]!.endpoint.id;
    expect(chosenBy(0)).toBe('thinks@eu-west-1');
    expect(chosenBy(0.25)).toBe('thinks@steady');
  });
});

describe('cost', () => {
  const legs = [{ kind: 'llm' as const, services: ['thinks'], k: 1 }];
  const dear = { cost: { regionCentsPerMinute: { 'eu-west-1': 2, 'eu-west-2': 0.5, 'eu-central-1': 0.5 } } };

  test('of node and services together counts by its weight, and is told', () => {
    const endpoints = [thinks('eu-west-1', { centsPerMinute: 3 })];
    const { chosen } = decide({ endpoints, policy: dear }, { legs });
    expect(chosen).toMatchObject({ coreNode: 'core-dub', centsPerMinute: 5 });
    const weighed = { ...dear, objective: { costWeightMsPerCent: 100 } };
    expect(decide({ endpoints, policy: weighed }, { legs }).chosen).toMatchObject({
      coreNode: 'core-lhr',
      centsPerMinute: 3.5,
    });
  });

  test('over the ceiling everywhere refuses the call, with what each place costs', () => {
    const endpoints = [thinks('eu-west-1', { centsPerMinute: 3 })];
    const policy = { cost: { ...dear.cost, maxCentsPerMinute: 3 } };
    expect(decide({ endpoints, policy }, { legs }).refused).toEqual({
      code: 'ERR_PLACEMENT_NO_CORE',
      reasons: ['costs 5.00 cents a minute, over 3', 'costs 3.50 cents a minute, over 3'],
    });
  });
});

describe('a running session', () => {
  const at = (coreRegion: string, coreNode?: string) => ({
    current: { coreRegion, ...(coreNode !== undefined && { coreNode }) },
  });

  test('moves when another place is better by more than the hysteresis, and not by less', () => {
    const policy = (hysteresisMs: number) => ({ objective: { hysteresisMs, tailWeight: 0 } });
    const stays = decide({ policy: policy(10_000) }, at('eu-central-1')).chosen!;
    const best = decide({ policy: policy(0) }, at('eu-central-1')).chosen!;
    expect([stays.coreRegion, best.coreRegion]).toEqual(['eu-central-1', 'eu-west-1']);
    const gapMs = stays.predictedMs!.p50 - best.predictedMs!.p50;
    expect(gapMs).toBeGreaterThan(10);
    const moved = (hysteresisMs: number) => decide({ policy: policy(hysteresisMs) }, at('eu-central-1')).chosen!;
    expect(moved(gapMs - 1).coreRegion).toBe('eu-west-1');
    expect(moved(gapMs + 1).coreRegion).toBe('eu-central-1');
  });

  test('stays at its core though that is full: its slot is its own', () => {
    const nodes = [...busy('core-dub', 100), node('core-dub-2', 'eu-west-1', { sessions: 50 })];
    expect(decide({ nodes }, at('eu-west-1', 'core-dub')).chosen!.coreNode).toBe('core-dub');
    const policy = { cores: { headroom: 'n-1' } };
    expect(decide({ nodes, policy }, at('eu-west-1', 'core-dub')).chosen!.coreNode).toBe('core-dub');
    expect(decide({ nodes: busy('core-dub', 100) }).chosen!.coreNode).toBe('core-lhr');
  });

  test('leaves a core that drains or is excluded', () => {
    const draining = NODES.map((each) => (each.nodeId === 'core-dub' ? { ...each, draining: true } : each));
    expect(decide({ nodes: draining }, at('eu-west-1', 'core-dub')).chosen!.coreNode).toBe('core-lhr');
    const excluded = { ...at('eu-west-1', 'core-dub'), excludedCores: ['core-dub'] };
    expect(decide({}, excluded).chosen!.coreNode).toBe('core-lhr');
  });
});
