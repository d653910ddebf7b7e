/**
 * `antipode up` as a newcomer's process: a caller in Sydney whose agent runs near the AI services in Virginia, a core that
 * is killed in the middle of its answer, a policy that is edited meanwhile, and nothing that is left afterwards.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { systemClock as clock } from '../../src/clock.ts';
import { loadConfig } from '../../src/config/index.ts';
import { openRegistry, type Registry } from '../../src/registry/index.ts';
import { createMetrics, silentLogger as log } from '../../src/telemetry/index.ts';
import { redisMissing } from '../support/redis-server.ts';
import { antipodeCall, COUNT, WHAT_TIME } from './support/antipode-call.ts';
import { descendants, freePort, ROOT } from './support/server.ts';

const run = promisify(execFile);

describe.skipIf(redisMissing() !== null)('antipode up', () => {
  let folder: string;
  let up: ChildProcess;
  let output = '';
  let exited: Promise<number | null>;
  let url: string;
  let registry: Registry;

  async function says(words: RegExp | string): Promise<void> {
    const endMs = performance.now() + 90_000;
    while (typeof words === 'string' ? !output.includes(words) : !words.test(output)) {
      if (performance.now() > endMs) throw new Error(`it never said ${words}:\n${output}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
  const pidOf = (id: string) => Number(new RegExp(`${id} (\\d+)`).exec(/^processes: .*$/m.exec(output)![0])![1]);

  async function recordOf(sessionId: string | null | undefined) {
    // A POP writes how a session ended after it has told the caller.
    await expect.poll(async () => (await registry.session(sessionId ?? ''))?.state, { timeout: 10_000 }).toBe('ended');
    return registry.session(sessionId ?? '');
  }

  /** Where a session of a caller in Sydney would have its agent now. */
  async function placedAt(): Promise<string> {
    const response = await fetch(`${url}/v1/sessions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ agent: 'front-desk' }),
    });
    const { placement } = (await response.json()) as { placement: { core: { nodeId: string } } };
    return placement.core.nodeId;
  }

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'antipode-up-'));
    const ports = await Promise.all(Array.from({ length: 6 }, freePort));
    const [redis, standIn, pop, media, syd, iad] = ports;
    url = `http://localhost:${pop}`;
    const policy = (more: string) =>
      `version: 1\nendpoints: { places: { openai@own: us-east-1, openai-transcriptions@own: us-east-1 } }\n${more}`;
    await writeFile(join(folder, 'placement.yaml'), policy(''));
    await writeFile(
      join(folder, 'topology.yaml'),
      [
        'version: 1',
        `network: ${100 + (process.pid % 100)}`,
        `redis: { port: ${redis}, region: us-east-1 }`,
        'placement: { policy: placement.yaml }',
        `standIn: { port: ${standIn}, region: us-east-1 }`,
        `pops: { pop-syd: { region: ap-southeast-2, port: ${pop}, mediaPort: ${media} } }`,
        'cores:',
        `  core-syd: { region: ap-southeast-2, port: ${syd} }`,
        `  core-iad: { region: us-east-1, port: ${iad} }`,
      ].join('\n'),
    );
    up = spawn(process.execPath, ['src/main.ts', 'up', '--topology', join(folder, 'topology.yaml')], {
      cwd: ROOT,
      // What the environment says of one node must not reach them.
      env: { ...process.env, ANTIPODE_STATE_DIR: join(folder, 'state'), PORT: '1', OPENAI_API_KEY: 'of-nobody' },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    exited = new Promise((resolve) => up.once('exit', resolve));
    const read = (chunk: Buffer) => {
      output += chunk.toString();
    };
    up.stdout!.on('data', read);
    up.stderr!.on('data', read);
    await Promise.race([says(/^processes: /m), exited.then(() => Promise.reject(new Error(output)))]);
    const config = loadConfig({ file: join(folder, 'state/up/pop-syd.yaml'), environment: {} });
    registry = await openRegistry({ config, clock, log, metrics: createMetrics({ processMetrics: false }) });
  });
  afterAll(async () => {
    await registry?.close();
    if (up?.exitCode === null && up.signalCode === null) up.kill('SIGINT');
    await exited;
    await rm(folder, { recursive: true, force: true });
  });

  test('says each step, that the AI services are stand-ins, and which nodes there are', () => {
    expect(output).toContain('stand-ins: ');
    expect(output).toContain('No AI service: a script and a recognizer of fixed sentences');
    expect(output).toContain(`${url}  pop-syd, for callers in ap-southeast-2`);
    for (const row of [/^pop-syd +pop +ap-southeast-2 /m, /^core-syd +core +ap-/m, /^core-iad +core +us-east-1 /m]) {
      expect(output).toMatch(row);
    }
  });

  // What is understood on a machine that does other things besides is not at stake: an answer comes in any case.
  test('a caller in Sydney is answered by a core near the AI services in Virginia, over a way as long as that', async () => {
    const report = await antipodeCall(url, '--say', WHAT_TIME);
    expect(report.summary).toMatchObject({ connected: 1, failed: 0 });
    const [call] = report.calls;
    expect(await recordOf(call?.sessionId)).toMatchObject({ pop: 'pop-syd', core: 'core-iad', epoch: 1 });
    // There and back between Sydney and Virginia, 198 ms, and what the stand-in takes to hear and to think.
    expect(call?.turns[0]?.voiceToVoiceMs).toBeGreaterThan(198 + 150 + 300);
  });

  test('the call goes on when its core is killed, which is started again', async () => {
    const calling = antipodeCall(url, '--say', COUNT);
    const active = async () => (await registry.sessions()).find(({ state }) => state === 'active')?.core;
    await expect.poll(active, { timeout: 20_000 }).toBe('core-iad');
    process.kill(pidOf('core-iad'), 'SIGKILL');
    await says('core-iad ended by SIGKILL; it is started again in 1 s');
    const report = await calling;
    expect(report.summary).toMatchObject({ connected: 1, failed: 0 });
    const [call] = report.calls;
    expect(call?.turns[0]?.voiceToVoiceMs, 'it was answered, by the other core').toBeGreaterThan(0);
    expect(await recordOf(call?.sessionId)).toMatchObject({ core: 'core-syd', epoch: 2, end: { code: 'caller-left' } });
    await says('core-iad runs again');
  });

  test('a policy that is edited while it runs places the next session', async () => {
    await expect.poll(placedAt, { timeout: 15_000 }).toBe('core-iad');
    await writeFile(
      join(folder, 'placement.yaml'),
      'version: 1\ncores: { blocked: [us-east-1] }\n' +
        'endpoints: { places: { openai@own: us-east-1, openai-transcriptions@own: us-east-1 } }\n',
    );
    await expect.poll(placedAt, { timeout: 15_000 }).toBe('core-syd');
  });

  test('antipode drain and antipode status steer and show it, by the registry that a node is configured with', async () => {
    const operator = async (...argv: string[]) => {
      const config = join(folder, 'state/up/pop-syd.yaml');
      return (await run(process.execPath, ['src/main.ts', ...argv, '--config', config], { cwd: ROOT })).stdout;
    };
    expect(await operator('drain', 'core-syd', '--wait')).toMatch(/core-syd has no session any more, after /);
    const status = await operator('status', '--once');
    expect(status).toMatch(/^note: core-syd drains: 0 sessions are left\.$/m);
    expect(status).toMatch(/^core-syd .* draining /m);
    expect(await operator('drain', 'core-syd', '--undo', '--wait')).toMatch(/core-syd takes sessions again, after /);
    await expect(operator('drain', 'core-nowhere')).rejects.toMatchObject({
      code: 1,
      stderr: expect.stringContaining('ERR_NOT_FOUND'),
    });
  });

  test('Ctrl-C ends all of it, and leaves no process', async () => {
    const all = await descendants(up.pid!);
    expect(all.length).toBeGreaterThanOrEqual(6);
    up.kill('SIGINT');
    expect(await exited).toBe(0);
    expect(output).toContain('Ending all of it.');
    const alive = all.filter((pid) => {
      try {
        return process.kill(pid, 0);
      } catch {
        return false;
      }
    });
    expect(alive).toEqual([]);
    await expect(fetch(`${url}/healthz`)).rejects.toThrow('fetch failed');
  });
});
