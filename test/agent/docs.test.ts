import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { afterEach, expect, test } from 'vitest';
import { AgentHost } from '../../src/agent/index.ts';
import { systemClock } from '../../src/clock.ts';
import { loadConfig } from '../../src/config/index.ts';
import { createMetrics, silentLogger } from '../../src/telemetry/index.ts';
import { type FakeChatAnswer, type FakeChatRequest, FakeOpenAi } from '../fakes/openai.ts';
import { MemoryCall, type MemoryCallOptions } from '../support/memory-call.ts';

const ROOT = join(import.meta.dirname, '../..');

const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

/** The code of a page's block, its imports made to work from any folder. */
async function codeOf(page: string, fence: string): Promise<string> {
  const text = await readFile(join(ROOT, 'docs', page), 'utf8');
  const code = text.split(`\`\`\`${fence}\n`)[1]?.split('```')[0];
  if (code === undefined) throw new Error(`${page} has no block ${fence}`);
  return code
    .replace(/'\.\.\/((?:src|test)\/[^']+)'/g, (_, path) => `'${pathToFileURL(join(ROOT, path)).href}'`)
    .replace(/'zod'/g, `'${import.meta.resolve('zod')}'`);
}

async function agentsFolder(modules: Record<string, string>): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'antipode-agents-'));
  closing.push(() => rm(folder, { recursive: true }));
  for (const [name, code] of Object.entries(modules)) await writeFile(join(folder, name), code);
  return folder;
}

/** A call to the agent of a block in docs/write-an-agent.md, with a model that answers by `chat`. */
async function callAgent(
  name: string,
  chat: (request: FakeChatRequest) => FakeChatAnswer,
  options: MemoryCallOptions = {},
) {
  const agentsDir = await agentsFolder({ [`${name}.ts`]: await codeOf('write-an-agent.md', `ts file=${name}`) });
  const fake = await FakeOpenAi.start({ chat });
  closing.push(() => fake.close());
  const host = await AgentHost.load({
    config: loadConfig({
      file: null,
      environment: { OPENAI_API_KEY: fake.apiKey, OPENAI_BASE_URL: fake.baseUrl },
      defaults: { 'core.agentsDir': agentsDir },
    }),
    clock: systemClock,
    log: silentLogger,
    metrics: createMetrics({ processMetrics: false }),
  });
  closing.push(() => host.close());
  expect(host.agents.map((agent) => agent.name)).toEqual([name]);
  const call = new MemoryCall(options);
  call.mouth.autoPlay = true;
  const running = host.start(name, call);
  closing.push(async () => {
    call.leave();
    await running.done;
  });
  return { call, fake, host };
}

const lastOf = ({ messages }: FakeChatRequest) => messages.at(-1)!;

test('the agent in docs/write-a-stage.md loads and answers', async () => {
  const agentsDir = await agentsFolder({ 'parrot.ts': await codeOf('write-a-stage.md', 'ts') });
  const host = await AgentHost.load({
    config: loadConfig({ file: null, environment: {}, defaults: { 'core.agentsDir': agentsDir } }),
    clock: systemClock,
    log: silentLogger,
    metrics: createMetrics({ processMetrics: false }),
  });
  closing.push(() => host.close());
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
});

test('the barista of docs/write-an-agent.md greets and answers, and says where the words go', async () => {
  const { call, host } = await callAgent('barista', () => ({ text: '**A flat white**, coming up! ☕' }));
  expect(host.agents[0]!.notices).toMatchObject([{ level: 'info', text: expect.stringContaining('OpenAI') }]);
  expect(host.legs('barista').map(({ kind }) => kind)).toEqual(['stt', 'llm', 'tts']);
  expect(await call.said('agent', 0)).toBe('Good morning! What can I get you?');
  call.type('A flat white, please');
  expect(await call.said('agent', 1)).toBe('A flat white, coming up!');
});

test('the waiter of docs/write-an-agent.md is asked to greet, reads the menu, takes an order and hangs up', async () => {
  const { call } = await callAgent('waiter', (request) => {
    const { role, content } = lastOf(request);
    if (role === 'tool') {
      if (content!.includes('goodbye')) return { text: 'Goodbye.' };
      return { text: content!.includes('four euros') ? 'There is soup.' : 'Your number is seven.' };
    }
    if (/Greet them/.test(content!)) return { text: 'Good evening!' };
    if (/today/.test(content!)) return { toolCalls: [{ name: 'read_menu', arguments: '{}' }] };
    if (/soup/i.test(content!)) return { toolCalls: [{ name: 'place_order', arguments: '{"dishes":["soup"]}' }] };
    return { toolCalls: [{ name: 'hang_up', arguments: '{}' }] };
  });
  expect(await call.said('agent', 0)).toBe('Good evening!');
  call.type('What is there today?');
  expect(await call.said('agent', 1)).toBe('There is soup.');
  call.type('Soup, please');
  expect(await call.said('agent', 2)).toBe('Your number is seven.');
  call.type('That is all');
  expect(await call.until(() => call.end ?? undefined)).toMatchObject({ code: 'agent-hung-up' });
  expect(await call.said('agent', 3)).toBe('Goodbye.');
});

test('the host of docs/write-an-agent.md knows who is in the room, and who speaks', async () => {
  const [ann, bob] = ['Ann', 'Bob'].map((name) => ({ participantId: name, name, muted: false }));
  const participants = { list: [ann!, bob!], onChange: () => () => {} };
  const asked: FakeChatRequest[] = [];
  const chat = (request: FakeChatRequest) => {
    asked.push(request);
    return { text: 'Go on.' };
  };
  const { call } = await callAgent('host', chat, { participants });
  await call.said('agent', 0);
  call.type('Hello.', ann);
  await call.said('agent', 1);
  call.type('Hi.', bob);
  expect(await call.said('agent', 2)).toBe('Go on.');
  expect(asked[1]!.messages[0]!.content).toContain('Here now: Ann, Bob.');
  expect(asked[1]!.messages.filter(({ role }) => role === 'user').map(({ content }) => content)).toEqual([
    'Ann: Hello.',
    'Bob: Hi.',
  ]);
});

test('the verdict of the second model in docs/write-an-agent.md is in what the first is told next', async () => {
  const { call } = await callAgent('counsel', ({ messages, tools }) =>
    tools?.[0]?.function.name === 'give_verdict'
      ? { toolCalls: [{ name: 'give_verdict', arguments: '{"mood":"upset"}' }] }
      : { text: messages[0]!.content!.includes('upset') ? 'I am so sorry.' : 'I see.' },
  );
  await call.said('agent', 0);
  call.type('My parcel is late again!');
  expect(await call.said('agent', 1)).toBe('I see.');
  await call.until(() => (call.events.some((event) => event.type === 'custom') ? true : undefined), 'the verdict');
  call.type('Well?');
  expect(await call.said('agent', 2)).toBe('I am so sorry.');
});

test('the test in docs/write-an-agent.md passes', async () => {
  const folder = await agentsFolder({
    'barista.ts': await codeOf('write-an-agent.md', 'ts file=barista'),
    'barista.test.ts': await codeOf('write-an-agent.md', 'ts file=barista.test'),
  });
  const environment = { ...process.env };
  delete environment.NODE_OPTIONS;
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['--test', '--test-reporter=tap', join(folder, 'barista.test.ts')],
    { cwd: ROOT, env: environment },
  );
  expect(stdout).toContain('# pass 1');
});
