import { describe, expect, it } from 'vitest';
import { Announcer, MemoryRegistry } from '../../src/registry/index.ts';
import { silentLogger } from '../../src/telemetry/index.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { coreRecord } from '../support/nodes.ts';

async function fixture() {
  const clock = new FakeClock();
  const registry = new MemoryRegistry({ clock });
  let sessions = 0;
  const announcer = await Announcer.start({
    registry,
    clock,
    log: silentLogger,
    record: () => coreRecord({ load: { sessions } }),
    intervalMs: 500,
  });
  return { clock, registry, announcer, setSessions: (count: number) => (sessions = count) };
}

describe('Announcer', () => {
  it('has the node in the registry once it has started', async () => {
    const { registry } = await fixture();
    expect(await registry.nodes()).toEqual([coreRecord()]);
  });

  it('keeps it there with its latest record', async () => {
    const { registry, clock, setSessions } = await fixture();
    setSessions(7);
    await clock.advanceAsync(10_000, 250);
    expect((await registry.nodes()).map((node) => node.load.sessions)).toEqual([7]);
  });

  it('goes on after the registry was out of reach', async () => {
    const { registry, clock } = await fixture();
    const announce = registry.announce.bind(registry);
    registry.announce = async () => {
      throw new Error('out of reach');
    };
    await clock.advanceAsync(3_000, 250);
    expect(await registry.nodes()).toEqual([]);
    registry.announce = announce;
    await clock.advanceAsync(500, 250);
    expect(await registry.nodes()).toHaveLength(1);
  });

  it('takes it out when it closes, and leaves no timer', async () => {
    const { registry, clock, announcer } = await fixture();
    await announcer.close();
    await announcer.close();
    expect(await registry.nodes()).toEqual([]);
    await clock.advanceAsync(1_000, 250);
    expect(await registry.nodes()).toEqual([]);
    expect(clock.pendingCount).toBe(0);
  });
});
