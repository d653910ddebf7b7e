/** What cores have measured, from their records to decisions: the service, the world's document, the plans made. */
import { afterEach, expect, test } from 'vitest';
import type { AiEndpoint } from '../../src/placement/endpoint.ts';
import { PlacementService } from '../../src/placement/placement-service.ts';
import { Plan } from '../../src/placement/plan.ts';
import { DEFAULT_POLICY } from '../../src/placement/policy.ts';
import { fixedPolicy } from '../../src/placement/policy-file.ts';
import { readWorldDocument, worldOf } from '../../src/placement/world-document.ts';
import { type MeasuredLegs, type MeasuredService, MemoryRegistry, nodeRecordSchema } from '../../src/registry/index.ts';
import { createMetrics } from '../../src/telemetry/index.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { agentNamed, coreRecord } from '../support/nodes.ts';
import { recordingLog } from '../support/recording-log.ts';

const LEASE_MS = 1e9;
const services: PlacementService[] = [];
afterEach(() => {
  for (const service of services.splice(0)) service.close();
});

const desk = { ...agentNamed('desk'), legs: [{ kind: 'llm' as const, service: 'thinks', k: 1, local: false }] };
const core = (region: string, measured?: Partial<MeasuredLegs>) =>
  nodeRecordSchema.parse(
    coreRecord({
      ...{ nodeId: `core-${region}`, region, agents: [desk] },
      ...(measured !== undefined && { measured: { services: [], turns: [], ...measured } }),
    }),
  );
const thinks = (region: string, place: string, p50: number): AiEndpoint => ({
  ...{ id: `thinks@${region}`, kind: 'llm', service: 'thinks', region, place, residency: 'none' },
  ...{ p50, p95: p50 * 2, source: 'catalogue', centsPerMinute: null },
});
const told = (region: string, p50Ms: number, more: Partial<MeasuredService> = {}): MeasuredService => ({
  ...{ kind: 'llm', service: 'thinks', model: null, region, p50Ms, p95Ms: p50Ms * 2, count: 100 },
  ...{ ageMs: 0, connectMs: null, ...more },
});

async function fixture(endpoints: readonly AiEndpoint[]) {
  const clock = new FakeClock();
  const registry = new MemoryRegistry({ clock });
  const metrics = createMetrics({ processMetrics: false });
  const { log, lines } = recordingLog();
  const service = new PlacementService({
    pop: { nodeId: 'pop-syd', region: 'ap-southeast-2' },
    ...{ popCapacity: 100, registry, clock, log, metrics, reservationTtlMs: 1 },
    policy: fixedPolicy(DEFAULT_POLICY, clock),
    endpoints: () => endpoints,
  });
  services.push(service);
  const metric = async (name: string, result?: string) => {
    const { values } = await metrics.getSingleMetric(name)!.get();
    return values.find(({ labels }) => result === undefined || labels.result === result)?.value ?? 0;
  };
  const announce = async (...records: ReturnType<typeof core>[]) => {
    for (const record of records) await registry.announce(record, LEASE_MS);
    // What was measured is looked at every five seconds.
    clock.advance(5_000);
  };
  const place = async () => {
    const placed = await service.place({
      ...{ agent: 'desk', residency: null, key: 's', pop: { nodeId: 'pop-syd', region: 'ap-southeast-2' } },
      caller: { country: 'AU', place: { lat: -33.87, lon: 151.21 } },
    });
    placed.reservation.release();
    return placed.choice;
  };
  return { clock, service, lines, metric, announce, place };
}

const BOTH = [thinks('us', 'us-east-1', 300), thinks('au', 'ap-southeast-2', 400)];

test('an address that turns out slower than it is published loses, to callers of every core', async () => {
  const { announce, place } = await fixture(BOTH);
  await announce(core('ap-southeast-2'), core('us-east-1'));
  expect((await place()).endpoints[0]!.endpoint.id).toBe('thinks@au');
  await announce(core('ap-southeast-2', { services: [told('au', 1_400)] }));
  const choice = await place();
  expect(choice.endpoints[0]!.endpoint.id).toBe('thinks@us');
  expect(choice.sources.llm).toBe('catalogue');
});

test('the figure of a core that measured is shown as that, with count, age and share, and without a path of its own', async () => {
  const { announce, place, clock, metric } = await fixture([BOTH[1]!]);
  await announce(core('ap-southeast-2', { services: [told('au', 410, { count: 10 })] }));
  await place();
  // Ages are the plan's, which is made anew after 30 s.
  clock.advance(30_000);
  const { sources, measured, parts, endpoints } = await place();
  expect(sources.llm).toBe('measured');
  expect(sources['llm path']).toBeUndefined();
  expect(measured.llm).toMatchObject({ count: 10, confidence: 0.5 });
  expect(measured.llm!.ageMs).toBe(30_000);
  // Half of 410, half of the published 400 and the path within the region.
  expect(parts.llm).toBeGreaterThan(405);
  expect(parts.llm).toBeLessThan(410);
  expect(endpoints[0]!.path).toBeNull();
  expect(await metric('antipode_placement_service_measurements_total', 'kept')).toBe(1);
});

