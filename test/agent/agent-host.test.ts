import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { AgentHost } from '../../src/agent/index.ts';
import { systemClock } from '../../src/clock.ts';
import { loadConfig } from '../../src/config/index.ts';
import { agentDescriptionSchema } from '../../src/registry/index.ts';
import { createMetrics, type Logger, silentLogger } from '../../src/telemetry/index.ts';
import { MemoryCall } from '../support/memory-call.ts';

const hosts: AgentHost[] = [];
const folders: string[] = [];
afterEach(async () => {
  for (const host of hosts.splice(0)) await host.close();
  for (const folder of folders.splice(0)) await rm(folder, { recursive: true });
});

async function loadHost(options: { agentsDir?: string; log?: Logger; environment?: Record<string, string> } = {}) {
  const config = loadConfig({
    file: null,
    environment: options.environment ?? {},
    defaults: { 'core.agentsDir': options.agentsDir ?? 'agents' },
  });
  const metrics = createMetrics({ processMetrics: false });
  const host = await AgentHost.load({ config, clock: systemClock, log: options.log ?? silentLogger, metrics });
  hosts.push(host);
  return { host, metrics };
}

async function agentsFolder(modules: Record<string, string>): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'antipode-test-'));
  folders.push(folder);
  for (const [name, source] of Object.entries(modules)) await writeFile(join(folder, name), source);
  return folder;
}

const GOOD = `export default {
  name: 'good', title: 'Good', description: 'Fine.', examples: [], legs: () => [],
  pipeline: () => ({ name: 'nothing', process() {}, close() {} }),
};`;

/** A logger that keeps the codes of its errors. */
function recordingLog(): { log: Logger; errors: { code: string; module: string }[] } {
  const errors: { code: string; module: string }[] = [];
  const log = Object.assign(Object.create(silentLogger), {
    error: (fields: { code: string; module: string }) => errors.push({ code: fields.code, module: fields.module }),
  });
  return { log, errors };
}

