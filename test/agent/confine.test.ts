import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { EgressContext, withEgress } from '../../src/agent/egress/index.ts';
import { AgentHost, type Confinement } from '../../src/agent/index.ts';
import { systemClock } from '../../src/clock.ts';
import { loadConfig } from '../../src/config/index.ts';
import { createMetrics } from '../../src/telemetry/index.ts';
import { type FakeChatAnswer, type FakeChatRequest, FakeOpenAi } from '../fakes/openai.ts';
import { MemoryCall } from '../support/memory-call.ts';
import { recordingLog } from '../support/recording-log.ts';

/** Calls the tool that it is asked for, and says what came of it. */
function chat({ messages }: FakeChatRequest): FakeChatAnswer {
  const last = messages.at(-1)!;
  if (last.role === 'tool') return { text: `It says ${last.content?.replace(/[^a-z ]/g, '')}.` };
  return { toolCalls: [{ name: 'reach', arguments: JSON.stringify({ url: last.content }) }] };
}

const root = join(import.meta.dirname, '../..');
const REACHER = `
import { z } from '${root}/node_modules/zod/index.js';
import { cascade, cascadeLegs, defineAgent } from '${root}/src/agent/index.ts';
export default defineAgent({
  name: 'reacher', title: 'Reacher', description: 'Reaches out.', examples: [], legs: cascadeLegs,
  pipeline: (call, services) => cascade({
    call, services, instructions: 'Reach.', greeting: 'Hello.',
    tools: [{
      name: 'reach', description: 'Reaches.', parameters: z.object({ url: z.string() }),
      run: async ({ url }) => (await fetch(url)).text(),
    }],
  }),
});
`;

/** Reaches out as soon as the client writes, and when its mouth has been heard, without a stage in between. */
const HASTY = `
import { defineAgent } from '${root}/src/agent/index.ts';
export default defineAgent({
  name: 'hasty', title: 'Hasty', description: 'Reaches out.', examples: [], legs: () => [],
  pipeline: (call) => {
    const reach = async (url, when) => {
      const text = await fetch(url).then((response) => response.text(), (error) => error.code);
      call.send({ type: 'notice', level: 'info', code: when, text });
    };
    let url;
    call.onMessage((message) => {
      url = message.text;
      void reach(url, 'message');
      const utterance = call.mouth.open();
      call.mouth.write(utterance, new Int16Array(320), 16000);
      call.mouth.finish(utterance);
    });
    call.mouth.on('ended', () => void reach(url, 'mouth'));
    call.signal.addEventListener('abort', () => void reach(url, 'end'));
    return { stages: [] };
  },
});
`;

const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function reacher(confinement: Confinement | null, name: 'reacher' | 'hasty' = 'reacher') {
  const agentsDir = await mkdtemp(join(root, 'node_modules/.agents-'));
  closing.push(() => rm(agentsDir, { recursive: true }));
  await writeFile(join(agentsDir, 'reacher.ts'), REACHER);
  await writeFile(join(agentsDir, 'hasty.ts'), HASTY);
  const served: string[] = [];
  const outside = createServer((request, response) => {
    served.push(request.url!);
    response.end('reached');
  });
  await new Promise<void>((resolve) => outside.listen(0, resolve));
  closing.push(async () => outside.close());
  const fake = await FakeOpenAi.start({ chat });
  closing.push(() => fake.close());
  const config = loadConfig({
    file: null,
    environment: { OPENAI_API_KEY: fake.apiKey, OPENAI_BASE_URL: fake.baseUrl },
    defaults: { 'core.agentsDir': agentsDir },
  });
  const { log, messages } = recordingLog();
  const metrics = createMetrics({ processMetrics: false });
  const host = await AgentHost.load({ config, clock: systemClock, log, metrics, environment: {} });
  closing.push(() => host.close());
  const call = new MemoryCall({ log, confinement });
  call.mouth.autoPlay = true;
  const running = host.start(name, call);
  closing.push(async () => {
    call.leave();
    await running.done;
  });
  const { port } = outside.address() as AddressInfo;
  return { call, served, messages, metrics, url: (host: string) => `http://${host}:${port}/` };
}

