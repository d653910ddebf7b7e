import { afterEach, describe, expect, test } from 'vitest';
import type { AiEndpoint } from '../../src/placement/endpoint.ts';
import { type PlaceAsk, PlacementService } from '../../src/placement/placement-service.ts';
import { type Policy, policySchema } from '../../src/placement/policy.ts';
import { fixedPolicy } from '../../src/placement/policy-file.ts';
import { readWorldDocument, worldOf } from '../../src/placement/world-document.ts';
import { MemoryRegistry, type NodeRecord } from '../../src/registry/index.ts';
import { createMetrics } from '../../src/telemetry/index.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { coreRecord, popRecord } from '../support/nodes.ts';
import { recordingLog } from '../support/recording-log.ts';

const LEASE_MS = 1e9;
const services: PlacementService[] = [];
afterEach(() => {
  for (const service of services.splice(0)) service.close();
});

const desk = {
  name: 'desk',
  title: 'Desk',
  description: 'A desk.',
  notices: [],
  examples: [],
  legs: [{ kind: 'llm' as const, service: 'thinks', k: 4, local: false }],
};
const core = (nodeId: string, region: string, change: Partial<NodeRecord> = {}) =>
  coreRecord({ nodeId, region, agents: [desk], ...change });
const thinksIn = (region: string, residency: AiEndpoint['residency'] = 'none'): AiEndpoint => ({
  ...{ id: `thinks@${region}`, kind: 'llm', service: 'thinks', region, place: region, residency },
  ...{ p50: 500, p95: 900, source: 'catalogue', centsPerMinute: null },
});

interface Fixture {
  nodes?: NodeRecord[];
  endpoints?: AiEndpoint[];
  policy?: object;
}

async function fixture({ nodes, endpoints = [thinksIn('us-east-1')], policy }: Fixture = {}) {
  const clock = new FakeClock();
  const registry = new MemoryRegistry({ clock });
  for (const node of nodes ?? [core('core-syd', 'ap-southeast-2'), core('core-iad', 'us-east-1')]) {
    await registry.announce(node, LEASE_MS);
  }
  const metrics = createMetrics({ processMetrics: false });
  const { log, lines } = recordingLog();
  const source = { ...fixedPolicy(policySchema.parse({ version: 1, ...policy }), clock) };
  const service = new PlacementService({
    pop: { nodeId: 'pop-syd', region: 'ap-southeast-2' },
    popCapacity: 100,
    registry,
    policy: source,
    endpoints: () => endpoints,
    clock,
    log,
    metrics,
    reservationTtlMs: 5_000,
  });
  services.push(service);
  const metric = async (name: string, labels: Record<string, string> = {}) => {
    const values = (await metrics.getSingleMetric(name)!.get()).values;
    return values.find((value) => Object.entries(labels).every(([key, want]) => value.labels[key] === want))?.value;
  };
  const follow = (next: object) => {
    Object.assign(source, {
      current: policySchema.parse({ version: 1, ...next }) as Policy,
      status: { ...source.status, revision: source.status.revision + 1 },
    });
  };
  return { clock, registry, service, lines, metric, follow };
}

const ask = (change: Partial<PlaceAsk> = {}): PlaceAsk => ({
  agent: 'desk',
  residency: null,
  caller: { country: 'AU', place: { lat: -33.87, lon: 151.21 } },
  pop: { nodeId: 'pop-syd', region: 'ap-southeast-2' },
  key: 's-1',
  ...change,
});

