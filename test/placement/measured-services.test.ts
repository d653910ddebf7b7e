import { expect, test } from 'vitest';
import type { AiEndpoint } from '../../src/placement/endpoint.ts';
import { MeasuredServices } from '../../src/placement/measured-services.ts';
import { PathBook } from '../../src/placement/paths.ts';
import { Regions } from '../../src/placement/regions.ts';
import { weightedMedian } from '../../src/placement/weighted-median.ts';
import type { MeasuredService } from '../../src/registry/index.ts';

const regions = Regions.load();
const HOUR = 3_600_000;

/** us-east-1 with a published 500 ms; Sydney is 200 ms from there, Frankfurt 90. */
const THINKS: AiEndpoint = {
  ...{ id: 'thinks@us', kind: 'llm', service: 'thinks', region: 'us', place: 'us-east-1', residency: 'none' },
  ...{ p50: 500, p95: 900, source: 'catalogue', centsPerMinute: null },
};
const told = (p50Ms: number, more: Partial<MeasuredService> = {}): MeasuredService => ({
  ...{ kind: 'llm', service: 'thinks', model: 'm', region: 'us', p50Ms, p95Ms: p50Ms * 1.5 },
  ...{ count: 100, ageMs: 0, connectMs: null },
  ...more,
});
const from = (region: string, ...services: MeasuredService[]) => ({
  ...{ nodeId: `core-${region}`, region, measured: { services, turns: [] } },
});

function setUp(endpoints: readonly AiEndpoint[] = [THINKS]) {
  const paths = new PathBook({ regions });
  paths.declare('ap-southeast-2', 'us-east-1', 200, 210);
  paths.declare('eu-central-1', 'us-east-1', 90, 95);
  paths.declare('us-east-1', 'us-east-1', 2, 3);
  const judged: string[] = [];
  const services = new MeasuredServices({ onJudged: (result) => judged.push(result) });
  const at = (nowMs = 0) => services.apply(endpoints, { regions, paths, nowMs, ttlMs: HOUR });
  return { services, judged, at };
}

test('a core region that measured an address has the total as it was, others the time without that path', () => {
  const { services, at, judged } = setUp();
  services.take([from('ap-southeast-2', told(800))], 0);
  const [endpoint] = at();
  expect(endpoint).toMatchObject({ source: 'measured', p50: 600 });
  expect(endpoint!.measured).toMatchObject({
    ...{ count: 100, ageMs: 0, confidence: 1, before: { p50: 500, p95: 900, source: 'catalogue' } },
    from: [{ core: 'ap-southeast-2', p50: 800, p95: 1_200, count: 100 }],
  });
  expect(judged).toEqual(['kept']);
});

test('a total that is shorter than its path leaves a service that takes no time, never less', () => {
  const { services, at } = setUp([{ ...THINKS, p50: 20, p95: 30 }]);
  services.take([from('ap-southeast-2', told(170))], 0);
  expect(at()[0]!.p50).toBe(0);
});

test('of few requests the published time keeps its share: each counts a twentieth', () => {
  const { services, at } = setUp();
  services.take([from('us-east-1', told(902, { count: 5 }))], 0);
  const [endpoint] = at();
  expect(endpoint!.measured!.confidence).toBe(0.25);
  expect(endpoint!.p50).toBeCloseTo(0.25 * 900 + 0.75 * 500, 6);
  expect(endpoint!.measured!.from[0]!.p50).toBeCloseTo(0.25 * 902 + 0.75 * 502, 6);
});

test('among regions the nearer one is heard more, for its path is a smaller part of what it saw', () => {
  const { services, at } = setUp();
  services.take([from('ap-southeast-2', told(1_000)), from('us-east-1', told(602, { p95Ms: 700 }))], 0);
  expect(at()[0]!.p50).toBe(600);
  expect(at()[0]!.measured!.count).toBe(200);
});

test.each([
  // Known before: 500 ms and a path of 200.
  [1, 0.3 * 700 - 20, 'far too fast counts as a third of what was known, less some'],
  [60_000, 5 * 700 + 20, 'far too slow as five times that, and some'],
])('a core that tells %d ms is bounded to %d: %s', (p50Ms, kept) => {
  const { services, at, judged } = setUp();
  services.take([from('ap-southeast-2', told(p50Ms, { p95Ms: 100_000 }))], 0);
  expect(at()[0]!.measured!.from[0]).toMatchObject({ p50: kept, p95: 2 * (5 * 700 + 20) });
  expect(judged).toEqual(['bounded']);
});

test('nothing is faster than light, whatever was known before', () => {
  const { services, at } = setUp([{ ...THINKS, p50: 1, p95: 2, source: 'assumed' }]);
  services.take([from('ap-southeast-2', told(1))], 0);
  // 15,700 km there and back in fiber.
  expect(at()[0]!.measured!.from[0]!.p50).toBeGreaterThan(150);
});