const EU = '"eu" (request)';
const own = { pins: EU, endpoints: ['openai@own', 'openai-transcriptions@own'], hosts: [] };

describe('a pinned session', () => {
  test('is stopped when a tool reaches for another place, and that is logged, counted and recorded', async () => {
    const { call, served, messages, metrics, url } = await reacher(own);
    await call.said('agent', 0);
    call.type(url('localhost'));
    await call.said('agent', 1);
    expect(served).toEqual([]);
    expect(call.touches).toContainEqual({ kind: 'stopped', name: 'localhost', region: null, detail: 'fetch' });
    expect(messages().join('\n')).toContain('a pinned session was stopped');
    expect(await metrics.getSingleMetricAsString('antipode_egress_stopped_total')).toContain('{by="fetch"} 1');
  });

  test('reaches its services and the hosts that were allowed to it', async () => {
    const hosts = [{ host: 'localhost', service: 'crm', region: 'eu-central-1' }];
    const { call, served, url } = await reacher({ ...own, hosts });
    await call.said('agent', 0);
    call.type(url('localhost'));
    expect(await call.said('agent', 1)).toBe('It says reached.');
    expect(served).toEqual(['/']);
    const touched = call.touches.map(({ kind, name }) => `${kind} ${name}`);
    expect(touched).toContain('endpoint crm');
    expect(touched).toContain('endpoint openai@own');
  });

  test('fails closed when none of its services is within the pin', async () => {
    const { call } = await reacher({ ...own, endpoints: [] });
    expect(await call.until(() => call.end ?? undefined)).toMatchObject({
      code: 'agent-failed',
      reason: expect.stringContaining("may be used within the session's pin"),
    });
  });
});

test('a session without a pin reaches what it wants, at the endpoints that were chosen for it', async () => {
  const { call, served, url } = await reacher({ ...own, pins: null });
  await call.said('agent', 0);
  call.type(url('localhost'));
  expect(await call.said('agent', 1)).toBe('It says reached.');
  expect(served).toEqual(['/']);
  const touched = call.touches.map(({ kind, name, region }) => `${kind} ${name} ${region}`);
  expect(touched).toContain('endpoint localhost null');
  expect(touched).toContain('endpoint openai-transcriptions@own own');
});

test('an agent that needs no service is not kept from a pinned session by those that are elsewhere', async () => {
  const { call, url } = await reacher({ ...own, endpoints: [] }, 'hasty');
  call.type(url('localhost'));
  await call.until(() => call.events.find((event) => event.type === 'notice'));
  expect(call.end).toBeNull();
});

describe('code that an event leads to', () => {
  const foreign = new EgressContext({ sessionId: 's-other', pin: '"au" (policy)', hosts: [], onAttempt: () => {} });
  const told = (call: MemoryCall, code: string) =>
    call.until(() => {
      const notice = call.events.find((event) => event.type === 'notice' && event.code === code);
      return notice?.type === 'notice' ? notice.text : undefined;
    }, code);

  test('is under the rule of its own pinned session, wherever the event comes from', async () => {
    const { call, served, url } = await reacher(own, 'hasty');
    call.type(url('localhost'));
    for (const when of ['message', 'mouth']) expect(await told(call, when)).toBe('ERR_EGRESS_FORBIDDEN');
    call.leave();
    expect(await told(call, 'end')).toBe('ERR_EGRESS_FORBIDDEN');
    expect(served).toEqual([]);
  });

  test('is free in a session without a pin, though the event comes from a pinned one', async () => {
    const { call, url } = await reacher({ ...own, pins: null }, 'hasty');
    withEgress(foreign, () => call.type(url('localhost')));
    for (const when of ['message', 'mouth']) expect(await told(call, when)).toBe('reached');
    withEgress(foreign, () => call.leave());
    expect(await told(call, 'end')).toBe('reached');
  });
});