describe('a place', () => {
  test('is beside the models when each turn asks them often, though the POP is far from there', async () => {
    const { service, metric } = await fixture();
    const { choice, core: record } = await service.place(ask());
    expect(choice).toMatchObject({ popNode: 'pop-syd', coreNode: 'core-iad' });
    expect(record).toMatchObject({ nodeId: 'core-iad', control: { host: '127.0.0.1', port: 7_001 } });
    expect(await metric('antipode_placement_decisions_total', { outcome: 'chosen' })).toBe(1);
  });

  test('is near the caller when the models are', async () => {
    const { service } = await fixture({ endpoints: [thinksIn('us-east-1'), thinksIn('ap-southeast-2')] });
    expect((await service.place(ask())).choice.coreNode).toBe('core-syd');
  });

  test('for a caller without a POP is chosen with one', async () => {
    const { service } = await fixture({
      nodes: [core('core-iad', 'us-east-1'), popRecord({ nodeId: 'pop-iad', region: 'us-east-1' })],
    });
    const placed = await service.place(ask({ pop: null, caller: { country: 'US', place: { lat: 40.7, lon: -74 } } }));
    expect(placed.choice).toMatchObject({ popNode: 'pop-iad', coreNode: 'core-iad' });
  });

  test('is not at a core that tells nobody how to reach it, or drains', async () => {
    const { service } = await fixture({
      nodes: [
        core('core-iad', 'us-east-1', { control: null }),
        core('core-pdx', 'us-west-2', { draining: true }),
        core('core-syd', 'ap-southeast-2'),
      ],
    });
    const { choice, candidates } = await service.place(ask());
    expect(choice.coreNode).toBe('core-syd');
    const why = candidates.find(({ coreRegion }) => coreRegion === 'us-east-1')!.excluded!;
    expect(why.reason).toContain('cannot be reached');
  });
});

describe('room', () => {
  test('is never given twice, however many ask at once', async () => {
    const { service, metric } = await fixture({
      nodes: [core('core-iad', 'us-east-1', { capacity: { sessions: 3 } })],
    });
    const answers = await Promise.allSettled(
      Array.from({ length: 20 }, (_, n) => service.place(ask({ key: `s-${n}` }))),
    );
    expect(answers.filter(({ status }) => status === 'fulfilled')).toHaveLength(3);
    expect(await metric('antipode_placement_decisions_total', { outcome: 'ERR_PLACEMENT_NO_CORE' })).toBe(17);
    expect(await metric('antipode_placement_reservations', { state: 'reserved' })).toBe(3);
  });

  test('comes back when a reservation expires that nobody held, and not when a session holds it', async () => {
    const { service, clock } = await fixture({ nodes: [core('core-iad', 'us-east-1', { capacity: { sessions: 2 } })] });
    (await service.place(ask())).reservation.hold();
    await service.place(ask());
    await expect(service.place(ask())).rejects.toMatchObject({ code: 'ERR_PLACEMENT_NO_CORE' });
    clock.advance(5_000);
    await service.place(ask());
    await expect(service.place(ask())).rejects.toThrowError('is full (2 of 2 sessions)');
  });

  test('that other POPs filled is seen within a second; room that was made, within a tenth', async () => {
    const { service, registry, clock } = await fixture();
    expect((await service.place(ask())).choice.coreNode).toBe('core-iad');
    await registry.announce(core('core-iad', 'us-east-1', { load: { sessions: 100 } }), LEASE_MS);
    clock.advance(1_000);
    expect((await service.place(ask())).choice.coreNode).toBe('core-syd');
    await registry.announce(core('core-syd', 'ap-southeast-2', { load: { sessions: 100 } }), LEASE_MS);
    clock.advance(1_000);
    await expect(service.place(ask())).rejects.toMatchObject({ code: 'ERR_PLACEMENT_NO_CORE' });
    await registry.announce(core('core-syd', 'ap-southeast-2'), LEASE_MS);
    clock.advance(100);
    expect((await service.place(ask())).choice.coreNode).toBe('core-syd');
  });

  test('of a reservation goes to the session that brings it', async () => {
    const { service } = await fixture({ nodes: [core('core-iad', 'us-east-1', { capacity: { sessions: 1 } })] });
    const { reservation } = await service.place(ask());
    const instead = service.reservation(reservation.id)!;
    expect((await service.place(ask({ instead }))).choice.coreNode).toBe('core-iad');
    expect(service.reservation(reservation.id)).toBeNull();
  });
});

