/** The HTTP port of a core: health, readiness, metrics, and nothing else. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { configSchema } from '../../src/config/index.ts';
import { NodeServer, type Readiness } from '../../src/signaling/index.ts';
import { createMetrics, silentLogger } from '../../src/telemetry/index.ts';
import { FakeClock } from '../support/fake-clock.ts';

let server: NodeServer;
let readiness: Readiness;

beforeEach(async () => {
  readiness = { ok: true, parts: { agents: true } };
  server = await NodeServer.start({
    config: configSchema.parse({ http: { host: '127.0.0.1', port: 0 } }),
    nodeId: 'core-1',
    door: 'accepting',
    clock: new FakeClock(),
    log: silentLogger,
    metrics: createMetrics({ processMetrics: true }),
    readiness: async () => readiness,
  });
});
afterEach(() => server.close());

const ask = (path: string, init?: RequestInit) => fetch(`${server.url}${path}`, init);

test('it is ready when its parts are, and not while it drains', async () => {
  expect(await (await ask('/readyz')).json()).toEqual({ ok: true, parts: { agents: true, accepting: true } });
  readiness = { ok: false, parts: { agents: false } };
  expect((await ask('/readyz')).status).toBe(503);
  readiness = { ok: true, parts: { agents: true } };
  server.beginDrain();
  const draining = await ask('/readyz');
  expect([draining.status, await draining.json()]).toEqual([
    503,
    { ok: false, parts: { agents: true, accepting: false } },
  ]);
  expect((await ask('/healthz')).status).toBe(200);
});

test('metrics are for this machine, and not for pages of other origins on it', async () => {
  expect(await (await ask('/metrics')).text()).toContain('process_cpu_seconds_total');
  expect((await ask('/metrics', { headers: { origin: 'https://elsewhere.example' } })).status).toBe(403);
});

test('it has neither page nor sessions, placement or signaling', async () => {
  for (const path of ['/', '/v1/sessions', '/v1/world', '/v1/signaling']) {
    const answer = await ask(path);
    expect([path, answer.status]).toEqual([path, 404]);
  }
});

test('close() is idempotent and frees the port', async () => {
  await Promise.all([server.close(), server.close()]);
  await expect(ask('/healthz')).rejects.toThrow('fetch failed');
});
