import { expect, it } from 'vitest';
import { NodeWatch } from '../../src/placement/node-watch.ts';
import { placementMetrics } from '../../src/placement/placement-metrics.ts';
import { createMetrics, silentLogger } from '../../src/telemetry/index.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { coreRecord } from '../support/nodes.ts';

it('places by the last world, and says how old it is, when the registry tells what it last knew', async () => {
  const clock = new FakeClock();
  const state = { connected: true, staleMs: 0 };
  const watch = new NodeWatch({
    registry: { nodes: async () => [coreRecord()], state },
    clock,
    log: silentLogger,
    metrics: placementMetrics(createMetrics({ processMetrics: false })),
  });
  await watch.fresh();
  expect(watch.state).toEqual({ reachable: true, ageMs: 0, failures: 0 });
  Object.assign(state, { connected: false, staleMs: 1_500 });
  await clock.advanceAsync(1_000, 100);
  expect(watch.state).toEqual({ reachable: false, ageMs: 1_500, failures: 1 });
  expect(watch.nodes).toEqual([coreRecord()]);
  await watch.fresh(); // does not throw: there is a world
  Object.assign(state, { connected: true, staleMs: 0 });
  await clock.advanceAsync(1_000, 100);
  expect(watch.state).toEqual({ reachable: true, ageMs: 0, failures: 1 });
  watch.close();
});
