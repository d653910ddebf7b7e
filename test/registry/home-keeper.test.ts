import { describe, expect, it } from 'vitest';
import { AntipodeError } from '../../src/errors.ts';
import { HomeKeeper, MemoryRegistry } from '../../src/registry/index.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { recordingLog } from '../support/recording-log.ts';

const HOME = { pop: 'pop-1', core: 'core-1', epoch: 1, zone: 'local' } as const;

async function fixture() {
  const clock = new FakeClock();
  const registry = new MemoryRegistry({ clock });
  const { log, messages } = recordingLog();
  const keeper = new HomeKeeper({ registry, clock, log, intervalMs: 2_000, leaseMs: 6_000 });
  const events: string[] = [];
  keeper.on('fenced', (sessionId, error) => events.push(`fenced ${sessionId} ${error.code}`));
  keeper.on('reclaimed', (sessionId) => events.push(`reclaimed ${sessionId}`));
  await registry.directory.claim('s-1', HOME, keeper.leaseMs);
  keeper.keep('s-1', HOME);
  return { clock, registry, keeper, events, messages };
}

describe('HomeKeeper', () => {
  it('keeps a lease for as long as it is asked to', async () => {
    const { clock, registry, keeper, events } = await fixture();
    await clock.advanceAsync(60_000, 500);
    expect((await registry.directory.get('s-1'))!.leaseMs).toBeGreaterThan(3_000);
    keeper.forget('s-1');
    await clock.advanceAsync(7_000, 500);
    expect((await registry.directory.get('s-1'))!.leaseMs).toBe(0);
    expect(events).toEqual([]);
    expect(clock.pendingCount).toBe(0);
  });

  it('tells the owner that a newer epoch has the session, once, and renews it no more', async () => {
    const { clock, registry, keeper, events } = await fixture();
    await registry.directory.takeOver('s-1', 1, { ...HOME, core: 'core-2' }, 60_000);
    await clock.advanceAsync(6_000, 500);
    expect(events).toEqual(['fenced s-1 ERR_REGISTRY_CONFLICT']);
    expect(keeper.size).toBe(0);
  });

  it('tells the owner that the session was released', async () => {
    const { clock, registry, events } = await fixture();
    await registry.directory.release('s-1', 1);
    await clock.advanceAsync(6_000, 500);
    expect(events).toEqual(['fenced s-1 ERR_SESSION_ENDED']);
  });

  it('claims again at once what the registry lost', async () => {
    const { clock, registry, events } = await fixture();
    registry.directory.clear();
    registry.events.emit('dataLost');
    await clock.advanceAsync(1);
    expect(events).toEqual(['reclaimed s-1']);
    expect(await registry.directory.get('s-1')).toMatchObject(HOME);
  });

  it('tries on while the registry does not answer, and says so once', async () => {
    const { clock, registry, events, messages } = await fixture();
    const { directory } = registry;
    const renew = directory.renew.bind(directory);
    directory.renew = async () => {
      throw new AntipodeError('ERR_REGISTRY_UNAVAILABLE', 'out of reach');
    };
    await clock.advanceAsync(8_000, 500);
    directory.renew = renew;
    await clock.advanceAsync(2_000, 500);
    expect((await directory.get('s-1'))!.leaseMs).toBeGreaterThan(3_000);
    expect(events).toEqual([]);
    const told = messages().filter((message) => message !== 'the lease of a session was not renewed');
    expect(told).toEqual(['leases of sessions were not renewed; trying on', 'leases of sessions are renewed again']);
  });

  it('closes twice, and leaves no timer', async () => {
    const { clock, keeper } = await fixture();
    keeper.close();
    keeper.close();
    keeper.keep('s-2', HOME);
    expect(clock.pendingCount).toBe(0);
  });
});
