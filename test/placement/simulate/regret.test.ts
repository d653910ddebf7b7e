import { expect, test } from 'vitest';
import { measureRegret } from '../../../src/placement/simulate/regret.ts';
import { RULES } from '../../../src/placement/simulate/rule.ts';

const replay = (hidden: 'paths' | 'services' | 'learnt' | 'timed' | 'weather') =>
  measureRegret({ hidden, worlds: 12, callsPerWorld: 40, seed: 11, signal: new AbortController().signal });
const median = (values: Float64Array) => values.toSorted()[Math.floor(values.length / 2)]!;

test('nobody does better than hindsight', () => {
  const { share, ms, best } = replay('services');
  for (const rule of RULES) {
    expect(share[rule]).toHaveLength(480);
    expect(Math.min(...share[rule])).toBeGreaterThanOrEqual(0);
    for (const [call, lost] of ms[rule].entries()) expect(lost / best[call]!).toBeCloseTo(share[rule][call]!, 9);
  }
});

test('a planner that knows the whole day but not the call’s weather mostly chooses the best place', () => {
  expect(median(replay('weather').share.antipode)).toBeLessThan(0.002);
});

test('the less is hidden, the less is regretted; the rules of the map regret more throughout', () => {
  const [weather, paths, services] = [replay('weather'), replay('paths'), replay('services')];
  expect(median(weather.share.antipode)).toBeLessThan(median(paths.share.antipode));
  expect(median(paths.share.antipode)).toBeLessThan(median(services.share.antipode));
  for (const { share } of [weather, paths, services]) {
    for (const rule of RULES.slice(1)) expect(median(share[rule])).toBeGreaterThan(2 * median(share.antipode));
  }
});

test('a planner that learns from its own calls has less regret than the rules of the map, and more than if all were timed', () => {
  const learnt = replay('learnt').share;
  expect(median(learnt.antipode)).toBeGreaterThan(median(replay('timed').share.antipode));
  for (const rule of RULES.slice(1)) expect(median(learnt[rule])).toBeGreaterThan(2 * median(learnt.antipode));
}, 30_000);