describe('pins', () => {
  const withEu = { nodes: [core('core-iad', 'us-east-1'), core('core-fra', 'eu-central-1')] };
  const inFrankfurt = { pop: { nodeId: 'pop-fra', region: 'eu-central-1' } };
  const euNodes = { nodes: [...withEu.nodes, popRecord({ nodeId: 'pop-fra', region: 'eu-central-1' })] };

  test('of policy, country, request and agent hold together and say who asked', async () => {
    const pinned = { ...desk, residency: 'de,fr' };
    const { service } = await fixture({
      nodes: [
        core('core-fra', 'eu-central-1', { agents: [pinned] }),
        popRecord({ nodeId: 'pop-fra', region: 'eu-central-1' }),
      ],
      endpoints: [thinksIn('eu-central-1', 'pinned')],
      policy: { residency: { pin: 'eea', byCountry: { DE: 'eu' } } },
    });
    const caller = { country: 'DE', place: null };
    const { pins } = await service.place(ask({ ...inFrankfurt, caller, residency: 'eu-central-1' }));
    expect(pins.map(({ places, from }) => `${from}: ${places}`)).toEqual([
      'policy: eea',
      'policy for DE: eu',
      'request: eu-central-1',
      'agent: de,fr',
    ]);
  });

  test('that contradict each other refuse the call and are named', async () => {
    const { service } = await fixture({ ...euNodes, policy: { residency: { pin: 'us' } } });
    await expect(service.place(ask({ ...inFrankfurt, residency: 'eu' }))).rejects.toMatchObject({
      code: 'ERR_PLACEMENT_RESIDENCY',
      message: 'No place may take this session: The pins "us" (policy) and "eu" (request) contradict each other.',
    });
  });

  test('that no endpoint satisfies refuse the call with the leg', async () => {
    const { service } = await fixture(euNodes);
    await expect(service.place(ask({ ...inFrankfurt, residency: 'eu' }))).rejects.toThrowError(
      'no endpoint for llm is promised to keep data within "eu" (request): there are thinks@us-east-1 (none)',
    );
  });

  test('for callers of unknown countries hold when the policy says so', async () => {
    const { service } = await fixture({ policy: { residency: { whenUnknown: 'eu' } } });
    const nowhere = { country: null, place: null };
    await expect(service.place(ask({ caller: nowhere }))).rejects.toMatchObject({ code: 'ERR_PLACEMENT_RESIDENCY' });
    expect((await service.place(ask())).choice.coreNode).toBe('core-iad');
  });

  test('that are no pins are refused as the request’s fault', async () => {
    const { service } = await fixture();
    await expect(service.place(ask({ residency: 'e u' }))).rejects.toMatchObject({
      code: 'ERR_REQUEST_MALFORMED',
      path: 'residency',
    });
  });
});

