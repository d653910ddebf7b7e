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
    random: () => 0.5,
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
    await clock.advanceAsync(1_000, 250);
    expect(await registry.nodes()).toHaveLength(1);
  });

  it('announces less often while nobody answers, and at once when somebody does', async () => {
    const { clock, registry } = await fixture();
    const announce = registry.announce.bind(registry);
    let attempts = 0;
    registry.announce = async () => {
      attempts += 1;
      throw new Error('out of reach');
    };
    await clock.advanceAsync(10_500, 250);
    expect(attempts).toBeGreaterThanOrEqual(10); // every 1 s at the longest
    expect(attempts).toBeLessThan(20); // every 0.5 s would be 21
    registry.announce = announce;
    registry.events.emit('connected');
    await clock.advanceAsync(1);
    expect(await registry.nodes()).toHaveLength(1);
    expect(clock.pendingCount).toBe(1);
  });

  it('holds a lease of three intervals', async () => {
    const { clock, registry, announcer } = await fixture();
    registry.withdraw = async () => {
      throw new Error('out of reach');
    };
    await announcer.close();
    clock.advance(1_499);
    expect(await registry.nodes()).toHaveLength(1);
    clock.advance(1);
    expect(await registry.nodes()).toEqual([]);
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
