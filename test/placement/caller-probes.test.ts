import { afterEach, describe, expect, test } from 'vitest';
import {
  believedMs,
  countProbes,
  popCandidates,
  probesByRegion,
  soonestPop,
} from '../../src/placement/caller-probes.ts';
import { parsePins } from '../../src/placement/pin.ts';
import { type PlaceAsk, PlacementService } from '../../src/placement/placement-service.ts';
import type { PlanCandidate, PlanNode } from '../../src/placement/plan-types.ts';
import { policySchema } from '../../src/placement/policy.ts';
import { fixedPolicy } from '../../src/placement/policy-file.ts';
import { Regions } from '../../src/placement/regions.ts';
import { MemoryRegistry } from '../../src/registry/index.ts';
import { createMetrics, silentLogger } from '../../src/telemetry/index.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { coreRecord, popRecord } from '../support/nodes.ts';

const regions = Regions.load();
const SYDNEY = { lat: -33.87, lon: 151.21 };
const inSydney = { place: SYDNEY, withinKm: 10 };
const somewhere = { place: null, withinKm: null };
const pop = (nodeId: string, region: string, change: Partial<PlanNode> = {}): PlanNode => ({
  ...{ nodeId, role: 'pop', region, sessions: 0, capacity: 100, draining: false, agents: [], ...change },
});
const PLACES = ['eu-central-1', 'us-east-1', 'ap-southeast-2', 'ap-southeast-4', 'ap-northeast-1', 'ap-southeast-1'];
const nodes = PLACES.map((region) => pop(`pop-${region}`, region));
const world = { nodes, regions, accessMs: 10 };

describe('the POPs that a caller may measure', () => {
  test('come nearest first, by its address', () => {
    const candidates = popCandidates(world, inSydney, [], 'pop-eu-central-1');
    expect(candidates.map(({ region }) => region)).toEqual([
      ...['ap-southeast-2', 'ap-southeast-4', 'ap-southeast-1', 'ap-northeast-1', 'us-east-1', 'eu-central-1'],
    ]);
    // 8 ms, 10 ms of access, and the city's own size.
    expect(candidates[0]!.expectedMs).toBeCloseTo(18, 0);
    expect(candidates.at(-1)!.expectedMs).toBeGreaterThan(250);
  });

  test('begin with the one that is asked where nobody knows the place', () => {
    const candidates = popCandidates(world, somewhere, [], 'pop-us-east-1');
    expect(candidates[0]).toEqual({ nodeId: 'pop-us-east-1', region: 'us-east-1', expectedMs: null });
  });

  test('are those within every pin, and a place of unknown law only by its own name', () => {
    const more = { ...world, nodes: [...nodes, pop('pop-own', 'cellar')] };
    const within = (pin: string) => popCandidates(more, inSydney, parsePins(pin, 'request'), '').map((p) => p.region);
    expect(within('eu')).toEqual(['eu-central-1']);
    expect(within('au & ap-southeast-4')).toEqual(['ap-southeast-4']);
    expect(within('cellar')).toEqual(['cellar']);
    expect(within('ca')).toEqual([]);
  });

  test('are those whose stores are within every pin too', () => {
    const logsAbroad = pop('pop-fra', 'eu-central-1', { stores: { logs: 'us-east-1' } });
    const more = { ...world, nodes: [logsAbroad, pop('pop-dub', 'eu-west-1')] };
    const ids = popCandidates(more, inSydney, parsePins('eu', 'request'), '').map(({ nodeId }) => nodeId);
    expect(ids).toEqual(['pop-dub']);
    expect(popCandidates(more, inSydney, [], '')).toHaveLength(2);
  });

  test('are one of each region, the asked one or the emptiest, and none that drains or is full', () => {
    const several = [
      ...[pop('a', 'us-east-1', { sessions: 50 }), pop('b', 'us-east-1', { sessions: 10 }), pop('c', 'us-east-1')],
      ...[pop('d', 'eu-central-1', { sessions: 100 }), pop('e', 'ap-southeast-2', { draining: true })],
      { ...pop('f', 'ap-southeast-2'), role: 'core' as const },
    ];
    const ids = (own: string) => popCandidates({ ...world, nodes: several }, inSydney, [], own).map((p) => p.nodeId);
    expect(ids('x')).toEqual(['c']);
    expect(ids('a')).toEqual(['a']);
  });
});

