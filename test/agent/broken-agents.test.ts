import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, describe, expect, test } from 'vitest';
import { AgentHost } from '../../src/agent/index.ts';
import { type Clock, systemClock } from '../../src/clock.ts';
import { loadConfig } from '../../src/config/index.ts';
import { createMetrics } from '../../src/telemetry/index.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { MemoryCall } from '../support/memory-call.ts';
import { recordingLog } from '../support/recording-log.ts';

const ROOT = join(import.meta.dirname, '../..');
const face = (path: string) => `'${pathToFileURL(join(ROOT, path)).href}'`;

const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function loadHost(modules: Record<string, string>, clock: Clock = systemClock) {
  const folder = await mkdtemp(join(tmpdir(), 'antipode-broken-'));
  closing.push(() => rm(folder, { recursive: true }));
  for (const [name, code] of Object.entries(modules)) await writeFile(join(folder, name), code);
  const { log, lines, messages } = recordingLog();
  const metrics = createMetrics({ processMetrics: false });
  const config = loadConfig({ file: null, environment: {}, defaults: { 'core.agentsDir': folder } });
  const host = await AgentHost.load({ config, clock, log, metrics });
  closing.push(() => host.close());
  return { host, log, lines, messages, metrics };
}

/** A module whose agent is typed to: a model of the given parts, one round after the other, and the given tools. */
function typed({ answers = "['Hello there.']", tools = '', stages = '' }): string {
  return `
import { z } from '${import.meta.resolve('zod')}';
import { answerByModel, chain, Conversation, defineAgent, speak, takeTurns, transcribe } from ${face('src/agent/index.ts')};
import { ScriptedLlm } from ${face('test/support/scripted-llm.ts')};

const voice = {
  name: 'tone',
  async *synthesize(text: string) {
    yield { pcm: new Int16Array(text.length * 160), sampleRate: 16_000 };
  },
};
const look = (run: (input: unknown, context: { signal: AbortSignal }) => unknown, more = {}) => ({
  name: 'look',
  description: 'Looks.',
  parameters: z.object({ at: z.string().optional() }),
  run: run as () => string,
  ...more,
});
const throwing = (name: string, kind: string, nth: number) => {
  let seen = 0;
  return {
    name,
    process(frame: any, emit: any) {
      if (frame.kind === kind && ++seen === nth) throw new Error('the secret cause');
      emit(frame);
    },
    close() {},
  };
};
const hanging = (name: string, kind: string) => ({
  name,
  process(frame: any, emit: any) {
    if (frame.kind === kind && frame.text === 'hang') return new Promise<void>(() => {});
    emit(frame);
  },
  close() {},
});

export default defineAgent({
  name: 'typed', title: 'Typed', description: 'Answers what is typed.', examples: [], legs: () => [],
  pipeline(call) {
    const conversation = new Conversation();
    const llm = new ScriptedLlm([${answers}] as any);
    return chain(
      takeTurns({ call, greets: false }),
      transcribe({ call, conversation, stt: { missing: 'Type to me.' } }),
      ${stages}
      answerByModel({
        call, llm, conversation, instructions: () => 'Be brief.', greeting: '', notUnderstood: 'Pardon?',
        tools: [${tools}] as any, apology: (error) => 'Sorry, something went wrong.',
      }),
      speak({ call, conversation, tts: voice }),
    );
  },
});`;
}

async function callTyped(parts: Parameters<typeof typed>[0]) {
  const loaded = await loadHost({ 'typed.ts': typed(parts) });
  expect(loaded.host.agents.map(({ name }) => name)).toEqual(['typed']);
  const call = new MemoryCall({ log: loaded.log });
  call.mouth.autoPlay = true;
  const running = loaded.host.start('typed', call);
  closing.push(async () => {
    call.leave();
    await running.done;
  });
  const outcomes = () =>
    call.events.flatMap((event) =>
      event.type === 'tool' && event.state !== 'running' ? [`${event.name} ${event.state}`] : [],
    );
  return { ...loaded, call, running, outcomes };
}

const agent = (fields: string) => `export default {
  name: 'good', title: 'Good', description: 'Fine.', examples: [], legs: () => [],
  pipeline: () => ({ name: 'nothing', process() {}, close() {} }),
  ${fields}
};`;

