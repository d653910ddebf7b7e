import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, test } from 'vitest';
import { AgentHost } from '../../src/agent/index.ts';
import { systemClock } from '../../src/clock.ts';
import { loadConfig } from '../../src/config/index.ts';
import { createMetrics, silentLogger } from '../../src/telemetry/index.ts';
import { MemoryCall } from '../support/memory-call.ts';

const ROOT = join(import.meta.dirname, '../..');

test('the agent in docs/write-a-stage.md loads and answers', async () => {
  const page = await readFile(join(ROOT, 'docs/write-a-stage.md'), 'utf8');
  const code = /```ts\n([\s\S]*?)```/.exec(page)?.[1] ?? '';
  const face = pathToFileURL(join(ROOT, 'src/agent/index.ts')).href;
  const agentsDir = await mkdtemp(join(tmpdir(), 'antipode-agents-'));
  await writeFile(join(agentsDir, 'parrot.ts'), code.replace("'../src/agent/index.ts'", `'${face}'`));
  const host = await AgentHost.load({
    config: loadConfig({ file: null, environment: {}, defaults: { 'core.agentsDir': agentsDir } }),
    clock: systemClock,
    log: silentLogger,
    metrics: createMetrics({ processMetrics: false }),
  });
  expect(host.agents.map(({ name }) => name)).toEqual(['parrot']);
  const call = new MemoryCall();
  call.mouth.autoPlay = true;
  const running = host.start('parrot', call);
  call.type('hello');
  const words = () =>
    call.events.flatMap((event) => (event.type === 'transcript' && event.role === 'agent' ? [event.text] : []));
  await expect.poll(words, { timeout: 10_000 }).toContain('HELLO!');
  call.leave();
  await running.done;
  await host.close();
  await rm(agentsDir, { recursive: true });
});
