/** Redis with TLS on both sides and a user who may do what docs/operate.md grants and no more. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { ensureDevelopmentCa } from '../../src/backbone/index.ts';
import { recordingLog } from '../support/recording-log.ts';
import { RedisServer, redisMissing } from '../support/redis-server.ts';
import { describeRegistry } from './conformance.ts';
import { openPair, openRedis } from './support.ts';

const PASSWORD = 'correct horse battery staple';
const missing = redisMissing();

/** The line that an operator is told to write, with this test's password. */
async function documentedUser(): Promise<string> {
  const page = await readFile(join(import.meta.dirname, '../../docs/operate.md'), 'utf8');
  const line = /^user antipode .*$/m.exec(page)?.[0];
  if (line === undefined) throw new Error('docs/operate.md shows no user for Redis');
  return line.replace('>PASSWORD', `>${PASSWORD.replaceAll(' ', '_')}`);
}

let dir: string;
let server: RedisServer;

beforeAll(async () => {
  if (missing !== null) return;
  dir = await mkdtemp(join(tmpdir(), 'antipode-registry-tls-'));
  const ca = await ensureDevelopmentCa(dir);
  const identity = await ca.issue({ nodeId: 'redis.test', role: 'core' });
  await writeFile(join(dir, 'ca.pem'), ca.caPem);
  await writeFile(join(dir, 'node.pem'), identity.certPem);
  await writeFile(join(dir, 'node.key'), identity.keyPem);
  await writeFile(join(dir, 'password'), `${PASSWORD.replaceAll(' ', '_')}\n`);
  server = await RedisServer.start({
    tlsOnly: true,
    files: { 'ca.pem': ca.caPem, 'redis.pem': identity.certPem, 'redis.key': identity.keyPem },
    config: [
      'tls-ca-cert-file %d/ca.pem',
      'tls-cert-file %d/redis.pem',
      'tls-key-file %d/redis.key',
      'tls-auth-clients yes',
      'user default off',
      await documentedUser(),
    ],
  });
});
afterAll(async () => {
  await server?.[Symbol.asyncDispose]();
  if (dir !== undefined) await rm(dir, { recursive: true });
});

function input(change: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    url: `redis://127.0.0.1:${server.port}`,
    username: 'antipode',
    passwordFile: join(dir, 'password'),
    tls: {
      enabled: true,
      caFile: join(dir, 'ca.pem'),
      certFile: join(dir, 'node.pem'),
      keyFile: join(dir, 'node.key'),
      serverName: 'redis.test',
    },
    ...change,
  };
}

describeRegistry('Redis with TLS and ACL', () => openPair(input()), missing);

describe.skipIf(missing !== null)('a Redis with TLS and ACL', () => {
  let logged = recordingLog();
  beforeEach(() => {
    logged = recordingLog();
  });

  it('refuses a wrong password, and neither the error nor the log tells it', async () => {
    const wrong = { passwordFile: null, password: 'a-wrong-password-of-mine' };
    const error = await openRedis(input(wrong), { log: logged.log }).catch((thrown: Error) => thrown);
    expect(error).toMatchObject({ code: 'ERR_REGISTRY_REFUSED' });
    const told = [String(error), (error as Error).stack, JSON.stringify(error), JSON.stringify(logged.lines)].join(
      '\n',
    );
    expect(told).toContain('WRONGPASS');
    expect(told).not.toContain('a-wrong-password-of-mine');
    expect((error as Error).cause).toBeUndefined();
  });

  it('refuses an unknown user at once', async () => {
    const startedMs = performance.now();
    await expect(openRedis(input({ username: 'stranger' }))).rejects.toMatchObject({ code: 'ERR_REGISTRY_REFUSED' });
    expect(performance.now() - startedMs).toBeLessThan(5_000);
  });

  it('is not believed under another name than its certificate has', async () => {
    const { tls } = input() as { tls: Record<string, unknown> };
    const misnamed = input({ tls: { ...tls, serverName: 'other.test' }, connectTimeoutMs: 700 });
    await expect(openRedis(misnamed)).rejects.toMatchObject({
      code: 'ERR_REGISTRY_UNAVAILABLE',
      message: expect.stringContaining('other.test'),
    });
  });

  it('is not reached without TLS', async () => {
    const plain = input({ tls: {}, connectTimeoutMs: 700 });
    await expect(openRedis(plain)).rejects.toMatchObject({ code: 'ERR_REGISTRY_UNAVAILABLE' });
  });

  it('does not let the user touch what is not of Antipode', async () => {
    const registry = await openRedis(input({ keyPrefix: 'elsewhere:' }));
    await expect(registry.directory.get('s-1')).rejects.toMatchObject({ code: 'ERR_REGISTRY_REFUSED' });
    await registry.close();
  });
});