describe('the agent host', { timeout: 30_000 }, () => {
  test('offers the agents that ship, described for the registry', async () => {
    const { host } = await loadHost();
    expect(host.agents.map(({ name }) => name)).toEqual(['direct', 'echo', 'front-desk', 'judge']);
    for (const agent of host.agents) expect(agentDescriptionSchema.parse(agent)).toEqual(agent);
    expect(host.legs('echo')).toEqual([]);
  });

  test('leaves out modules that cannot be loaded, reports each, and keeps the others', async () => {
    const { log, errors } = recordingLog();
    const agentsDir = await agentsFolder({
      'a-good.ts': GOOD,
      'broken.ts': 'export default {',
      'no-default.ts': 'export const name = 1;',
      'same-name.ts': GOOD,
      'shapeless.ts': `export default { name: 'Not A Name', title: 'x' };`,
      'throws.ts': `throw new Error('at load');`,
      'notes.md': 'not a module',
      'types.d.ts': 'not a module either',
    });
    const { host, metrics } = await loadHost({ agentsDir, log });
    expect(host.agents.map(({ name }) => name)).toEqual(['good']);
    expect(errors).toEqual(
      ['broken.ts', 'no-default.ts', 'same-name.ts', 'shapeless.ts', 'throws.ts'].map((module) => ({
        code: 'ERR_AGENT_INVALID',
        module,
      })),
    );
    expect(await metrics.getSingleMetricAsString('antipode_agents_invalid_total')).toContain(' 5');
  });

  test('refuses a folder that is not there', async () => {
    await expect(loadHost({ agentsDir: '/nowhere' })).rejects.toMatchObject({
      code: 'ERR_CONFIG_INVALID',
      path: 'core.agentsDir',
    });
  });

  test('does not know what was not loaded', async () => {
    const { host } = await loadHost();
    expect(() => host.start('nobody', new MemoryCall())).toThrow(
      expect.objectContaining({ code: 'ERR_AGENT_UNKNOWN' }),
    );
    expect(() => host.legs('nobody')).toThrow(expect.objectContaining({ code: 'ERR_AGENT_UNKNOWN' }));
  });

  test('hangs up with the reason when an agent cannot start', async () => {
    const agentsDir = await agentsFolder({
      'sick.ts': GOOD.replaceAll('good', 'sick').replace(/pipeline:.*\n/, `pipeline() { throw new Error('no'); },\n`),
    });
    const { host } = await loadHost({ agentsDir });
    const call = new MemoryCall();
    await host.start('sick', call).done;
    expect(call.end).toMatchObject({ code: 'agent-failed' });
    expect(call.events).toMatchObject([{ type: 'notice', level: 'error', code: 'ERR_AGENT_FAILED' }]);
    expect(host.runningCount).toBe(0);
  });

  test('hangs up when a stage breaks on what the caller says', async () => {
    const agentsDir = await agentsFolder({
      'fragile.ts': GOOD.replaceAll('good', 'fragile').replace(
        'process() {}',
        `process(frame) { if (frame.kind === 'caller-audio') throw new Error('no'); }`,
      ),
    });
    const { host } = await loadHost({ agentsDir });
    const call = new MemoryCall();
    const running = host.start('fragile', call);
    expect(call.end).toBeNull();
    call.ear.push(new Int16Array(320));
    await running.done;
    expect(call.end).toMatchObject({ code: 'agent-failed' });
  });

  test('says of each missing program what to install, and offers both agents all the same', async () => {
    const path = process.env.PATH;
    process.env.PATH = resolve('/nowhere');
    try {
      const { host } = await loadHost();
      const desk = host.agents.find(({ name }) => name === 'front-desk')!;
      expect(desk.notices.map(({ level, code }) => [level, code])).toEqual([
        ['info', 'keyless'],
        ['warning', 'flite-missing'],
        ['warning', 'pocketsphinx-missing'],
      ]);
      expect(desk.notices[1]!.text).toContain('apt-get install flite');
      expect(desk.notices[2]!.text).toContain('apt-get install pocketsphinx');
      expect(host.agents.map(({ name }) => name)).toContain('echo');

      const call = new MemoryCall();
      await host.start('front-desk', call).done;
      expect(call.end).toMatchObject({ code: 'agent-failed', reason: desk.notices[1]!.text });
      expect(call.events).toContainEqual(
        expect.objectContaining({
          type: 'transcript',
          role: 'agent',
          final: true,
          text: expect.stringMatching(/Welcome/),
        }),
      );
    } finally {
      process.env.PATH = path;
    }
  });

  test('takes running agents down when it is closed, and starts no more', async () => {
    const { host } = await loadHost();
    const call = new MemoryCall();
    const running = host.start('echo', call);
    expect(host.runningCount).toBe(1);
    await host.close();
    await running.done;
    expect(host.runningCount).toBe(0);
    expect(call.ear.listenerCount + call.messageListenerCount).toBe(0);
    expect(() => host.start('echo', new MemoryCall())).toThrow(expect.objectContaining({ code: 'ERR_SHUTTING_DOWN' }));
  });

  test('reads no modules from folders inside of the folder', async () => {
    const agentsDir = await agentsFolder({ 'good.ts': GOOD });
    await mkdir(join(agentsDir, 'parts.ts'));
    await mkdir(join(agentsDir, 'parts'));
    await writeFile(join(agentsDir, 'parts', 'other.ts'), GOOD.replaceAll('good', 'other'));
    const { log, errors } = recordingLog();
    const { host } = await loadHost({ agentsDir, log });
    expect(host.agents.map(({ name }) => name)).toEqual(['good']);
    expect(errors).toEqual([]);
  });
});

describe('the echo agent', () => {
  test('says back each frame as it comes, in one utterance, until the call ends', async () => {
    const { host } = await loadHost();
    const call = new MemoryCall();
    const running = host.start('echo', call);
    for (const level of [1, 2, 3]) call.ear.push(new Int16Array(320).fill(level));
    expect(call.mouth.utteranceCount).toBe(1);
    expect(call.mouth.written(1)).toEqual({
      pcm: Int16Array.from({ length: 960 }, (_, index) => Math.floor(index / 320) + 1),
      sampleRate: 16_000,
    });
    call.leave();
    await running.done;
    call.ear.push(new Int16Array(320));
    expect(call.mouth.written(1).pcm).toHaveLength(960);
  });
});