describe('a world', () => {
  test('without cores, or without the agent, refuses with the reason', async () => {
    const { service, registry, clock } = await fixture({ nodes: [] });
    await expect(service.place(ask())).rejects.toThrowError('No core is alive.');
    await registry.announce(core('core-iad', 'us-east-1'), LEASE_MS);
    clock.advance(1_000);
    await expect(service.place(ask({ agent: 'dsek' }))).rejects.toMatchObject({
      code: 'ERR_AGENT_UNKNOWN',
      message: 'No agent is called "dsek". Known: desk.',
    });
  });

  test('is the last known one while the registry is out of reach: logged once, counted, shown', async () => {
    const { service, registry, clock, lines, metric } = await fixture();
    await service.place(ask());
    registry.nodes = () => Promise.reject(new Error('connection refused'));
    await clock.advanceAsync(3_000, 500);
    expect((await service.place(ask())).choice.coreNode).toBe('core-iad');
    const errors = lines.filter(({ level }) => level === 'error');
    expect(errors.map(({ message }) => message)).toEqual(['the registry is out of reach: placing by the last world']);
    expect(await metric('antipode_placement_registry_reachable')).toBe(0);
    expect(await metric('antipode_placement_registry_failures_total')).toBe(3);
    expect(await metric('antipode_placement_world_age_seconds')).toBe(3);
    const { state } = await service.world();
    expect(state).toMatchObject({ registry: { reachable: false, ageMs: 3_000, failures: 3 } });
  });

  test('is waited for no longer than the timeout when the registry hangs', async () => {
    const { service, registry, clock } = await fixture();
    await service.place(ask());
    registry.nodes = () => new Promise(() => {});
    clock.advance(1_000);
    const placing = service.place(ask());
    await clock.advanceAsync(250, 250);
    expect((await placing).choice.coreNode).toBe('core-iad');
  });

  test('is read once for many who are refused at once', async () => {
    const { service, registry, metric } = await fixture({ nodes: [core('core-iad', 'us-east-1', { draining: true })] });
    let readings = 0;
    const nodes = registry.nodes.bind(registry);
    registry.nodes = () => {
      readings += 1;
      return nodes();
    };
    for (let n = 0; n < 50; n++) await expect(service.place(ask())).rejects.toMatchObject({ retryable: true });
    expect(readings).toBe(1);
    expect(await metric('antipode_placement_plans_total')).toBe(1);
  });

  test('that was never read is an error, not a guess', async () => {
    const { service, registry } = await fixture();
    registry.nodes = () => Promise.reject(new Error('connection refused'));
    await expect(service.place(ask())).rejects.toMatchObject({ code: 'ERR_INTERNAL' });
  });

  test('is told in the format that explains decisions elsewhere', async () => {
    const { service } = await fixture();
    service.measure({ from: 'ap-southeast-2', to: 'us-east-1', p50: 190, p95: 205, atMs: 1_000 });
    const document = readWorldDocument(JSON.stringify(await service.world()));
    expect(document.paths).toEqual([{ from: 'ap-southeast-2', to: 'us-east-1', p50Ms: 190, p95Ms: 205, ageMs: 0 }]);
    expect(document.agents.desk!.legs).toEqual([{ kind: 'llm', services: ['thinks'], k: 4 }]);
    const { world } = worldOf(document, document.policy!);
    expect(world.nodes.map(({ nodeId }) => nodeId)).toEqual(['core-syd', 'core-iad', 'pop-syd']);
    expect(world.endpoints[0]).toMatchObject({ id: 'thinks@us-east-1', p50: 500, source: 'catalogue' });
  });

  test('with a region that nobody knows is told as such', async () => {
    const { service, lines } = await fixture({ nodes: [core('core-x', 'mars-1')] });
    expect((await service.place(ask())).choice.sources.popCore).toBe('assumed');
    expect(lines).toContainEqual(expect.objectContaining({ level: 'warn', fields: { regions: 'mars-1' } }));
    expect((await service.world()).state).toMatchObject({ unknownRegions: ['mars-1'] });
  });
});

describe('a measured path', () => {
  test('changes the decision once it is known, and no longer when it has aged out', async () => {
    const { service, clock } = await fixture({ policy: { latency: { measurementTtlSeconds: 10 } } });
    const before = (await service.place(ask())).choice.parts.popCore!;
    service.measure({ from: 'ap-southeast-2', to: 'us-east-1', p50: 260, p95: 280, atMs: clock.now() });
    clock.advance(1_000);
    expect((await service.place(ask())).choice).toMatchObject({
      parts: { popCore: 260 },
      sources: { popCore: 'measured' },
    });
    clock.advance(30_000);
    expect((await service.place(ask())).choice).toMatchObject({
      parts: { popCore: before },
      sources: { popCore: 'matrix' },
    });
  });

  test('that lies is bounded by light and by what was known, counted and logged', async () => {
    const { service, lines, metric } = await fixture();
    const lie = service.measure({ from: 'ap-southeast-2', to: 'us-east-1', p50: 1, p95: 1, atMs: 1_000 });
    expect(lie!.p50).toBeGreaterThan(150);
    expect(service.measure({ from: 'a', to: 'us-east-1', p50: 5, p95: 5, atMs: 1_000 })).toBeNull();
    expect(service.measure({ from: 'us-east-1', to: 'eu-west-1', p50: Number.NaN, p95: 5, atMs: 1_000 })).toBeNull();
    expect(await metric('antipode_placement_measurements_total', { result: 'bounded' })).toBe(1);
    expect(await metric('antipode_placement_measurements_total', { result: 'refused' })).toBe(2);
    expect(lines.filter(({ message }) => message === 'a measured path is not believed')).toHaveLength(3);
  });

  test('outlives a new policy', async () => {
    const { service, clock, follow } = await fixture();
    await service.place(ask());
    service.measure({ from: 'ap-southeast-2', to: 'us-east-1', p50: 190, p95: 205, atMs: clock.now() });
    follow({ objective: { loadWeightMs: 0 } });
    clock.advance(1_000);
    expect((await service.place(ask())).choice.sources.popCore).toBe('measured');
  });
});

