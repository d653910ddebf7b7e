/** A master, a replica and a Sentinel: the suite, and a master that is killed. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sessionRecord } from '../support/nodes.ts';
import { freePort, RedisServer, redisMissing } from '../support/redis-server.ts';
import { describeRegistry } from './conformance.ts';
import { openPair, openRedis, until } from './support.ts';

const missing = redisMissing();
let master: RedisServer;
let replica: RedisServer;
let sentinel: RedisServer;

beforeAll(async () => {
  if (missing !== null) return;
  master = await RedisServer.start({ config: ['repl-diskless-sync-delay 0'] });
  replica = await RedisServer.start({ config: [`replicaof 127.0.0.1 ${master.port}`] });
  sentinel = await RedisServer.start({
    sentinel: true,
    config: [
      `sentinel monitor mymaster 127.0.0.1 ${master.port} 1`,
      'sentinel down-after-milliseconds mymaster 500',
      'sentinel failover-timeout mymaster 3000',
    ],
  });
  await until(() => replica.cli('info', 'replication').includes('master_link_status:up'));
  await until(() => sentinel.cli('sentinel', 'replicas', 'mymaster').includes(String(replica.port)), 15_000);
});
afterAll(async () => {
  for (const server of [sentinel, replica, master]) await server?.[Symbol.asyncDispose]();
});

function input() {
  return { sentinels: [`127.0.0.1:${sentinel.port}`], commandTimeoutMs: 500 };
}

describeRegistry('Redis by Sentinels', () => openPair(input()), missing);

describe.skipIf(missing !== null)('a registry by Sentinels', () => {
  it('goes on with the new master when the old one dies', async () => {
    await using registry = await openRedis(input());
    await registry.createSession(sessionRecord());
    await registry.directory.claim('session-1', { pop: 'pop-1', core: 'core-1', epoch: 1, zone: 'local' }, 60_000);
    await until(() => replica.cli('exists', 'antipode:local:home:{session-1}') === '1');
    await master.kill();
    await until(() => !registry.state.connected);
    await until(() => registry.state.connected, 25_000);
    expect(replica.cli('info', 'replication')).toContain('role:master');
    expect(await registry.directory.get('session-1')).toMatchObject({ core: 'core-1' });
    expect(await registry.updateSession('session-1', 1, { state: 'active' })).toMatchObject({ state: 'active' });
    expect(await registry.session('session-1')).toMatchObject({ state: 'active' });
  }, 40_000);

  it('says who was asked when no Sentinel answers', async () => {
    const port = await freePort();
    const nowhere = openRedis({ sentinels: [`127.0.0.1:${port}`], connectTimeoutMs: 600 });
    await expect(nowhere).rejects.toMatchObject({
      code: 'ERR_REGISTRY_UNAVAILABLE',
      message: expect.stringContaining(`mymaster by 127.0.0.1:${port}`),
    });
  });
});
