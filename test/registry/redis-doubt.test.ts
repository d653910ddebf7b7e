/** What is not believed: records that are broken or of a later version, servers that are unfit, a network of nothing. */
import { createServer, type Server } from 'node:net';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { RedisRegistry } from '../../src/registry/index.ts';
import { createMetrics } from '../../src/telemetry/index.ts';
import { coreRecord, sessionRecord } from '../support/nodes.ts';
import { recordingLog } from '../support/recording-log.ts';
import { freePort, RedisServer, redisMissing } from '../support/redis-server.ts';
import { metricOf, openRedis, until } from './support.ts';

const missing = redisMissing();
const NODES = 'antipode:local:{nodes}';

describe.skipIf(missing !== null)(`records of Redis${missing === null ? '' : ` (${missing})`}`, () => {
  let server: RedisServer;
  let registry: RedisRegistry;
  let metrics = createMetrics({ processMetrics: false });
  let logged = recordingLog();

  beforeAll(async () => {
    server = await RedisServer.start();
  });
  afterAll(() => server[Symbol.asyncDispose]());
  beforeEach(async () => {
    server.cli('flushall');
    metrics = createMetrics({ processMetrics: false });
    logged = recordingLog();
    registry = await openRedis({ url: server.url }, { metrics, log: logged.log });
  });
  afterEach(() => registry.close());

  /** A node as somebody else's program would write it. */
  function write(nodeId: string, text: string): void {
    server.cli('hset', `${NODES}:records`, nodeId, text);
    server.cli('hset', `${NODES}:etags`, nodeId, `etag of ${text.length}`);
    server.cli('zadd', `${NODES}:leases`, String(Date.now() + 60_000), nodeId);
  }

  it('are skipped when they are broken, of a later version, or under the name of another, told once, and counted', async () => {
    await registry.announce(coreRecord(), 60_000);
    write('broken', '{"v":1,');
    write('bare', JSON.stringify(coreRecord({ nodeId: 'bare' })));
    write('wrong', JSON.stringify({ v: 1, record: { ...coreRecord({ nodeId: 'wrong' }), role: 'king' } }));
    write('future', JSON.stringify({ v: 2, record: { shape: 'of tomorrow' } }));
    write('liar', JSON.stringify({ v: 1, record: coreRecord({ nodeId: 'core-1' }) }));
    for (let n = 0; n < 3; n++) expect(await registry.nodes()).toEqual([coreRecord()]);
    const skipped = logged.lines.filter(({ message }) => message === 'a record of the registry is skipped');
    expect(skipped.map(({ fields }) => `${fields.id} ${fields.reason}`).sort()).toEqual([
      'bare invalid',
      'broken invalid',
      'future future',
      'liar invalid',
      'wrong invalid',
    ]);
    const name = 'antipode_registry_records_skipped_total';
    expect(await metricOf(metrics, name, { kind: 'node', reason: 'invalid' })).toBe(4);
    expect(await metricOf(metrics, name, { kind: 'node', reason: 'future' })).toBe(1);
  });

  it('may hold fields of a newer node: they are passed over, and kept when the record is changed', async () => {
    write('newer', JSON.stringify({ v: 1, record: { ...coreRecord({ nodeId: 'newer' }), wings: 2 } }));
    expect(await registry.nodes()).toEqual([coreRecord({ nodeId: 'newer' })]);
    await registry.createSession(sessionRecord());
    const key = 'antipode:local:session:{session-1}';
    server.cli('hset', key, 'record', JSON.stringify({ v: 1, record: { ...sessionRecord(), wings: 2 } }));
    await registry.updateSession('session-1', 1, { state: 'active' });
    expect(JSON.parse(server.cli('hget', key, 'record')).record).toEqual({
      ...sessionRecord({ state: 'active' }),
      wings: 2,
    });
  });

  it('of sessions: one that cannot be read is none, and is not written over', async () => {
    const key = 'antipode:local:session:{session-1}';
    server.cli('hset', key, 'epoch', '1', 'revision', '1', 'record', '{"v":9,"record":{}}');
    expect(await registry.session('session-1')).toBeNull();
    expect(await registry.sessions()).toEqual([]);
    await expect(registry.updateSession('session-1', 1, { state: 'ended' })).rejects.toMatchObject({
      code: 'ERR_REGISTRY_UNSUPPORTED',
    });
    expect(server.cli('hget', key, 'record')).toBe('{"v":9,"record":{}}');
  });

  it('are read as they change, not at an interval', async () => {
    const renewals = setInterval(() => void registry.announce(coreRecord(), 1_500).catch(() => undefined), 100);
    try {
      registry.watch(() => undefined);
      await until(async () => (await registry.nodes()).length === 1);
      const count = async () =>
        Number((await metrics.metrics()).match(/registry_command_seconds_count\{command="leases"\} (\d+)/)?.[1]);
      const before = await count();
      await new Promise((resolve) => setTimeout(resolve, 4_000));
      expect((await count()) - before).toBeGreaterThanOrEqual(2);
      expect((await count()) - before).toBeLessThanOrEqual(5);
    } finally {
      clearInterval(renewals);
    }
  });

  it('warns when Redis may throw keys away, and when it keeps nothing', async () => {
    server.cli('config', 'set', 'maxmemory', '50mb');
    server.cli('config', 'set', 'maxmemory-policy', 'allkeys-lru');
    const { log, messages } = recordingLog();
    const second = await openRedis({ url: server.url }, { log });
    await second.close();
    server.cli('config', 'set', 'maxmemory', '0');
    expect(messages().some((message) => message.includes('maxmemory-policy is allkeys-lru'))).toBe(true);
    expect(messages().some((message) => message.includes('keeps nothing on disk'))).toBe(true);
  });
});

