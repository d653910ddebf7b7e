/** A node that is told to drain and to serve again: by its own port, by the registry, or because it is being stopped. */
import { describe, expect, test } from 'vitest';
import { MemoryRegistry } from '../../src/registry/index.ts';
import { Occupancy } from '../../src/roles/drain.ts';
import { NodeDrain } from '../../src/roles/node-drain.ts';
import { silentLogger } from '../../src/telemetry/index.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { coreRecord } from '../support/nodes.ts';

function node() {
  const clock = new FakeClock();
  const occupancy = new Occupancy();
  const applied: boolean[] = [];
  let renewals = 0;
  const drain = new NodeDrain({ occupancy, log: silentLogger, apply: (draining) => applied.push(draining) });
  drain.announcedBy({ renew: async () => void renewals++ });
  return { clock, occupancy, applied, drain, renewals: () => renewals };
}

describe('a node', () => {
  test('drains and serves again, and tells the registry at once', () => {
    const { drain, applied, renewals } = node();
    expect(drain.set(true)).toBe(true);
    expect([drain.draining, renewals()]).toEqual([true, 1]);
    expect(drain.set(false)).toBe(true);
    expect([drain.draining, renewals(), applied]).toEqual([false, 2, [true, false]]);
  });

  test('that is told again tells its POPs again, and the registry nothing new', () => {
    const { drain, applied, renewals } = node();
    drain.set(false);
    expect([applied, renewals()]).toEqual([[], 0]);
    drain.set(true);
    drain.set(true);
    expect([applied, renewals()]).toEqual([[true, true], 1]);
  });

  test('that is being stopped drains for good, and waits for its sessions', async () => {
    const { drain, occupancy, clock, applied } = node();
    occupancy.changed(1);
    const { signal } = new AbortController();
    const stopped = drain.stop({ settleMs: 2_500, timeoutMs: 20_000, clock, signal });
    expect(drain.set(false)).toBe(false);
    expect([drain.draining, drain.sessions, applied]).toEqual([true, 1, [true]]);
    await clock.advanceAsync(3_000, 500);
    occupancy.changed(0);
    await clock.advanceAsync(10);
    expect(await stopped).toBe('empty');
  });

  test('does what it is ordered by the registry', async () => {
    const { drain, clock, applied } = node();
    const registry = new MemoryRegistry({ clock });
    using _following = drain.follow(registry.orders, 'core-1');
    await registry.announce(coreRecord({ nodeId: 'core-1' }), 60_000);
    await registry.orders.drain('core-1', true);
    expect([drain.draining, applied]).toEqual([true, [true]]);
    await registry.orders.drain('core-1', false);
    expect(drain.draining).toBe(false);
    await registry.close();
  });
});
