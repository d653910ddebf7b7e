import { describe, expect, test } from 'vitest';
import type { AiEndpoint, EndpointKind, ResidencyClass } from '../../src/placement/endpoint.ts';
import { PathBook } from '../../src/placement/paths.ts';
import { parsePin } from '../../src/placement/pin.ts';
import { Plan } from '../../src/placement/plan.ts';
import type { PlanLeg, PlanNode, PlanRequest } from '../../src/placement/plan-types.ts';
import { type Policy, policySchema } from '../../src/placement/policy.ts';
import { Regions } from '../../src/placement/regions.ts';

const regions = Regions.load();
const SYDNEY = { lat: -33.87, lon: 151.21 };

const node = (nodeId: string, region: string, overrides: Partial<PlanNode> = {}): PlanNode => ({
  nodeId,
  role: nodeId.startsWith('pop') ? 'pop' : 'core',
  region,
  sessions: 0,
  capacity: 100,
  draining: false,
  agents: ['desk'],
  ...overrides,
});
const endpoint = (
  kind: EndpointKind,
  service: string,
  region: string,
  place: string,
  residency: ResidencyClass = 'none',
): AiEndpoint => ({
  id: `${service}@${region}`,
  kind,
  service,
  region,
  place,
  residency,
  p50: 200,
  p95: 400,
  source: 'catalogue',
  centsPerMinute: null,
});

const CASCADE: readonly PlanLeg[] = [
  { kind: 'stt', services: ['hears'], k: 1 },
  { kind: 'llm', services: ['thinks'], k: 3 },
  { kind: 'tts', services: ['speaks'], k: 1 },
];
const US_ONLY = [
  endpoint('stt', 'hears', 'us', 'us-east-1'),
  endpoint('llm', 'thinks', 'us', 'us-east-1'),
  endpoint('tts', 'speaks', 'us', 'us-east-1'),
];
const NODES = [
  node('pop-syd', 'ap-southeast-2'),
  node('pop-iad', 'us-east-1'),
  node('pop-fra', 'eu-central-1'),
  node('core-syd', 'ap-southeast-2'),
  node('core-iad', 'us-east-1'),
  node('core-fra', 'eu-central-1'),
];

function plan(
  options: { nodes?: readonly PlanNode[]; endpoints?: readonly AiEndpoint[]; policy?: object; own?: object } = {},
) {
  const policy: Policy = policySchema.parse({ version: 1, ...options.policy });
  const paths = new PathBook({ regions });
  return new Plan(
    { regions, paths, nodes: options.nodes ?? NODES, endpoints: options.endpoints ?? US_ONLY },
    policy,
    0,
  );
}
const request = (overrides: Partial<PlanRequest> = {}): PlanRequest => ({
  agent: 'desk',
  legs: CASCADE,
  pins: [],
  caller: { country: 'AU', place: SYDNEY },
  pop: null,
  draw: 0.5,
  ...overrides,
});