describe('a measured round trip', () => {
  test('counts as it was told where it can be', () => {
    expect(believedMs(world, inSydney, 'ap-southeast-2', 4)).toBe(4);
    expect(believedMs(world, inSydney, 'ap-southeast-2', 90)).toBe(90);
    expect(believedMs(world, inSydney, 'us-east-1', 201)).toBe(201);
  });

  test('is no faster than light from where the address is', () => {
    // Sydney to Virginia: 15,700 km, 157 ms there and back in fiber.
    const believed = believedMs(world, inSydney, 'us-east-1', 1);
    expect(believed).toBeGreaterThan(155);
    expect(believed).toBeLessThan(160);
  });

  test('is no farther than five times what the distance makes one expect', () => {
    expect(believedMs(world, inSydney, 'ap-southeast-2', 2_000)).toBeCloseTo(5 * 18 + 20, -1);
  });

  test('is given the room that an address without a town leaves', () => {
    // The middle of the country, 1,900 km from Sydney, which says nothing of where in it a caller is.
    const inAustralia = { place: { lat: -27, lon: 133 }, withinKm: 2_500 };
    expect(believedMs(world, inAustralia, 'ap-southeast-2', 3)).toBe(3);
    expect(believedMs(world, { ...inAustralia, withinKm: 10 }, 'ap-southeast-2', 3)).toBeGreaterThan(15);
    expect(believedMs(world, inAustralia, 'us-east-1', 3)).toBeGreaterThan(120);
  });

  test('counts up to two seconds where nobody knows the place', () => {
    expect(believedMs(world, somewhere, 'us-east-1', 1)).toBe(1);
    expect(believedMs(world, somewhere, 'us-east-1', 9_999)).toBe(2_000);
    expect(believedMs({ ...world, nodes: [pop('p', 'cellar')] }, inSydney, 'cellar', 7)).toBe(7);
  });

  test('of a POP that is not there, or that is no number, is refused; the least of several counts', () => {
    const told = [
      ...[
        { pop: 'pop-gone', rttMs: 1 },
        { pop: 'pop-us-east-1', rttMs: Number.NaN },
        { pop: 'pop-us-east-1', rttMs: -1 },
      ],
      ...[
        { pop: 'pop-ap-southeast-2', rttMs: 30 },
        { pop: 'pop-ap-southeast-2', rttMs: 20 },
      ],
      { pop: 'pop-ap-southeast-2', rttMs: 25 },
    ];
    const { counted, unknown } = countProbes(world, inSydney, told);
    expect(unknown).toBe(3);
    expect(counted).toEqual([{ pop: 'pop-ap-southeast-2', region: 'ap-southeast-2', rttMs: 20, countedMs: 20 }]);
    expect(probesByRegion(counted)).toEqual(new Map([['ap-southeast-2', 20]]));
  });
});

describe('the soonest POP', () => {
  const candidate = (popRegion: string, score: number, excluded = false) =>
    ({ popRegion, score, excluded: excluded ? { code: 'residency', reason: '' } : null }) as PlanCandidate;
  const probe = (region: string, countedMs: number) => ({ pop: `pop-${region}`, region, rttMs: countedMs, countedMs });

  test('is the measured one of the best place that may be', () => {
    const candidates = [candidate('b', 400), candidate('c', 410), candidate('home', 500), candidate('a', 300, true)];
    const counted = [probe('a', 1), probe('c', 30), probe('home', 90)];
    expect(soonestPop(candidates, counted, 'home')).toMatchObject({ region: 'c' });
    expect(soonestPop(candidates, [], 'home')).toBeNull();
  });

  test('is this one where another gains less than ten milliseconds', () => {
    const counted = [probe('c', 30), probe('home', 33)];
    expect(soonestPop([candidate('c', 400), candidate('home', 409)], counted, 'home')).toMatchObject({
      region: 'home',
    });
    expect(soonestPop([candidate('c', 400), candidate('home', 410)], counted, 'home')).toMatchObject({ region: 'c' });
  });
});

