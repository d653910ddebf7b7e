/** A Cluster of three masters: the suite, keys that lie in many slots, and a master that is killed. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { coreRecord, sessionRecord } from '../support/nodes.ts';
import { RedisServer, redisMissing } from '../support/redis-server.ts';
import { describeRegistry } from './conformance.ts';
import { openPair, openRedis, until } from './support.ts';

const missing = redisMissing();
const SLOTS = [
  ['0', '5460'],
  ['5461', '10922'],
  ['10923', '16383'],
] as const;
let servers: RedisServer[] = [];

beforeAll(async () => {
  if (missing !== null) return;
  const config = ['cluster-enabled yes', 'cluster-node-timeout 1000', 'cluster-require-full-coverage no'];
  servers = await Promise.all(SLOTS.map(() => RedisServer.start({ config })));
  for (const [index, server] of servers.entries()) {
    server.cli('cluster', 'set-config-epoch', String(index + 1));
    server.cli('cluster', 'addslotsrange', ...SLOTS[index]!);
  }
  for (const server of servers.slice(1)) servers[0]!.cli('cluster', 'meet', '127.0.0.1', String(server.port));
  await until(() => servers.every((server) => server.cli('cluster', 'info').includes('cluster_state:ok')), 20_000);
  await until(() => servers.every((server) => server.cli('cluster', 'info').includes('cluster_known_nodes:3')), 20_000);
}, 60_000);
afterAll(async () => {
  for (const server of servers) await server[Symbol.asyncDispose]();
});

function input() {
  return { cluster: [`127.0.0.1:${servers[0]!.port}`], commandTimeoutMs: 500 };
}

describeRegistry('a Redis Cluster', () => openPair(input()), missing);

describe.skipIf(missing !== null)('a registry in a Cluster', () => {
  it('spreads sessions over the slots, and lists them all', async () => {
    await using registry = await openRedis(input());
    for (const server of servers) server.cli('flushall');
    const ids = Array.from({ length: 30 }, (_, n) => `s-${n}`);
    await Promise.all(ids.map((sessionId) => registry.createSession(sessionRecord({ sessionId }))));
    for (const server of servers) expect(Number(server.cli('dbsize'))).toBeGreaterThan(0);
    expect((await registry.sessions()).map(({ sessionId }) => sessionId).sort()).toEqual(ids.sort());
  });

  it('keeps the last known nodes while their master is gone, and goes on when it is back', async () => {
    await using registry = await openRedis(input());
    await registry.announce(coreRecord(), 60_000);
    expect(await registry.nodes()).toHaveLength(1);
    const slot = Number(servers[0]!.cli('cluster', 'keyslot', 'antipode:local:{nodes}:records'));
    const holder = servers[SLOTS.findIndex(([from, to]) => slot >= Number(from) && slot <= Number(to))]!;
    await holder.kill();
    expect((await registry.nodes()).map(({ nodeId }) => nodeId)).toEqual(['core-1']);
    expect(registry.state.connected).toBe(false);
    await holder.run();
    await until(() => registry.state.connected, 20_000);
    await until(async () => {
      await registry.announce(coreRecord(), 60_000).catch(() => undefined);
      return registry.state.connected;
    }, 20_000);
    expect(await registry.nodes()).toHaveLength(1);
  }, 40_000);
});