describe('an agent module', () => {
  const bad: [string, string, RegExp][] = [
    ['is no TypeScript', 'export default {', /cannot be loaded/],
    ['exports nothing', 'export const name = 1;', /there is no default export/],
    ['throws', `throw new Error('no database');`, /cannot be loaded: no database/],
    ['throws no error', 'throw 7;', /cannot be loaded: 7/],
    ['imports what is not there', `import './nowhere.ts'; ${agent('')}`, /cannot be loaded/],
    ['has no name of an agent', agent(`name: 'Not A Name',`), /name: lower case letters/],
    ['has no pipeline', agent(`pipeline: 'chain',`), /pipeline: must be a function/],
    ['throws in its legs', agent(`legs() { throw new Error('no legs'); },`), /cannot be used: no legs/],
    ['has legs that are none', agent(`legs: () => [{ kind: 'brain' }],`), /legs\.0\.kind/],
    ['has notices that are none', agent(`notices: () => [{ level: 'shout' }],`), /notices\.0\.level/],
  ];
  /** Loaded once, all of them together: each must be left out for its own reason. */
  let loading: ReturnType<typeof loadHost> | null = null;

  test.each(bad)('that %s is left out with its reason', async (how, _code, reason) => {
    loading ??= loadHost({
      ...Object.fromEntries(bad.map(([name, code]) => [`${name}.ts`, code])),
      'good.ts': agent(`name: 'better',`),
    });
    const { host, lines } = await loading;
    expect(host.agents.map(({ name }) => name)).toEqual(['better']);
    const errors = lines.filter(({ level, fields }) => level === 'error' && fields.module === `${how}.ts`);
    expect(errors).toMatchObject([
      {
        message: 'an agent module was left out',
        fields: { code: 'ERR_AGENT_INVALID', err: { message: expect.stringMatching(reason) } },
      },
    ]);
  });

  test('that never finishes loading is given up', async () => {
    const clock = new FakeClock();
    const loading = loadHost({ 'bad.ts': `await new Promise(() => {});`, 'good.ts': agent('') }, clock);
    const tick = setInterval(() => clock.advance(1_000), 5);
    const { host, lines } = await loading;
    clearInterval(tick);
    expect(host.agents.map(({ name }) => name)).toEqual(['good']);
    expect(lines.find(({ level }) => level === 'error')).toMatchObject({
      fields: { module: 'bad.ts', err: { message: expect.stringContaining('not loaded after 10000 ms') } },
    });
  });

  test.each([
    ['throws', `pipeline() { throw new Error('no chain'); },`, 'The agent failed.'],
    ['gives nothing', 'pipeline() {},', "The agent's pipeline is no chain of stages: undefined."],
    [
      'gives a promise',
      'pipeline: async () => ({ stages: [] }),',
      "The agent's pipeline is no chain of stages: a promise.",
    ],
    [
      'has a hole',
      'pipeline: () => ({ stages: [null] }),',
      "The agent's pipeline is no chain of stages: something in it is none.",
    ],
  ])('whose pipeline %s ends its call with a reason, and only that', async (_how, pipeline, reason) => {
    const { host, log, messages } = await loadHost({ 'sick.ts': agent(pipeline) });
    const call = new MemoryCall({ log });
    const running = host.start('good', call);
    await running.done;
    expect(call.end).toEqual({ code: 'agent-failed', reason });
    expect(call.events).toContainEqual(expect.objectContaining({ type: 'notice', code: 'ERR_AGENT_FAILED' }));
    expect(messages()).toContain('an agent failed');
    expect(host.runningCount).toBe(0);
  });
});

describe('a stage', () => {
  test('that throws in a turn is apologized for, and the call goes on', async () => {
    const { call, lines } = await callTyped({ stages: `throwing('fragile', 'transcript', 2),` });
    call.type('one');
    expect(await call.said('agent', 0)).toBe('Hello there.');
    call.type('two');
    expect(await call.said('agent', 1)).toContain('Sorry, something went wrong.');
    call.type('three');
    expect(await call.said('agent', 2)).toBe('Hello there.');
    expect(call.end).toBeNull();
    expect(lines.find(({ message }) => message === 'a stage failed')).toMatchObject({
      fields: { stage: 'fragile', frame: 'transcript', err: { cause: { message: 'the secret cause' } } },
    });
    expect(JSON.stringify(call.events)).not.toContain('secret');
  });

  test('that throws on the hundredth frame of sound ends the call with its name', async () => {
    const { call, running, lines, metrics } = await callTyped({ stages: `throwing('deaf', 'caller-audio', 100),` });
    call.ear.push(new Int16Array(99 * 320));
    expect(call.end).toBeNull();
    call.ear.push(new Int16Array(320));
    await running.done;
    expect(call.end).toMatchObject({ code: 'agent-failed', reason: 'Stage deaf failed.' });
    expect(lines.find(({ message }) => message === 'an agent failed')).toMatchObject({ fields: { agent: 'typed' } });
    expect(await metrics.getSingleMetricAsString('antipode_agent_failures_total')).toContain('{agent="typed"} 1');
  });

  test('that never resolves holds up its turn alone, and not the end of the call', async () => {
    const { call, running, messages, metrics } = await callTyped({ stages: `hanging('stuck', 'transcript'),` });
    call.type('hang');
    await call.said('caller', 0);
    call.type('go on');
    expect(await call.said('agent', 1)).toBe('Hello there.');
    call.type('hang');
    await call.said('caller', 2);
    const beganAt = performance.now();
    call.leave();
    await running.done;
    expect(performance.now() - beganAt).toBeLessThan(1_000);
    const late = () => messages().filter((message) => message === 'a stage did not stop in time').length;
    await expect.poll(late).toBe(2);
    expect(await metrics.getSingleMetricAsString('antipode_agent_slow_stops_total')).toContain('{stage="stuck"} 2');
  });
});