describe('a plan', () => {
  test('is compiled anew when something changed, and at most every second', async () => {
    const { service, clock, metric, follow } = await fixture();
    const plans = () => metric('antipode_placement_plans_total');
    for (let n = 0; n < 5; n++) await service.place(ask());
    expect(await plans()).toBe(1);
    clock.advance(1_000);
    await service.place(ask());
    expect(await plans()).toBe(2); // what was promised meanwhile
    follow({ cores: { blocked: ['us-east-1'] } });
    expect((await service.place(ask())).choice.coreNode).toBe('core-iad');
    clock.advance(1_000);
    expect((await service.place(ask())).choice.coreNode).toBe('core-syd');
    expect(await plans()).toBe(3);
  });

  test('is kept while nothing changes', async () => {
    const { service, clock, metric } = await fixture();
    for (let n = 0; n < 20; n++) {
      (await service.place(ask())).reservation.release();
      clock.advance(1_000);
    }
    expect(await metric('antipode_placement_plans_total')).toBe(1);
  });
});

describe('better()', () => {
  const at = (coreRegion: string, coreNode: string) => ({ ...ask(), current: { coreRegion, coreNode } });
  /** Four round trips a turn to a model in Virginia: from Sydney each is the ocean and back. */
  const move = { betterByMs: 150, betterByShare: 0.1 };

  test('finds nothing for a running session unless the policy lets sessions move', async () => {
    const { service, follow, clock } = await fixture();
    expect(await service.better(at('ap-southeast-2', 'core-syd'))).toBeNull();
    follow({ cores: { move } });
    clock.advance(1_100);
    expect(await service.better(at('ap-southeast-2', 'core-syd'))).toMatchObject({ coreNode: 'core-iad' });
  });

  test('says what is gained, and that a session is well where it is', async () => {
    const { service } = await fixture({ policy: { cores: { move } } });
    const better = await service.better(at('ap-southeast-2', 'core-syd'));
    // Three ocean round trips of some 200 ms fewer.
    expect(better!.hereMs - better!.thereMs).toBeGreaterThan(500);
    expect(await service.better(at('us-east-1', 'core-iad'))).toBeNull();
  });

  test('asks for both, the milliseconds and the share', async () => {
    const { service, follow, clock } = await fixture({ policy: { cores: { move: { betterByMs: 5_000 } } } });
    expect(await service.better(at('ap-southeast-2', 'core-syd'))).toBeNull();
    follow({ cores: { move: { betterByMs: 0, betterByShare: 0.9 } } });
    clock.advance(1_100);
    expect(await service.better(at('ap-southeast-2', 'core-syd'))).toBeNull();
  });

  test('names no core that is full', async () => {
    const full = core('core-iad', 'us-east-1', { capacity: { sessions: 1 }, load: { sessions: 1 } });
    const { service } = await fixture({
      nodes: [core('core-syd', 'ap-southeast-2'), full],
      policy: { cores: { move } },
    });
    expect(await service.better(at('ap-southeast-2', 'core-syd'))).toBeNull();
  });
});