describe('a registry that cannot be opened', () => {
  it('says where nobody answered', async () => {
    const port = await freePort();
    const startedMs = performance.now();
    await expect(openRedis({ url: `redis://127.0.0.1:${port}`, connectTimeoutMs: 500 })).rejects.toMatchObject({
      code: 'ERR_REGISTRY_UNAVAILABLE',
      message: expect.stringMatching(new RegExp(`Redis at 127\\.0\\.0\\.1:${port}.*ECONNREFUSED`)),
    });
    expect(performance.now() - startedMs).toBeLessThan(3_000);
  });

  it('refuses a Redis that is too old, by its version', async () => {
    await using old = await ancientRedis('5.0.14');
    await expect(openRedis({ url: `redis://127.0.0.1:${old.port}` })).rejects.toMatchObject({
      code: 'ERR_REGISTRY_UNSUPPORTED',
      message: 'The registry needs Redis 6.2 or newer; this one is 5.0.14.',
    });
  });
});

/** As much of an old Redis as is asked before it is refused: no HELLO, and INFO. */
async function ancientRedis(version: string): Promise<{ port: number } & AsyncDisposable> {
  const server: Server = createServer((socket) => {
    socket.on('error', () => undefined);
    let text = '';
    socket.on('data', (data) => {
      text += data.toString('latin1');
      for (;;) {
        const command = /^\*(\d+)\r\n((?:\$\d+\r\n[^\r]*\r\n)*)/.exec(text);
        if (command === null) return;
        const words = [...command[2]!.matchAll(/\$\d+\r\n([^\r]*)\r\n/g)].map(([, word]) => word!.toLowerCase());
        if (words.length < Number(command[1])) return;
        text = text.slice(command[0].length);
        const info = `redis_version:${version}\r\nloading:0\r\n`;
        if (words[0] === 'info') socket.write(`$${info.length}\r\n${info}\r\n`);
        else socket.write(`-ERR unknown command '${words[0]}'\r\n`);
      }
    });
  });
  const port = await freePort();
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  return {
    port,
    [Symbol.asyncDispose]: () => new Promise((resolve) => server.close(() => resolve())),
  };
}