describe('a model and its tools', () => {
  const lookThen = `[{ call: 'look' }], ['That is what I found.']`;

  test.each([
    ['throws', `look(() => { throw new Error('the secret cause'); })`, 'look failed', 'a tool failed'],
    ['never ends', `look(() => new Promise(() => {}), { timeoutMs: 50 })`, 'look timed-out', 'a tool took too long'],
    [
      'ends late',
      `look(() => new Promise((done) => setTimeout(done, 90, 'x')), { timeoutMs: 50 })`,
      'look timed-out',
      'a tool ended late: dropped',
    ],
  ])('whose tool %s has words for the caller', async (_how, tools, outcome, logged) => {
    const { call, outcomes, messages } = await callTyped({ answers: lookThen, tools });
    call.type('look');
    expect(await call.said('agent', 0)).toBe('That is what I found.');
    expect(outcomes()).toEqual([outcome]);
    await expect.poll(messages).toContain(logged);
    expect(JSON.stringify(call.events)).not.toContain('secret');
    expect(call.end).toBeNull();
  });

  test.each([
    ['a tool that is not there', `[{ call: 'fly' }], ['I cannot fly.']`, 'fly unknown-tool', 'I cannot fly.'],
    ['with wrong arguments', `[{ call: 'look', with: { at: 7 } }], ['Where?']`, 'look invalid-arguments', 'Where?'],
    ['with no JSON', `[{ call: 'look', with: '{at:' }], ['Where?']`, 'look invalid-arguments', 'Where?'],
  ])('that calls %s is told so and has words', async (_what, answers, outcome, words) => {
    const { call, outcomes, messages } = await callTyped({ answers, tools: `look(() => 'seen')` });
    call.type('go');
    expect(await call.said('agent', 0)).toBe(words);
    expect(outcomes()).toEqual([outcome]);
    expect(messages()).toContain('a tool call could not be run');
  });

  test('that calls a hundred at once has sixteen run', async () => {
    const { call, outcomes } = await callTyped({
      answers: `Array.from({ length: 100 }, () => ({ call: 'look' })), ['Enough.']`,
      tools: `look(() => 'seen')`,
    });
    call.type('look everywhere');
    expect(await call.said('agent', 0)).toBe('Enough.');
    expect(outcomes().filter((outcome) => outcome === 'look ok')).toHaveLength(16);
    expect(outcomes()).toHaveLength(17);
  });

  test('that does nothing else has words in the end', async () => {
    const { call, messages } = await callTyped({ answers: `[{ call: 'look' }]`, tools: `look(() => 'seen')` });
    call.type('look');
    expect(await call.said('agent', 0)).toMatch(/Sorry, I have no answer/);
    expect(messages()).toContain('the model calls tools without end');
  });

  test('that fails is apologized for by voice, and answers again when it can', async () => {
    const { call, lines } = await callTyped({ answers: `[{ fails: new Error('the secret cause') }], ['Here I am.']` });
    call.type('one');
    expect(await call.said('agent', 0)).toContain('Sorry, something went wrong.');
    call.type('two');
    expect(await call.said('agent', 1)).toBe('Here I am.');
    expect(lines.find(({ message }) => message === 'the language model failed')).toMatchObject({
      fields: { service: 'scripted', err: { code: 'ERR_SERVICE_FAILED', cause: { message: 'the secret cause' } } },
    });
  });
});
