import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { AgentHost } from '../../../src/agent/index.ts';
import { systemClock } from '../../../src/clock.ts';
import { loadConfig } from '../../../src/config/index.ts';
import { createMetrics, silentLogger, startTracing } from '../../../src/telemetry/index.ts';
import { FakeOpenAi } from '../../fakes/openai.ts';
import { MemoryCall } from '../../support/memory-call.ts';
import { OtlpCollector } from '../../telemetry/otlp-collector.ts';

const root = join(import.meta.dirname, '../../..');
const AGENT = `
import { z } from '${root}/node_modules/zod/index.js';
import { cascade, cascadeLegs, defineAgent } from '${root}/src/agent/index.ts';
export default defineAgent({
  name: 'notary', title: 'Notary', description: 'Notes.', examples: [], legs: cascadeLegs,
  pipeline: (call, services) => cascade({
    call, services, instructions: 'A secret in the instructions: damson.', greeting: 'Good morning, apricot.',
    tools: [{
      name: 'note', description: 'Notes.', parameters: z.object({ text: z.string() }),
      run: async () => 'noted: elderberry',
    }],
  }),
});
`;

test('no words of a call are in its traces: not the caller’s, the agent’s, a tool’s, nor of the instructions', async () => {
  await using stack = new AsyncDisposableStack();
  const collector = stack.use(await OtlpCollector.start());
  const agentsDir = await mkdtemp(join(root, 'node_modules/.agents-'));
  stack.defer(() => rm(agentsDir, { recursive: true }));
  await writeFile(join(agentsDir, 'notary.ts'), AGENT);
  const fake = await FakeOpenAi.start({
    chat: ({ messages }) =>
      messages.at(-1)!.role === 'tool'
        ? { text: 'I wrote down boysenberry.' }
        : { toolCalls: [{ name: 'note', arguments: '{"text":"cloudberry"}' }] },
  });
  stack.defer(() => fake.close());
  const metrics = createMetrics({ processMetrics: false });
  const shared = { clock: systemClock, log: silentLogger, metrics };
  const where = {
    endpoint: collector.url,
    tracesEndpoint: null,
    serviceName: 'antipode',
    nodeId: 'c',
    region: 'local',
  };
  const tracing = (await startTracing({ ...where, ...shared }))!;
  const config = loadConfig({
    file: null,
    environment: { OPENAI_API_KEY: fake.apiKey, OPENAI_BASE_URL: fake.baseUrl },
    defaults: { 'core.agentsDir': agentsDir },
  });
  const host = stack.use(await AgentHost.load({ ...shared, config, tracing, environment: {} }));
  const call = new MemoryCall();
  call.mouth.autoPlay = true;
  const running = host.start('notary', call);
  expect(await call.said('agent', 0)).toBe('Good morning, apricot.');
  call.type('Please note that my name is mulberry.');
  expect(await call.said('agent', 1)).toBe('I wrote down boysenberry.');
  call.leave();
  await running.done;
  await tracing.close();

  const names = collector.spans.map(({ name }) => name);
  expect(names).toEqual(expect.arrayContaining(['invoke_agent notary', 'turn', 'execute_tool note']));
  const text = collector.bodies.toLowerCase();
  for (const word of ['apricot', 'boysenberry', 'cloudberry', 'damson', 'elderberry', 'mulberry']) {
    expect(text).not.toContain(word);
  }
  expect(collector.span('invoke_agent notary').attributes).toMatchObject({ 'antipode.session.id': 'memory' });
});