test('round trips that turns really make move a session to the models', async () => {
  const { announce, place } = await fixture([thinks('us', 'us-east-1', 300)]);
  const [syd, iad] = [core('ap-southeast-2'), core('us-east-1')];
  await announce(syd, iad);
  const before = await place();
  await announce(core('us-east-1', { turns: [{ agent: 'desk', turns: 50, ageMs: 0, k: { llm: 3.5, tts: 1 } }] }));
  const after = await place();
  expect(after.coreRegion).toBe('us-east-1');
  expect(after.sources['llm k']).toBe('measured');
  expect(after.measured['llm k']!.count).toBe(50);
  expect(after.parts.llm! / before.parts.llm!).toBeGreaterThan(2);
});

test('a plan is made anew when a figure has moved, not with every figure', async () => {
  const { announce, place, metric } = await fixture([BOTH[1]!]);
  await announce(core('ap-southeast-2', { services: [told('au', 400)] }));
  await place();
  const plans = await metric('antipode_placement_plans_total');
  for (const p50Ms of [405, 396, 410]) {
    await announce(core('ap-southeast-2', { services: [told('au', p50Ms)] }));
    await place();
  }
  expect(await metric('antipode_placement_plans_total')).toBe(plans);
  await announce(core('ap-southeast-2', { services: [told('au', 460)] }));
  const { parts } = await place();
  expect(await metric('antipode_placement_plans_total')).toBe(plans + 1);
  expect(parts.llm).toBe(460);
});

test('a core that lies is bounded, counted and logged once', async () => {
  const { announce, place, metric, lines } = await fixture(BOTH);
  await announce(core('ap-southeast-2'), core('us-east-1', { services: [told('us', 1)] }));
  for (let n = 0; n < 3; n++) {
    const choice = await place();
    expect(choice.parts.llm).toBeGreaterThan(40);
    await announce();
  }
  expect(await metric('antipode_placement_service_measurements_total', 'bounded')).toBe(1);
  const logged = lines.filter(({ message }) => message === 'a measured service time is not believed');
  expect(logged.map(({ fields }) => fields)).toMatchObject([
    { result: 'bounded', core: 'us-east-1', service: 'thinks', p50Ms: 1 },
  ]);
});

test('what was measured counts for an hour from when it was read first', async () => {
  const { announce, place, clock } = await fixture([BOTH[1]!]);
  await announce(core('ap-southeast-2', { services: [told('au', 800)] }));
  expect((await place()).sources.llm).toBe('measured');
  clock.advance(3_600_001);
  const late = await place();
  expect([late.sources.llm, late.endpoints[0]!.endpoint.p50]).toEqual(['catalogue', 400]);
});

test('the world tells all of it, and a decision by that document is the same', async () => {
  const { announce, place, service } = await fixture(BOTH);
  await announce(
    core('ap-southeast-2', { services: [told('au', 700, { count: 12 }), told('us', 520)] }),
    core('us-east-1', { turns: [{ agent: 'desk', turns: 50, ageMs: 0, k: { llm: 2.25, tts: 1 } }] }),
  );
  const choice = await place();
  const document = await service.world();
  expect(document.agents.desk!.legs[0]).toMatchObject({ k: 2.25, measured: { turns: 50, said: 1 } });
  expect(document.endpoints.find(({ id }) => id === 'thinks@au')).toMatchObject({
    source: 'measured',
    measured: {
      ...{ count: 12, confidence: 0.6, before: { p50Ms: 400, p95Ms: 800, source: 'catalogue' } },
      from: [{ core: 'ap-southeast-2', count: 12 }],
    },
  });
  const read = worldOf(readWorldDocument(JSON.stringify(document)), DEFAULT_POLICY);
  const { chosen } = new Plan(read.world, DEFAULT_POLICY, 0).decide({
    ...{ agent: 'desk', legs: read.agents.get('desk')!.legs, pins: [], draw: 0 },
    caller: { country: 'AU', place: { lat: -33.87, lon: 151.21 } },
    pop: { nodeId: 'pop-syd', region: 'ap-southeast-2' },
  });
  expect(chosen!.coreRegion).toBe(choice.coreRegion);
  expect(chosen!.predictedMs!.p50).toBeCloseTo(choice.predictedMs!.p50, 6);
  expect(chosen!.measured.llm).toMatchObject({ count: choice.measured.llm!.count });
});

test('a document whose measurements are too old is read as if there were none', () => {
  const text = (ageMs: number) => `
version: 1
nodes: []
endpoints:
  - kind: llm
    service: thinks
    region: us
    p50Ms: 700
    p95Ms: 900
    source: measured
    measured:
      count: 40
      ageMs: ${ageMs}
      confidence: 1
      before: { p50Ms: 400, p95Ms: 800, source: catalogue }
      from: [{ core: us-east-1, p50Ms: 702, p95Ms: 903, count: 40, ageMs: ${ageMs} }]
`;
  const [young, old] = [3_600_000, 3_600_001].map(
    (ageMs) => worldOf(readWorldDocument(text(ageMs)), DEFAULT_POLICY).world.endpoints[0]!,
  );
  expect(young).toMatchObject({ p50: 700, measured: { from: [{ core: 'us-east-1', p50: 702 }] } });
  expect(old).toMatchObject({ p50: 400, p95: 800, source: 'catalogue' });
  expect(old!.measured).toBeUndefined();
});
