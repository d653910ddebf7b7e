import { expect, test } from 'vitest';
import { measuredPathsSchema } from '../../src/registry/index.ts';
import { toldPaths } from '../../src/roles/told-paths.ts';
import { FakeClock } from '../support/fake-clock.ts';

const path = (coreNodeId: string, p50: number, sessions = 0) => ({
  ...{ coreNodeId, way: null as string | null, region: 'eu-west-1', sessions, p50, p95: p50 + 5.04 },
  ...{ jitterMs: 1.234, loss: 0.012_345 },
});

test("a POP's record tells its paths every ten seconds, and the same in between", () => {
  const clock = new FakeClock();
  let measured = [path('core-1', 30.06)];
  const told = toldPaths({ edge: { paths: () => measured }, clock });
  const first = told();
  expect(first).toEqual({
    telling: 1,
    ways: [{ core: 'core-1', region: 'eu-west-1', p50Ms: 30.1, p95Ms: 35.1, jitterMs: 1.2, loss: 0.0123, ageMs: 0 }],
  });
  measured = [{ ...path('core-1', 60), way: 'internet' }];
  clock.advance(9_999);
  expect(told()).toBe(first);
  clock.advance(1);
  expect(told()).toMatchObject({ telling: 2, ways: [{ p50Ms: 60, way: 'internet' }] });
  measured = [];
  clock.advance(10_000);
  expect(told()).toEqual({ telling: 3, ways: [] });
});

test('nothing is told before anything was measured, and of many paths those with the most calls', () => {
  const clock = new FakeClock();
  let measured: ReturnType<typeof path>[] = [];
  const told = toldPaths({ edge: { paths: () => measured }, clock });
  expect(told()).toBeUndefined();
  measured = Array.from({ length: 100 }, (_, at) => path(`core-${at}`, 30, at));
  const record = told();
  expect(record?.ways).toHaveLength(64);
  expect([record?.ways[0]?.core, record?.ways[63]?.core]).toEqual(['core-99', 'core-36']);
  expect(measuredPathsSchema.parse(record)).toEqual(record);
});