describe('placement with probes', () => {
  const services: PlacementService[] = [];
  afterEach(() => {
    for (const service of services.splice(0)) service.close();
  });

  async function fixture(policy: object = {}) {
    const clock = new FakeClock();
    const registry = new MemoryRegistry({ clock });
    const all = [
      ...[
        popRecord({ nodeId: 'pop-fra', region: 'eu-central-1' }),
        popRecord({ nodeId: 'pop-iad', region: 'us-east-1' }),
      ],
      ...[
        coreRecord({ nodeId: 'core-fra', region: 'eu-central-1' }),
        coreRecord({ nodeId: 'core-iad', region: 'us-east-1' }),
      ],
    ];
    for (const node of all) await registry.announce(node, 1e9);
    const metrics = createMetrics({ processMetrics: false });
    const service = new PlacementService({
      ...{ pop: { nodeId: 'pop-fra', region: 'eu-central-1' }, popCapacity: 100, registry, clock, metrics },
      policy: fixedPolicy(policySchema.parse({ version: 1, ...policy }), clock),
      endpoints: () => [],
      log: silentLogger,
    });
    services.push(service);
    const counts = async () => {
      const { values } = await metrics.getSingleMetric('antipode_placement_probes_total')!.get();
      return Object.fromEntries(values.map(({ labels, value }) => [labels.result, value]));
    };
    return { service, counts };
  }

  const FRANKFURT = { country: 'DE', place: { lat: 50.11, lon: 8.68 }, withinKm: 10 };
  const ask = (change: Partial<PlaceAsk> = {}): PlaceAsk => ({
    ...{ agent: 'echo', residency: null, caller: FRANKFURT, pop: null, key: 's-1', ...change },
  });
  const LIE = [
    { pop: 'pop-iad', rttMs: 0 },
    { pop: 'pop-fra', rttMs: 2_000 },
  ];

  test('goes by what was measured, says so, and counts it', async () => {
    const { service, counts } = await fixture();
    const probes = [
      { pop: 'pop-fra', rttMs: 23 },
      { pop: 'pop-gone', rttMs: 3 },
    ];
    const placed = await service.place(ask({ probes }));
    expect(placed.choice).toMatchObject({ popNode: 'pop-fra', parts: { callerPop: 23 } });
    expect(placed.choice.sources.callerPop).toBe('measured');
    expect(placed.probes).toEqual([{ pop: 'pop-fra', region: 'eu-central-1', rttMs: 23, countedMs: 23 }]);
    expect(await counts()).toEqual({ kept: 1, refused: 1 });
    expect((await service.place(ask())).choice.sources.callerPop).toBe('distance');
  });

  test('believes a liar no more than light and the distance allow', async () => {
    const { service, counts } = await fixture();
    const { probes } = await service.place(ask({ probes: LIE }));
    const counted = new Map(probes.map((probe) => [probe.pop, probe.countedMs]));
    // Frankfurt to Virginia: 6,500 km.
    expect(counted.get('pop-iad')).toBeGreaterThan(64);
    expect(counted.get('pop-fra')).toBeLessThan(115);
    expect(await counts()).toEqual({ bounded: 2 });
  });

  test('bounds what an operator passes on by region in the same way', async () => {
    const { service } = await fixture();
    const caller = { ...FRANKFURT, probes: new Map([['us-east-1', 1]]) };
    const { probes } = await service.place(ask({ caller }));
    expect(probes).toMatchObject([{ pop: 'pop-iad', rttMs: 1 }]);
    expect(probes[0]!.countedMs).toBeGreaterThan(64);
  });

  test('never lets probes move a caller out of the law of its country', async () => {
    const policy = { residency: { byCountry: { DE: 'eu' } }, cores: { forcedByCountry: { DE: 'eu-central-1' } } };
    const { service } = await fixture(policy);
    const placed = await service.place(ask({ probes: LIE }));
    expect(placed.pins).toEqual([{ places: ['eu'], from: 'policy for DE' }]);
    expect(placed.choice).toMatchObject({ popNode: 'pop-fra', coreNode: 'core-fra' });
    expect(await service.popFor(ask({ probes: LIE }))).toBe('pop-fra');
    const { probes: _none, ...unprobed } = ask();
    expect((await service.place(unprobed)).pins).toEqual(placed.pins);
    expect((await service.popsFor(ask())).map(({ nodeId }) => nodeId)).toEqual(['pop-fra']);
  });

  test('and one whose country nobody knows stays within the pin for those', async () => {
    const { service } = await fixture({ residency: { byCountry: { DE: 'eu' }, whenUnknown: 'eu' } });
    const unknown = { country: null, place: null };
    const placed = await service.place(ask({ caller: unknown, probes: LIE }));
    expect(placed.choice.popNode).toBe('pop-fra');
    expect(placed.pins).toEqual([{ places: ['eu'], from: 'policy for unknown countries' }]);
  });

  test('chooses between measured POPs only, and this one when nothing is gained', async () => {
    const { service } = await fixture();
    const unknown = { country: null, place: null };
    const chosen = (fra: number, iad: number) =>
      service.popFor(
        ask({
          caller: unknown,
          probes: [
            { pop: 'pop-fra', rttMs: fra },
            { pop: 'pop-iad', rttMs: iad },
          ],
        }),
      );
    expect(await chosen(90, 12)).toBe('pop-iad');
    expect(await chosen(12, 90)).toBe('pop-fra');
    expect(await chosen(14, 12)).toBe('pop-fra');
    expect(await service.popFor(ask({ caller: unknown, probes: [{ pop: 'pop-fra', rttMs: 900 }] }))).toBe('pop-fra');
    expect(await service.popFor(ask({ caller: unknown }))).toBeNull();
  });
});
