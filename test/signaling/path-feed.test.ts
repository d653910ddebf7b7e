import { expect, test } from 'vitest';
import { PathFeed } from '../../src/signaling/path-feed.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { coreRecord } from '../support/nodes.ts';
import { startPop } from './support/pop.ts';

test('placement is told every ten seconds how far the cores are, until it is closed', () => {
  const clock = new FakeClock();
  const told: string[] = [];
  const feed = new PathFeed({
    edge: { paths: () => [{ coreNodeId: 'core-1', p50: 80, p95: 90 }] },
    placement: {
      measureCore: (nodeId, { p50, p95 }) => {
        told.push(`${nodeId} ${p50} ${p95}`);
        return null;
      },
    },
    clock,
  });
  clock.advance(9_999);
  expect(told).toEqual([]);
  clock.advance(10_001);
  expect(told).toEqual(['core-1 80 90', 'core-1 80 90']);
  feed.close();
  feed.close();
  expect(clock.pendingCount).toBe(0);
});

test('what its control channels measured is what a POP then decides by', async () => {
  const pop = await startPop({
    region: 'eu-central-1',
    nodes: [coreRecord({ nodeId: 'core-1', region: 'us-east-1' })],
  });
  const seen = async () => (await pop.create({ agent: 'echo' })).placement.prediction!.parts.popCore;
  const before = await seen();
  pop.edge.measured = [{ coreNodeId: 'core-1', p50: 120, p95: 130 }];
  pop.clock.advance(10_000);
  expect(before).toBeGreaterThan(80);
  expect(before).toBeLessThan(110);
  expect(await seen()).toBe(120);
});