describe('the Australia tradeoff', () => {
  test('with models in the US only, the call makes one long trip to a core beside them', () => {
    const { chosen } = plan().decide(request());
    expect(chosen).toMatchObject({ popNode: 'pop-syd', coreNode: 'core-iad' });
    expect(chosen!.parts.popCore).toBeGreaterThan(150);
    expect(chosen!.parts.llm).toBeLessThan(3 * (200 + 10));
  });

  test('the more round trips a turn makes, the more the wrong place costs: k times the path', () => {
    // Without speculation, whose wait for a certain end a short turn has to fill.
    const policy = { latency: { preparingMs: 500, endpointingMs: 500 } };
    const gap = (k: number) => {
      const candidates = plan({ policy }).explain(request({ legs: [{ kind: 'llm', services: ['thinks'], k }] }));
      const at = (core: string) =>
        candidates.find((each) => each.popRegion === 'ap-southeast-2' && each.coreRegion === core)!.predictedMs!.p50;
      return at('ap-southeast-2') - at('us-east-1');
    };
    expect(Math.abs(gap(1))).toBeLessThan(20);
    expect(gap(2) - gap(1)).toBeGreaterThan(150);
    expect(gap(4) - gap(2)).toBeCloseTo(2 * (gap(2) - gap(1)), 5);
  });

  test('an answer is made while its turn only probably ends, and is not heard before the turn certainly has', () => {
    const policy = { latency: { preparingMs: 200, endpointingMs: 600 } };
    const endpointing = (ms: number) => {
      const beside = { ...endpoint('llm', 'thinks', 'us', 'us-east-1'), p50: ms, p95: ms };
      const legs: PlanLeg[] = [{ kind: 'llm', services: ['thinks'], k: 1 }];
      const { parts, predictedMs } = plan({ policy, endpoints: [beside] }).decide(request({ legs })).chosen!;
      expect(Object.values(parts).reduce((sum, part) => sum + part, 0)).toBeCloseTo(predictedMs!.p50, 5);
      return { endpointing: parts.endpointing, both: parts.llm! + parts.endpointing! };
    };
    expect(endpointing(1_000).endpointing).toBe(200);
    expect(endpointing(100).both).toBe(600);
  });

  test('with open weights in Sydney it stays at home, even if they think more slowly', () => {
    const open = ['hears', 'thinks', 'speaks'].map((service, index) => ({
      ...endpoint((['stt', 'llm', 'tts'] as const)[index]!, service, 'au', 'ap-southeast-2'),
      p50: 230,
    }));
    const { chosen } = plan({ endpoints: [...US_ONLY, ...open] }).decide(request());
    expect(chosen).toMatchObject({ popNode: 'pop-syd', coreNode: 'core-syd' });
    expect(chosen!.endpoints.map(({ endpoint: each }) => each.id)).toEqual(['hears@au', 'thinks@au', 'speaks@au']);
  });

  test('a program on the core itself makes no trip at all', () => {
    const local = [endpoint('stt', 'hears', 'local', 'local')];
    const { chosen } = plan({ endpoints: local }).decide(request({ legs: [CASCADE[0]!] }));
    expect(chosen).toMatchObject({ coreNode: 'core-syd' });
    expect(chosen!.parts.stt).toBe(200);
  });
});

describe('a prediction', () => {
  test('is the sum of its parts at p50, and the root of their squares above it at p95', () => {
    const { chosen } = plan().decide(request());
    const sum = Object.values(chosen!.parts).reduce((total, part) => total + part, 0);
    expect(chosen!.predictedMs!.p50).toBeCloseTo(sum, 6);
    expect(chosen!.predictedMs!.p95).toBeGreaterThan(chosen!.predictedMs!.p50);
    expect(chosen!.sources).toMatchObject({ callerPop: 'distance', popCore: 'matrix', llm: 'catalogue' });
  });

  test('goes by measured probes of the POPs rather than by the map', () => {
    const probes = new Map([
      ['ap-southeast-2', 250],
      ['us-east-1', 30],
      ['eu-central-1', 300],
    ]);
    const { chosen } = plan().decide(request({ caller: { country: 'AU', place: SYDNEY, probes } }));
    expect(chosen).toMatchObject({ popNode: 'pop-iad' });
    expect(chosen!.parts.callerPop).toBe(30);
    expect(chosen!.sources.callerPop).toBe('measured');
  });

  test('takes the POP that the caller came in by', () => {
    const pop = { nodeId: 'pop-fra', region: 'eu-central-1' };
    const { chosen } = plan().decide(request({ pop }));
    expect(chosen).toMatchObject({ popNode: 'pop-fra', popRegion: 'eu-central-1' });
  });
});

