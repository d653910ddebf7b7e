import { expect, test } from 'vitest';
import { type AnnouncedLeg, LegBook } from '../../src/placement/agent-legs.ts';
import { haveEndpointsMoved, haveLegsMoved } from '../../src/placement/material.ts';
import { MeasuredTurns } from '../../src/placement/measured-turns.ts';
import { PathBook } from '../../src/placement/paths.ts';
import { Regions } from '../../src/placement/regions.ts';

const HOUR = 3_600_000;
const node = (nodeId: string, turns: number, llm: number, tts = 1, ageMs = 0) => ({
  ...{ nodeId, region: 'r' },
  measured: { services: [], turns: [{ agent: 'desk', turns, ageMs, k: { llm, tts } }] },
});
const leg = (kind: AnnouncedLeg['kind'], k: number, more: Partial<AnnouncedLeg> = {}): AnnouncedLeg => ({
  ...{ kind, service: kind, k, local: false },
  ...more,
});
const legsOf = (legs: readonly AnnouncedLeg[], ...nodes: ReturnType<typeof node>[]) => {
  const turns = new MeasuredTurns();
  turns.take(nodes, 0);
  return new LegBook().of([{ name: 'desk', legs }], (agent) => turns.of(agent, 0, HOUR)).get('desk')!.legs;
};

test('from twenty turns on their mean is what counts, with its source; before that the agent’s own word', () => {
  expect(legsOf([leg('llm', 1)], node('a', 19, 2.4))).toEqual([{ kind: 'llm', services: ['llm'], k: 1 }]);
  expect(legsOf([leg('llm', 1)], node('a', 20, 2.4))).toEqual([
    { kind: 'llm', services: ['llm'], k: 2.4, measured: { turns: 20, ageMs: 0, said: 1 } },
  ]);
});

test('turns of all cores count together, each by its number', () => {
  const [llm] = legsOf([leg('llm', 1)], node('a', 10, 1), node('b', 30, 2));
  expect(llm).toMatchObject({ k: 1.75, measured: { turns: 40 } });
});

test('only models and voices are counted, and neither is where an agent has two of them or wants its own word', () => {
  const said = [leg('stt', 1), leg('llm', 1), leg('llm', 1), leg('tts', 1, { measured: false }), leg('s2s', 1)];
  expect(legsOf(said, node('a', 100, 3, 0.5)).map(({ k }) => k)).toEqual([1, 1, 1, 1, 1]);
  expect(legsOf([leg('tts', 1)], node('a', 100, 3, 0.5))[0]!.k).toBe(0.5);
});

test('what cannot be believed beside the agent’s word is bounded', () => {
  expect(legsOf([leg('llm', 1)], node('a', 100, 90))[0]!.k).toBe(8);
  expect(legsOf([leg('llm', 4)], node('a', 100, 90))[0]!.k).toBe(16);
  expect(legsOf([leg('llm', 2)], node('a', 100, 0))[0]!.k).toBe(0.5);
  expect(legsOf([leg('llm', 2)], node('a', 100, Number.NaN))[0]!.k).toBe(2);
});

test('turns age out', () => {
  const turns = new MeasuredTurns();
  turns.take([node('a', 100, 2, 1, 5_000)], 10_000);
  expect(turns.of('desk', 20_000, HOUR)).toMatchObject({ turns: 100, ageMs: 15_000 });
  turns.take([node('a', 100, 2, 1, 5_000)], HOUR);
  expect(turns.of('desk', HOUR + 5_001, HOUR)).toBeNull();
});

const agents = (k: number) => new LegBook().of([{ name: 'desk', legs: [leg('llm', k)] }]);
const endpoint = (p50: number, from?: number) => ({
  ...({ id: 'a@eu', kind: 'llm', service: 'a', region: 'eu', place: 'eu-central-1', residency: 'none' } as const),
  ...({ p50, p95: 1_000, source: 'measured', centsPerMinute: null } as const),
  ...(from !== undefined && {
    measured: {
      ...{ count: 50, ageMs: 0, confidence: 1, before: { p50, p95: 1_000, source: 'assumed' as const } },
      from: [{ core: 'r', p50: from, p95: 1_000, count: 50, ageMs: 0 }],
    },
  }),
});

test('a plan is outdated by a time that moved by more than 5 ms and 5 %, by less it is not', () => {
  expect(haveEndpointsMoved([endpoint(400)], [endpoint(419)])).toBe(false);
  expect(haveEndpointsMoved([endpoint(400)], [endpoint(421)])).toBe(true);
  expect(haveEndpointsMoved([endpoint(20)], [endpoint(24)])).toBe(false);
  expect(haveEndpointsMoved([endpoint(400, 500)], [endpoint(400, 524)])).toBe(false);
  expect(haveEndpointsMoved([endpoint(400, 500)], [endpoint(400, 526)])).toBe(true);
  expect(haveEndpointsMoved([endpoint(400)], [endpoint(400, 500)])).toBe(true);
  expect(haveEndpointsMoved([endpoint(400, 500)], [endpoint(400)])).toBe(true);
  expect(haveEndpointsMoved([endpoint(400)], [])).toBe(true);
});

test('so with measured paths: one that is the same again, or nearly, outdates nothing', () => {
  const paths = new PathBook({ regions: Regions.load() });
  const measure = (p50: number, atMs: number) => {
    paths.measure({ from: 'us-east-1', to: 'eu-west-1', p50, p95: p50 + 5, atMs });
    return paths.version;
  };
  expect([measure(80, 0), measure(82, 10_000), measure(79, 20_000)]).toEqual([1, 1, 1]);
  expect(measure(90, 30_000)).toBe(2);
  expect(paths.between('us-east-1', 'eu-west-1', 30_000).p50).toBe(90);
  // It had aged out: another source was in force meanwhile.
  expect(measure(90, 700_000)).toBe(3);
});

test('and by round trips that moved by more than a tenth of one and 5 %', () => {
  expect(haveLegsMoved(agents(1), agents(1.09))).toBe(false);
  expect(haveLegsMoved(agents(1), agents(1.11))).toBe(true);
  expect(haveLegsMoved(agents(4), agents(4.19))).toBe(false);
});
