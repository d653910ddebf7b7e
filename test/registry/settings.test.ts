import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { systemClock } from '../../src/clock.ts';
import { configSchema, loadConfig } from '../../src/config/index.ts';
import { MemoryRegistry, openRegistry, redisSettings } from '../../src/registry/index.ts';
import { reconnectDelayMs } from '../../src/registry/redis/client.ts';
import { isNewEnough, parseInfo, warningsOf } from '../../src/registry/redis/inspect.ts';
import { placeText } from '../../src/registry/redis/settings.ts';
import { createMetrics, silentLogger } from '../../src/telemetry/index.ts';
import { registryConfig } from './support.ts';

describe('the configuration of the registry', () => {
  it('is memory when nothing is said', async () => {
    const config = configSchema.parse({});
    const metrics = createMetrics({ processMetrics: false });
    await using registry = await openRegistry({ config, clock: systemClock, log: silentLogger, metrics });
    expect(registry).toBeInstanceOf(MemoryRegistry);
    expect(registry.zone).toBe('local');
  });

  it.each([
    [{ kind: 'redis' }, 'redis needs one of url, sentinels and cluster'],
    [{ kind: 'redis', url: 'redis://a', cluster: ['b'] }, 'redis needs one of url, sentinels and cluster'],
    [{ kind: 'memory', url: 'redis://a' }, 'must be redis'],
    [{ kind: 'redis', url: 'http://a' }, 'Invalid URL'],
    [{ kind: 'redis', url: 'redis://a/orders' }, 'database number'],
    [{ kind: 'redis', sentinels: ['a:b'] }, 'must be host or host:port'],
    [{ kind: 'redis', cluster: ['a'], db: 1 }, 'database 0 only'],
    [{ kind: 'redis', url: 'redis://a', keyPrefix: '{tag}:' }, 'with a colon at the end'],
    [{ kind: 'redis', url: 'redis://a', password: 'x', passwordFile: 'y' }, 'one of them'],
    [{ kind: 'redis', url: 'redis://a', zone: 'eu*' }, 'letters, digits'],
  ])('refuses %j', (registry, words) => {
    const result = configSchema.safeParse({ registry });
    expect(result.error?.issues.map(({ message }) => message).join('; ')).toContain(words);
  });

  it('comes from the environment as well', () => {
    const environment = {
      ANTIPODE_REGISTRY: 'redis',
      ANTIPODE_REDIS_SENTINELS: '10.0.0.1, [::1]:26380',
      ANTIPODE_REDIS_PASSWORD: 'from-the-environment',
      ANTIPODE_REGISTRY_ZONE: 'eu',
    };
    const settings = redisSettings(loadConfig({ file: null, environment }).registry);
    expect(settings.place).toEqual({
      kind: 'sentinel',
      sentinels: [
        { host: '10.0.0.1', port: 26_379 },
        { host: '::1', port: 26_380 },
      ],
      name: 'mymaster',
      db: 0,
    });
    expect(settings.credentials.password).toBe('from-the-environment');
    expect(settings.prefix).toBe('antipode:eu:');
  });

  it('takes a URL apart, and never shows what is secret in it', () => {
    const settings = redisSettings(registryConfig({ url: 'rediss://me:s%3Acret@[2001:db8::1]:6390/3' }));
    expect(settings.place).toEqual({ kind: 'standalone', address: { host: '2001:db8::1', port: 6_390 }, db: 3 });
    expect(settings.credentials).toEqual({ username: 'me', password: 's:cret' });
    expect(settings.tls).not.toBeNull();
    expect(placeText(settings)).toBe('[2001:db8::1]:6390 (TLS)');
  });

  it('reads the password from its file, and says which file is missing', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'antipode-settings-'));
    await writeFile(join(dir, 'password'), 'from-the-file\n');
    const settings = redisSettings(registryConfig({ url: 'redis://a', passwordFile: join(dir, 'password') }));
    expect(settings.credentials.password).toBe('from-the-file');
    expect(() => redisSettings(registryConfig({ url: 'redis://a', passwordFile: join(dir, 'none') }))).toThrow(
      /Cannot read registry\.passwordFile/,
    );
    await rm(dir, { recursive: true });
  });
});

describe('the fitness of a Redis', () => {
  it.each([
    ['7.0.15', true],
    ['6.2.0', true],
    ['8.4', true],
    ['6.0.16', false],
    ['5.0.14', false],
    ['unknown', false],
  ])('version %s: %s', (version, fit) => {
    expect(isNewEnough(version)).toBe(fit);
  });

  it('warns of eviction only where memory is limited, and of no persistence only where it is known', () => {
    const info = (text: string) => parseInfo(text.replaceAll(' ', '\r\n'));
    expect(warningsOf(info('maxmemory:0 maxmemory_policy:allkeys-lru aof_enabled:0'), null)).toEqual([]);
    expect(warningsOf(info('maxmemory:1000 maxmemory_policy:noeviction aof_enabled:1'), '')).toEqual([]);
    expect(warningsOf(info('maxmemory:1000 maxmemory_policy:volatile-ttl aof_enabled:1'), '')).toHaveLength(1);
    expect(warningsOf(info('maxmemory:0 aof_enabled:0'), '')).toHaveLength(1);
    expect(warningsOf(info('maxmemory:0 aof_enabled:0'), '3600 1')).toEqual([]);
  });
});

it('reconnects after 50 ms at first and 1 s at the most, spread out', () => {
  const least = [1, 2, 3, 6, 100].map((times) => reconnectDelayMs(times, () => 0));
  const most = [1, 2, 3, 6, 100].map((times) => reconnectDelayMs(times, () => 1));
  expect(least).toEqual([25, 50, 100, 500, 500]);
  expect(most).toEqual([50, 100, 200, 1_000, 1_000]);
});