describe('a pin', () => {
  const eu = [parsePin('eu', 'request')];

  test('keeps POP, core and every endpoint within it', () => {
    const inEu = US_ONLY.map((each) => ({
      ...endpoint(each.kind, each.service, 'eu', 'eu-central-1', 'pinned'),
      p50: 900,
    }));
    const { chosen } = plan({ endpoints: [...US_ONLY, ...inEu] }).decide(request({ pins: eu }));
    expect(chosen).toMatchObject({ popNode: 'pop-fra', coreNode: 'core-fra' });
    expect(chosen!.endpoints.every(({ endpoint: each }) => each.region === 'eu')).toBe(true);
  });

  test('that no endpoint satisfies refuses the call and names the leg', () => {
    const inEu = [
      endpoint('stt', 'hears', 'eu', 'eu-central-1', 'pinned'),
      endpoint('tts', 'speaks', 'eu', 'eu-central-1', 'pinned'),
      endpoint('llm', 'thinks', 'eu', 'eu-central-1', 'best-effort'),
    ];
    const { chosen, refused } = plan({ endpoints: [...US_ONLY, ...inEu] }).decide(request({ pins: eu }));
    expect(chosen).toBeNull();
    expect(refused!.code).toBe('ERR_PLACEMENT_RESIDENCY');
    expect(refused!.reasons.join()).toContain(
      'no endpoint for llm is promised to keep data within "eu" (request): there are thinks@us (none), thinks@eu (best-effort)',
    );
    const accepting = plan({ endpoints: inEu, policy: { residency: { acceptBestEffort: true } } });
    expect(accepting.decide(request({ pins: eu })).chosen).toMatchObject({ coreNode: 'core-fra' });
  });

  test('to one country is not satisfied by a promise of its whole jurisdiction', () => {
    const inEu = [endpoint('stt', 'hears', 'eu', 'eu-central-1', 'pinned')];
    const legs = [CASCADE[0]!];
    const german = [parsePin('de', 'request')];
    expect(plan({ endpoints: inEu }).decide(request({ legs, pins: german })).refused!.code).toBe(
      'ERR_PLACEMENT_RESIDENCY',
    );
    const exact = [endpoint('stt', 'hears', 'eu-central-1', 'eu-central-1', 'pinned')];
    expect(plan({ endpoints: exact }).decide(request({ legs, pins: german })).chosen).toMatchObject({
      coreNode: 'core-fra',
    });
  });

  test('to the EU does not take London for Europe', () => {
    const nodes = [node('pop-lhr', 'eu-west-2'), node('core-lhr', 'eu-west-2')];
    const { refused } = plan({ nodes, endpoints: [] }).decide(request({ legs: [], pins: eu }));
    expect(refused).toEqual({
      code: 'ERR_PLACEMENT_RESIDENCY',
      reasons: ['eu-west-2 is outside the pin "eu" (request): is under the law of GB'],
    });
  });

  test('is held together with the others; those that contradict each other are told', () => {
    const both = [parsePin('eu', 'policy'), parsePin('us', 'token')];
    const { refused } = plan().decide(request({ pins: both }));
    expect(refused!.reasons).toEqual(['The pins "eu" (policy) and "us" (token) contradict each other.']);
  });
});

