/** What a node goes on doing while Redis is away, frozen or empty, and how it comes back. A real server is killed. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../src/clock.ts';
import { Announcer, HomeKeeper, type RedisRegistry } from '../../src/registry/index.ts';
import { createMetrics, silentLogger } from '../../src/telemetry/index.ts';
import { coreRecord, popRecord, sessionRecord } from '../support/nodes.ts';
import { RedisServer, redisMissing } from '../support/redis-server.ts';
import { metricOf, openRedis, until } from './support.ts';

const UNAVAILABLE = { code: 'ERR_REGISTRY_UNAVAILABLE' };
const HOME = { pop: 'pop-1', core: 'core-1', epoch: 1, zone: 'local' } as const;
const missing = redisMissing();

describe.skipIf(missing !== null)(`a registry whose Redis fails${missing === null ? '' : ` (${missing})`}`, () => {
  let server: RedisServer;
  let metrics = createMetrics({ processMetrics: false });
  let registry: RedisRegistry;
  let other: RedisRegistry;
  const stack: { close(): unknown }[] = [];

  beforeAll(async () => {
    server = await RedisServer.start();
  });
  afterAll(() => server[Symbol.asyncDispose]());
  beforeEach(async () => {
    server.cli('flushall');
    metrics = createMetrics({ processMetrics: false });
    const input = { url: server.url, commandTimeoutMs: 300 };
    registry = await openRedis(input, { metrics, graceMs: 1_500 });
    other = await openRedis(input, { graceMs: 1_500 });
  });
  afterEach(async () => {
    for (const one of stack.splice(0)) await Promise.resolve(one.close()).catch(() => undefined);
    await registry.close();
    await other.close();
  });

  async function announcing(record = coreRecord()): Promise<Announcer> {
    const announcer = await Announcer.start({
      registry,
      clock: systemClock,
      log: silentLogger,
      record: () => record,
      intervalMs: 200,
    });
    stack.push(announcer);
    return announcer;
  }

  async function outage(during: () => Promise<void>): Promise<void> {
    await server.kill();
    await until(() => !registry.state.connected && !other.state.connected);
    await during();
    await server.run();
    await until(() => registry.state.connected && other.state.connected);
  }

  it('answers with the last known nodes, says how old they are, and loses none of them on return', async () => {
    const changes: string[] = [];
    await announcing();
    other.watch(({ kind, node }) => changes.push(`${kind} ${node.nodeId}`));
    await until(() => changes.length === 1);
    await outage(async () => {
      await new Promise((resolve) => setTimeout(resolve, 900)); // longer than the lease
      expect((await other.nodes()).map(({ nodeId }) => nodeId)).toEqual(['core-1']);
      expect(other.state.connected).toBe(false);
      expect(other.state.staleMs).toBeGreaterThan(500);
    });
    expect(await other.nodes()).toHaveLength(1);
    await until(() => server.cli('zcard', 'antipode:local:{nodes}:leases') === '1'); // announced again by itself
    await new Promise((resolve) => setTimeout(resolve, 2_000)); // the grace is over
    expect(await other.nodes()).toHaveLength(1);
    expect(changes).toEqual(['joined core-1']);
    expect(other.state).toEqual({ connected: true, staleMs: 0 });
  });

  it('lets a node go that died during the outage, when the grace is over', async () => {
    const left: string[] = [];
    await announcing();
    await other.announce(popRecord(), 600);
    registry.watch(({ kind, node }) => kind === 'left' && left.push(node.nodeId));
    await until(async () => (await registry.nodes()).length === 2);
    await outage(async () => expect(await registry.nodes()).toHaveLength(2));
    expect(await registry.nodes()).toHaveLength(2);
    await until(() => left.length > 0, 4_000);
    expect(left).toEqual(['pop-1']);
    expect((await registry.nodes()).map(({ nodeId }) => nodeId)).toEqual(['core-1']);
  });

  it('creates, changes and ends sessions meanwhile, and has them in Redis afterwards', async () => {
    await registry.createSession(sessionRecord({ sessionId: 'before' }));
    await registry.createSession(sessionRecord({ sessionId: 'gone' }));
    await outage(async () => {
      await registry.createSession(sessionRecord({ sessionId: 'meanwhile' }));
      await expect(registry.createSession(sessionRecord({ sessionId: 'meanwhile' }))).rejects.toMatchObject({
        code: 'ERR_REGISTRY_CONFLICT',
      });
      expect(await registry.updateSession('meanwhile', 1, { state: 'active' })).toMatchObject({ state: 'active' });
      await registry.updateSession('before', 1, { state: 'active' });
      await expect(registry.updateSession('before', 2, { state: 'ended' })).rejects.toMatchObject({
        code: 'ERR_REGISTRY_CONFLICT',
      });
      await registry.deleteSession('gone');
      expect(await registry.session('before')).toMatchObject({ state: 'active' });
      expect(await registry.session('gone')).toBeNull();
      expect((await registry.sessions()).map(({ sessionId }) => sessionId).sort()).toEqual(['before', 'meanwhile']);
    });
    await until(async () => (await other.session('meanwhile')) !== null && (await other.session('before')) !== null);
    expect(await other.session('meanwhile')).toEqual(sessionRecord({ sessionId: 'meanwhile', state: 'active' }));
    expect(await other.session('before')).toMatchObject({ state: 'active' });
    expect(await other.session('gone')).toBeNull();
    expect(await metricOf(metrics, 'antipode_registry_deferred_total', { kind: 'session' })).toBe(4);
  });

  it('lists the sessions of this process alone, says so, and goes on with no list that it began before', async () => {
    for (let n = 0; n < 5; n++) await registry.createSession(sessionRecord({ sessionId: `own-${n}` }));
    await other.createSession(sessionRecord({ sessionId: 'of-another' }));
    const before = await registry.listSessions({ limit: 2 });
    await outage(async () => {
      const first = await registry.listSessions({ limit: 3 });
      expect(first).toMatchObject({ partial: true, sessions: [0, 1, 2].map((n) => ({ sessionId: `own-${n}` })) });
      const second = await registry.listSessions({ limit: 3, cursor: first.next! });
      expect(second).toMatchObject({ partial: true, next: null });
      expect(second.sessions.map(({ sessionId }) => sessionId)).toEqual(['own-3', 'own-4']);
      await expect(registry.listSessions({ limit: 2, cursor: before.next! })).rejects.toMatchObject(UNAVAILABLE);
      await expect(registry.presences()).rejects.toMatchObject(UNAVAILABLE);
      await registry.updateSession('own-4', 1, { state: 'ended' });
    });
    await until(async () => (await other.session('own-4'))?.state === 'ended');
    const after = await registry.listSessions({ limit: 100 });
    expect(after.partial).toBe(false);
    expect(after.sessions.map(({ sessionId }) => sessionId).sort()).toEqual([
      ...['of-another', 'own-0', 'own-1', 'own-2', 'own-3'],
    ]);
  });

  it("says of another process's session that it cannot know, not that there is none", async () => {
    await other.createSession(sessionRecord());
    await outage(async () => {
      await expect(registry.session('session-1')).rejects.toMatchObject(UNAVAILABLE);
      await expect(registry.updateSession('session-1', 1, { state: 'active' })).rejects.toMatchObject(UNAVAILABLE);
      await expect(registry.directory.get('session-1')).rejects.toMatchObject(UNAVAILABLE);
      await expect(registry.directory.takeOver('session-1', 1, HOME, 1_000)).rejects.toMatchObject(UNAVAILABLE);
    });
  });

  it('lets a one-time id be used once in this process, and tells the others afterwards', async () => {
    const expiresAtMs = Date.now() + 60_000;
    expect(await registry.claimOnce('before', expiresAtMs)).toBe(true);
    await outage(async () => {
      expect(await registry.claimOnce('before', expiresAtMs)).toBe(false);
      const claims = await Promise.all([1, 2, 3].map(() => registry.claimOnce('meanwhile', expiresAtMs)));
      expect(claims.filter(Boolean)).toHaveLength(1);
    });
    await until(() => server.cli('exists', 'antipode:local:once:{meanwhile}') === '1');
    expect(await other.claimOnce('meanwhile', expiresAtMs)).toBe(false);
  });

  it('gives up on a Redis that does not answer within the time, and then fails at once', async () => {
    server.freeze();
    const startedMs = performance.now();
    await expect(registry.directory.get('s-1')).rejects.toMatchObject(UNAVAILABLE);
    const waitedMs = performance.now() - startedMs;
    expect(waitedMs).toBeGreaterThan(250);
    expect(waitedMs).toBeLessThan(900);
    const againMs = performance.now();
    await expect(registry.directory.get('s-1')).rejects.toMatchObject(UNAVAILABLE);
    expect(performance.now() - againMs).toBeLessThan(100);
    expect(registry.state.connected).toBe(false);
    server.thaw();
    await until(() => registry.state.connected);
    expect(await registry.directory.get('s-1')).toBeNull();
    const failed = { command: 'getHome', reason: 'timeout' };
    expect(await metricOf(metrics, 'antipode_registry_command_failures_total', failed)).toBe(1);
  });

  it('tells of the outage and of its end', async () => {
    const events: string[] = [];
    registry.events.on('disconnected', (reason) => events.push(reason === '' ? 'no reason' : 'disconnected'));
    registry.events.on('connected', () => events.push('connected'));
    await outage(async () => {
      expect(await metricOf(metrics, 'antipode_registry_connected')).toBe(0);
    });
    expect(events).toEqual(['disconnected', 'connected']);
    expect(await metricOf(metrics, 'antipode_registry_connected')).toBe(1);
  });

  describe('that lost its data while everybody was connected', () => {
    it('has nodes, sessions and one-time ids again without a node leaving', async () => {
      const changes: string[] = [];
      const lost: number[] = [];
      registry.events.on('dataLost', () => lost.push(1));
      await announcing();
      await registry.createSession(sessionRecord());
      await registry.claimOnce('a', Date.now() + 60_000);
      registry.watch(({ kind }) => changes.push(kind));
      await until(() => changes.length === 1);
      server.cli('flushall');
      await until(async () => lost.length > 0 && (await other.session('session-1')) !== null);
      await until(() => server.cli('exists', 'antipode:local:once:{a}') === '1');
      expect(await other.nodes()).toHaveLength(1);
      expect(changes).toEqual(['joined']);
      expect(await metricOf(metrics, 'antipode_registry_data_lost_total')).toBe(1);
    });

    it('has the homes of sessions again, and the newest epoch wins', async () => {
      const fenced: string[] = [];
      const reclaimed: string[] = [];
      await registry.directory.claim('s-1', HOME, 5_000);
      await other.directory.takeOver('s-1', 1, { ...HOME, core: 'core-2' }, 5_000);
      const options = { clock: systemClock, log: silentLogger, intervalMs: 100, leaseMs: 5_000 };
      const slow = new HomeKeeper({ registry, ...options });
      const newer = new HomeKeeper({ registry: other, ...options });
      stack.push(slow, newer);
      slow.on('fenced', (sessionId, error) => fenced.push(`${sessionId} ${error.code}`));
      newer.on('reclaimed', (sessionId) => reclaimed.push(sessionId));
      server.cli('flushall');
      slow.keep('s-1', HOME);
      await until(async () => (await registry.directory.get('s-1'))?.epoch === 1);
      newer.keep('s-1', { ...HOME, core: 'core-2', epoch: 2 });
      await until(() => fenced.length > 0);
      expect(fenced).toEqual(['s-1 ERR_REGISTRY_CONFLICT']);
      expect(reclaimed).toEqual(['s-1']);
      expect(slow.size).toBe(0);
      expect(await registry.directory.get('s-1')).toMatchObject({ core: 'core-2', epoch: 2 });
    });
  });

  it('goes on with its rooms by what it knows, counts that, and the store has them again afterwards', async () => {
    const home = { core: 'core-1', agent: 'echo', residency: null };
    await other.rooms.hold('r', { pop: 'pop-2', seats: 1, home }, 16, 60_000);
    await registry.rooms.hold('r', { pop: 'pop-1', seats: 1, home }, 16, 60_000);
    await outage(async () => {
      const elsewhere = { ...home, core: 'core-9' };
      expect((await registry.rooms.hold('r', { pop: 'pop-1', seats: 2, home: elsewhere }, 16, 60_000)).core).toBe(
        'core-1',
      );
      const full = registry.rooms.hold('r', { pop: 'pop-1', seats: 3, home }, 3, 60_000);
      await expect(full).rejects.toMatchObject({ code: 'ERR_ROOM_FULL' });
      const moved = await registry.rooms.move('r', 'core-1', { pop: 'pop-1', seats: 2, home: elsewhere }, 60_000);
      expect(moved.core).toBe('core-9');
      expect(await registry.rooms.get('r')).toEqual(moved);
      expect(await metricOf(metrics, 'antipode_registry_deferred_total', { kind: 'room' })).toBe(4);
    });
    server.cli('flushall');
    const renewed = await registry.rooms.renew(
      'r',
      { pop: 'pop-1', seats: 2, home: { ...home, core: 'core-9' } },
      60_000,
    );
    expect(renewed).toEqual({ ...home, core: 'core-9', pops: [{ pop: 'pop-1', seats: 2 }] });
    expect(await other.rooms.get('r')).toEqual(renewed);
  });
});
