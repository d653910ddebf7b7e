/** What every registry store does with orders to nodes; a part of the conformance suite. */
import { expect } from 'vitest';
import type { NodeOrder, Registry } from '../../src/registry/index.ts';
import { coreRecord } from '../support/nodes.ts';

type Sentence = (
  sentence: string,
  body: (registries: { registry: Registry; other: Registry }) => Promise<void>,
) => void;

const LEASE_MS = 60_000;

export function describeOrders(it: Sentence): void {
  it('brings an order to the node with its next announcement, and each only once', async ({ registry, other }) => {
    const node = coreRecord({ nodeId: 'core-1' });
    const orders: NodeOrder[] = [];
    using _watching = registry.orders.watch('core-1', (order) => orders.push(order));
    await registry.announce(node, LEASE_MS);
    expect(orders).toEqual([]);
    await other.orders.drain('core-1', true);
    await registry.announce(node, LEASE_MS);
    await registry.announce(node, LEASE_MS);
    expect(orders).toEqual(['drain']);
    await other.orders.drain('core-1', false);
    await registry.announce(node, LEASE_MS);
    expect(orders).toEqual(['drain', 'serve']);
  });

  it('tells a node nothing of an order to another one, nor to the process before it', async ({ registry, other }) => {
    const orders: string[] = [];
    const node = coreRecord({ nodeId: 'core-1' });
    const neighbor = coreRecord({ nodeId: 'core-2' });
    await registry.announce(node, LEASE_MS);
    await registry.announce(neighbor, LEASE_MS);
    await other.orders.drain('core-1', true);
    using _first = registry.orders.watch('core-1', (order) => orders.push(`core-1 ${order}`));
    using _second = registry.orders.watch('core-2', (order) => orders.push(`core-2 ${order}`));
    await registry.announce(neighbor, LEASE_MS);
    await registry.announce({ ...node, startedAt: '2031-01-01T00:00:00.000Z' }, LEASE_MS);
    expect(orders).toEqual([]);
  });

  it('takes no order for a node that is not alive', async ({ registry }) => {
    await registry.announce(coreRecord({ nodeId: 'core-1' }), LEASE_MS);
    await registry.withdraw('core-1');
    await expect(registry.orders.drain('core-1', true)).rejects.toMatchObject({ code: 'ERR_NOT_FOUND' });
  });
}