describe('room', () => {
  test('is taken from the least loaded node of the chosen region', () => {
    const nodes = [
      ...NODES.filter(({ nodeId }) => nodeId !== 'core-iad'),
      node('core-iad-1', 'us-east-1', { sessions: 50 }),
      node('core-iad-2', 'us-east-1', { sessions: 40 }),
    ];
    expect(plan({ nodes }).decide(request()).chosen).toMatchObject({ coreNode: 'core-iad-2' });
    const promised = new Map([['core-iad-2', 20]]);
    expect(plan({ nodes }).decideWith(request(), promised).chosen).toMatchObject({ coreNode: 'core-iad-1' });
  });

  test('that promises have filled moves the call to the next best place', () => {
    const promised = new Map([['core-iad', 100]]);
    expect(plan().decideWith(request(), promised).chosen!.coreNode).not.toBe('core-iad');
  });

  test('of nobody refuses the call with what each region lacks', () => {
    const nodes = [
      node('pop-syd', 'ap-southeast-2'),
      node('core-syd', 'ap-southeast-2', { sessions: 100 }),
      node('core-iad', 'us-east-1', { draining: true }),
    ];
    expect(plan({ nodes }).decide(request()).refused).toEqual({
      code: 'ERR_PLACEMENT_NO_CORE',
      reasons: [
        'every core in ap-southeast-2 is full (100 of 100 sessions)',
        'every core in us-east-1 drains, cannot be reached or is excluded',
      ],
    });
    expect(plan({ nodes: [] }).decide(request()).refused!.reasons).toEqual(['No core is alive.']);
    expect(plan().decide(request({ agent: 'nobody' })).refused!.code).toBe('ERR_AGENT_UNKNOWN');
  });

  test('is kept for the loss of the largest node where the policy asks for it', () => {
    const nodes = [
      ...NODES,
      node('core-iad-2', 'us-east-1', { sessions: 60 }),
      node('core-iad-3', 'us-east-1', { sessions: 60 }),
    ].map((each) => (each.nodeId === 'core-iad' ? { ...each, sessions: 80 } : each));
    const held = plan({ nodes, policy: { cores: { headroom: 'n-1' } } });
    const us = held.explain(request()).find(({ coreRegion }) => coreRegion === 'us-east-1')!;
    expect(us.excluded!.code).toBe('headroom');
  });
});

describe('a policy', () => {
  test('blocks regions and services, and forces countries', () => {
    const blocked = plan({ policy: { cores: { blocked: ['us-east-1'] } } }).decide(request());
    expect(blocked.chosen!.coreRegion).not.toBe('us-east-1');
    const forced = plan({ policy: { cores: { forcedByCountry: { AU: 'ap-southeast-2' } } } }).decide(request());
    expect(forced.chosen).toMatchObject({ coreNode: 'core-syd' });
    const noLlm = plan({ policy: { endpoints: { blocked: ['thinks@us'] } } }).decide(request());
    expect(noLlm.refused!.reasons).toEqual(['no endpoint is known for llm by thinks']);
  });

  test('lets a share of the sessions into a new region', () => {
    const canary = plan({ policy: { cores: { canary: { 'us-east-1': 0.1 } } } });
    expect(canary.decide(request({ draw: 0.09 })).chosen!.coreRegion).toBe('us-east-1');
    expect(canary.decide(request({ draw: 0.1 })).chosen!.coreRegion).not.toBe('us-east-1');
  });

  test('holds costs under a ceiling, and weighs them', () => {
    const cost = { regionCentsPerMinute: { 'us-east-1': 5, 'ap-southeast-2': 1, 'eu-central-1': 1 } };
    const ceiling = plan({ policy: { cost: { ...cost, maxCentsPerMinute: 4 } } });
    expect(ceiling.decide(request()).chosen!.coreRegion).not.toBe('us-east-1');
    const weighed = plan({ policy: { cost, objective: { costWeightMsPerCent: 1_000 } } });
    expect(weighed.decide(request()).chosen!.coreRegion).not.toBe('us-east-1');
  });

  test('moves a running session only for a place that is better by more than the hysteresis', () => {
    const current = { coreRegion: 'eu-central-1' };
    const eager = plan({ policy: { objective: { hysteresisMs: 0 } } });
    expect(eager.decide(request({ current })).chosen!.coreRegion).toBe('us-east-1');
    const steady = plan({ policy: { objective: { hysteresisMs: 10_000 } } });
    expect(steady.decide(request({ current })).chosen!.coreRegion).toBe('eu-central-1');
  });
});

test('explains every pair of places, the usable ones first and by score', () => {
  const candidates = plan({ policy: { cores: { blocked: ['eu-central-1'] } } }).explain(request());
  expect(candidates).toHaveLength(9);
  expect(candidates.slice(-3).map(({ excluded }) => excluded!.code)).toEqual(['blocked', 'blocked', 'blocked']);
  const scores = candidates.slice(0, 6).map(({ score }) => score);
  expect(scores).toEqual(scores.toSorted((a, b) => a - b));
});
