/** The roles as processes of their own on one Redis: a call through an edge, a core that is killed, one that drains. */
import { execFile, spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { systemClock as clock } from '../../src/clock.ts';
import { loadConfig } from '../../src/config/index.ts';
import { type NodeChange, openRegistry, type Registry } from '../../src/registry/index.ts';
import { createMetrics, silentLogger as log } from '../../src/telemetry/index.ts';
import { RedisServer, redisMissing } from '../support/redis-server.ts';
import { antipodeCall, COUNT, STOP, WHAT_TIME } from './support/antipode-call.ts';
import { type RoleProcess, startRole } from './support/role-process.ts';
import { freePort, ROOT } from './support/server.ts';

const run = promisify(execFile);
const API_KEY = 'a-key-of-the-roles-test';

describe.skipIf(redisMissing() !== null)('edge, cores and placement as processes', () => {
  const stack = new AsyncDisposableStack();
  const cores = new Map<string, RoleProcess>();
  let environment: Record<string, string>;
  let registry: Registry;
  let edge: RoleProcess;
  let placement: RoleProcess;

  beforeAll(async () => {
    const stateDir = await mkdtemp(join(tmpdir(), 'antipode-roles-'));
    stack.defer(() => rm(stateDir, { recursive: true, force: true }));
    const redis = stack.use(await RedisServer.start());
    environment = { ANTIPODE_STATE_DIR: stateDir, ANTIPODE_REGISTRY: 'redis', ANTIPODE_REDIS_URL: redis.url };
    const config = loadConfig({ file: null, environment });
    registry = stack.use(await openRegistry({ config, clock, log, metrics: createMetrics({ processMetrics: false }) }));
    const mediaPort = String(await freePort());
    const door = { ANTIPODE_MEDIA_PORT: mediaPort, ANTIPODE_OPEN_AGENTS: '*', ANTIPODE_API_KEYS: API_KEY };
    const starting = [
      startRole('edge', 'pop-1', { ...environment, ...door }),
      startRole('placement', 'placement-1', { ...environment, ANTIPODE_API_KEYS: API_KEY }),
      startRole('core', 'core-1', environment),
      startRole('core', 'core-2', environment),
    ];
    const started = await Promise.allSettled(starting);
    for (const one of started) if (one.status === 'fulfilled') stack.use(one.value);
    const nodes = await Promise.all(starting);
    [edge, placement] = nodes as [RoleProcess, RoleProcess];
    for (const core of nodes.slice(2)) cores.set(core.nodeId, core);
  });
  afterAll(() => stack.disposeAsync());

  /** The cores that this node would place sessions on now. */
  async function knownCores({ url }: RoleProcess): Promise<string[]> {
    const { nodes } = (await (await fetch(`${url}/v1/world`)).json()) as {
      nodes: { nodeId: string; role: string; draining: boolean }[];
    };
    const open = nodes.filter(({ role, draining }) => role === 'core' && !draining);
    return open.map(({ nodeId }) => nodeId).sort();
  }

  async function coreOf(sessionId: string | null | undefined): Promise<string> {
    return (await registry.session(sessionId ?? ''))?.core ?? 'none';
  }

  /** A call that is greeted, says something and is answered; the core that did. What it understood is not at stake. */
  async function shortCall(): Promise<string> {
    const report = await antipodeCall(edge.url, '--say', WHAT_TIME);
    expect(report.summary).toMatchObject({ connected: 1, failed: 0 });
    const [call] = report.calls;
    expect(call?.firstAudioMs, 'the greeting is heard').toBeGreaterThan(0);
    expect(call?.turns[0]?.voiceToVoiceMs, 'the answer is heard').toBeGreaterThan(0);
    return coreOf(call?.sessionId);
  }

  test('each answers for its health and its metrics, and has no page', async () => {
    await expect.poll(() => knownCores(edge), { timeout: 5_000 }).toEqual(['core-1', 'core-2']);
    for (const { url, role } of [edge, placement, ...cores.values()]) {
      expect((await fetch(`${url}/healthz`)).status, role).toBe(200);
      expect((await fetch(`${url}/readyz`)).status, role).toBe(200);
      expect(await (await fetch(`${url}/metrics`)).text(), role).toContain('antipode_registry_connected 1');
      if (role !== 'edge') expect((await fetch(`${url}/`)).status, role).toBe(404);
    }
  });

  test('placement answers with the POP to use and the core, and is no POP itself', async () => {
    const response = await fetch(`${placement.url}/v1/placements`, {
      method: 'POST',
      headers: { authorization: `Bearer ${API_KEY}`, 'content-type': 'application/json' },
      body: JSON.stringify({ agent: 'front-desk' }),
    });
    expect(response.status).toBe(201);
    expect(await response.json()).toMatchObject({
      pop: { nodeId: 'pop-1', signalingUrl: edge.url },
      core: { nodeId: expect.stringMatching(/^core-[12]$/) },
      reservation: null,
    });
    const { nodes } = (await (await fetch(`${placement.url}/v1/world`)).json()) as { nodes: { nodeId: string }[] };
    expect(nodes.map(({ nodeId }) => nodeId).sort()).toEqual(['core-1', 'core-2', 'pop-1']);
  });

  test('antipode status shows them all, by the edge and by placement', async () => {
    for (const { url } of [edge, placement]) {
      const { stdout } = await run(process.execPath, ['src/main.ts', 'status', '--url', url], { cwd: ROOT });
      const rows = stdout.split('\n').map((line) => line.split(/ {2,}/).slice(0, 3));
      const table = rows.findIndex(([first]) => first === 'NODE');
      expect(rows.slice(table, table + 4)).toEqual([
        ['NODE', 'ROLE', 'REGION'],
        ['pop-1', 'pop', 'local'],
        ['core-1', 'core', 'local'],
        ['core-2', 'core', 'local'],
      ]);
    }
  });

  test('a core that is ordered to drain by the registry takes no call until it is ordered to serve', async () => {
    await registry.orders.drain('core-1', true);
    await expect.poll(() => knownCores(edge), { timeout: 5_000 }).toEqual(['core-2']);
    const core = cores.get('core-1') as RoleProcess;
    expect((await fetch(`${core.url}/readyz`)).status).toBe(503);
    expect(await shortCall()).toBe('core-2');
    await registry.orders.drain('core-1', false);
    await expect.poll(() => knownCores(edge), { timeout: 5_000 }).toEqual(['core-1', 'core-2']);
    expect((await fetch(`${core.url}/readyz`)).status).toBe(200);
  });

  test('a running call goes to the core that an operator names', async () => {
    const counting = antipodeCall(edge.url, '--say', COUNT, '--interrupt-with', STOP);
    const active = async () => (await registry.sessions()).find(({ state }) => state === 'active');
    await expect.poll(active, { timeout: 10_000 }).toBeDefined();
    const { sessionId, core: from } = (await active())!;
    const to = from === 'core-1' ? 'core-2' : 'core-1';
    const move = async () => {
      const answer = await fetch(`${edge.url}/v1/sessions/${sessionId}/move`, {
        method: 'POST',
        headers: { authorization: `Bearer ${API_KEY}`, 'content-type': 'application/json' },
        body: JSON.stringify({ core: to }),
      });
      return [answer.status, await answer.json()];
    };
    // Until its agent has begun there is nothing to go on with.
    await expect.poll(move, { timeout: 10_000 }).toMatchObject([202, { from, to, epoch: 2 }]);
    await expect.poll(() => coreOf(sessionId)).toBe(to);
    const report = await counting;
    expect(report.summary).toMatchObject({ connected: 1, failed: 0 });
    expect(report.calls[0]?.turns.at(-1)?.voiceToVoiceMs, 'it was answered').toBeGreaterThan(0);
  });

  test('a core that gets SIGTERM gives its call to the other one, takes none, and exits with 0', async () => {
    const counting = antipodeCall(edge.url, '--say', COUNT, '--interrupt-with', STOP);
    const active = async () => (await registry.sessions()).find(({ state }) => state === 'active');
    await expect.poll(active, { timeout: 10_000 }).toBeDefined();
    const running = await active();
    const draining = cores.get(running?.core ?? '') as RoleProcess;
    const other = [...cores.keys()].find((nodeId) => nodeId !== draining.nodeId);
    draining.process.kill('SIGTERM');
    await expect.poll(() => coreOf(running?.sessionId), { timeout: 15_000 }).toBe(other);
    expect(await draining.exited).toBe(0);
    expect(draining.output()).toContain('drained: no session is left');
    expect(await shortCall()).toBe(other);

    const report = await counting;
    expect(report.summary).toMatchObject({ connected: 1, failed: 0 });
    expect(report.calls[0]?.turns.at(-1)?.voiceToVoiceMs, 'it was answered').toBeGreaterThan(0);
    cores.delete(draining.nodeId);
  });

  test('a core killed by SIGKILL leaves the registry within 2 s, and the other takes the next call', async () => {
    const [killed] = [...cores.values()];
    if (killed === undefined) throw new Error('the core that did not drain is gone');
    const other = killed.nodeId === 'core-1' ? 'core-2' : 'core-1';
    stack.use(await startRole('core', other, environment));
    await expect.poll(() => knownCores(edge), { timeout: 5_000 }).toEqual(['core-1', 'core-2']);

    const left = Promise.withResolvers<number>();
    using _watching = registry.watch((change: NodeChange) => {
      if (change.kind === 'left' && change.node.nodeId === killed.nodeId) left.resolve(performance.now());
    });
    const killedAtMs = performance.now();
    killed.process.kill('SIGKILL');
    expect((await left.promise) - killedAtMs).toBeLessThan(2_000);
    await expect.poll(() => knownCores(edge), { timeout: 3_000 }).toEqual([other]);
    expect(await shortCall()).toBe(other);
  });

  test('an id that is in use and a registry in memory are refused at the start, in words', async () => {
    const end = (env: Record<string, string>) =>
      new Promise<{ code: number | null; words: string }>((resolve) => {
        const child = spawn(process.execPath, ['src/main.ts', 'core'], {
          cwd: ROOT,
          env: { ...process.env, PORT: '0', ...env },
        });
        let words = '';
        child.stderr.on('data', (chunk) => {
          words += chunk;
        });
        child.once('exit', (code) => resolve({ code, words }));
      });
    const [memory, twin] = await Promise.all([
      end({ ANTIPODE_REGISTRY: 'memory', ANTIPODE_STATE_DIR: environment.ANTIPODE_STATE_DIR as string }),
      end({ ...environment, ANTIPODE_NODE_ID: 'pop-1' }),
    ]);
    expect(memory).toMatchObject({ code: 1, words: expect.stringContaining('ERR_CONFIG_INVALID: registry.kind') });
    expect(twin).toMatchObject({ code: 1, words: expect.stringContaining('is called "pop-1" and is alive') });
  });
});