test('one core of a region that lies is outvoted by the others', () => {
  const { services, at } = setUp();
  const core = (nodeId: string, p50Ms: number) => ({ ...from('us-east-1', told(p50Ms)), nodeId });
  services.take([core('a', 700), core('b', 710), core('c', 5_000)], 0);
  expect(at()[0]!.measured!.from[0]!.p50).toBe(710);
});

test.each([
  { p50Ms: Number.NaN },
  { p50Ms: Number.POSITIVE_INFINITY },
  { p50Ms: 0 },
  { p50Ms: -5 },
  { p50Ms: 500, p95Ms: 400 },
  { count: 0 },
  { ageMs: -1 },
])('%o is no measurement', (wrong) => {
  const { services, at, judged } = setUp();
  services.take([from('us-east-1', { ...told(700), ...wrong })], 0);
  expect(at()).toEqual([THINKS]);
  expect(judged).toEqual(['refused']);
});

test('a figure is judged once, however often it is told', () => {
  const { services, at, judged } = setUp();
  for (let n = 0; n < 5; n++) {
    services.take([from('us-east-1', told(700))], n * 1_000);
    at(n * 1_000);
  }
  expect(judged).toEqual(['kept']);
});

test('it ages from when it was told first, also while the same record is read again, until it is too old', () => {
  const { services, at } = setUp();
  services.take([from('us-east-1', told(700, { ageMs: 10_000 }))], 0);
  services.take([from('us-east-1', told(700, { ageMs: 10_000 }))], HOUR - 11_000);
  expect(at(HOUR - 10_000)[0]!.measured!.ageMs).toBe(HOUR);
  expect(at(HOUR - 9_999)).toEqual([THINKS]);
});

test('what a core has told outlives its record', () => {
  const { services, at } = setUp();
  services.take([from('us-east-1', told(702))], 0);
  services.take([], 1_000);
  expect(at(2_000)[0]).toMatchObject({ p50: 700, measured: { ageMs: 2_000 } });
});

test('another kind, region or model is another address', () => {
  const { services, at, judged } = setUp([{ ...THINKS, model: 'm' }]);
  const others = [{ region: 'eu' }, { kind: 'tts' as const }, { model: 'n' }, { service: 'other' }];
  services.take([from('us-east-1', ...others.map((other) => told(700, other)))], 0);
  expect(at()[0]!.source).toBe('catalogue');
  expect(judged).toEqual([]);
});

test('where no region is told it is the only address of the service, or the own one, or none', () => {
  const hears = told(700, { region: null, model: null });
  const one = setUp();
  one.services.take([from('us-east-1', hears)], 0);
  expect(one.at()[0]!.source).toBe('measured');

  const two = setUp([THINKS, { ...THINKS, id: 'thinks@eu', region: 'eu', place: 'eu-central-1' }]);
  two.services.take([from('us-east-1', hears)], 0);
  expect(two.at().map(({ source }) => source)).toEqual(['catalogue', 'catalogue']);

  const own = setUp([THINKS, { ...THINKS, id: 'thinks@own', region: 'own', place: 'eu-central-1' }]);
  own.services.take([from('us-east-1', hears)], 0);
  expect(own.at().map(({ source }) => source)).toEqual(['catalogue', 'measured']);
});

test('a program on the core has no path', () => {
  const flite: AiEndpoint = {
    ...THINKS,
    id: 'flite@local',
    kind: 'tts',
    service: 'flite',
    region: 'local',
    place: 'local',
  };
  const { services, at } = setUp([{ ...flite, p50: 200, p95: 400, source: 'assumed' }]);
  services.take([from('us-east-1', told(12, { kind: 'tts', service: 'flite', region: 'local', model: null }))], 0);
  expect(at()[0]!.p50).toBe(12);
});

test('the time to connect is the path, unless no connection to there could be that fast', () => {
  const far = setUp();
  far.services.take([from('ap-southeast-2', told(800, { connectMs: 180 }))], 0);
  expect(far.at()[0]!.p50).toBe(620);
  // 3 ms from Sydney is an edge of the service's network: its way to Virginia is in its own time.
  const edge = setUp();
  edge.services.take([from('ap-southeast-2', told(800, { connectMs: 3 }))], 0);
  expect(edge.at()[0]!.p50).toBe(600);
});

test('the middle of weighted values', () => {
  expect(weightedMedian([3, 1, 2], [1, 1, 1])).toBe(2);
  expect(weightedMedian([1, 2], [1, 1])).toBe(1.5);
  expect(weightedMedian([1, 100], [1, 3])).toBe(100);
  expect(weightedMedian([], [])).toBeNaN();
});
