import { afterEach, describe, expect, test } from 'vitest';
import { z } from 'zod';
import {
  type AgentServices,
  agentMetrics,
  type CascadeOptions,
  Conversation,
  cascade,
  cascadeLegs,
  cascadeNotices,
  defineAgent,
  hangUpTool,
  judge,
  SERVICES_MISSING,
  type Stt,
  type Tts,
} from '../../src/agent/index.ts';
import { runAgent } from '../../src/agent/running-agent.ts';
import { createMetrics } from '../../src/telemetry/index.ts';
import { MemoryCall } from '../support/memory-call.ts';
import { recordingLog } from '../support/recording-log.ts';
import { ScriptedLlm } from '../support/scripted-llm.ts';

const stt: Stt = {
  name: 'deaf',
  listen: () => {
    throw new Error('nobody speaks here');
  },
};

/** 50 ms of sound a letter. */
function voice(name: string, failing = false): Tts & { spoken: string[] } {
  const spoken: string[] = [];
  return {
    name,
    spoken,
    async *synthesize(text) {
      if (failing) throw new Error('hoarse');
      spoken.push(text);
      yield { pcm: new Int16Array(text.length * 800), sampleRate: 16_000 };
    },
  };
}

const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

function start(
  answers: ConstructorParameters<typeof ScriptedLlm>[0] | null,
  options: Partial<CascadeOptions> = {},
  voices: { tts?: Tts; flite?: AgentServices['flite']; detects?: boolean } = {},
) {
  const { log, messages } = recordingLog();
  const call = new MemoryCall({ log });
  call.mouth.autoPlay = true;
  const llm = new ScriptedLlm(answers ?? []);
  const tts = voice('main');
  let warmed = 0;
  let heard = 0;
  const stack = {
    stt,
    llm,
    tts: voices.tts ?? tts,
    legs: [{ kind: 'llm', service: 'scripted', k: 1, local: false }],
    names: ['Scripted'],
    turnDetector: voices.detects
      ? {
          name: 'flux',
          open: () => ({
            write(pcm: Int16Array) {
              heard += pcm.length;
            },
            finalize() {},
            close() {},
          }),
        }
      : null,
    warm: () => void warmed++,
  } as const;
  const services = {
    metrics: agentMetrics(createMetrics({ processMetrics: false })),
    vad: { open: () => ({ push() {}, close() {} }) },
    smartTurn: null,
    stack: answers === null ? null : stack,
    flite: voices.flite ?? { missing: 'No flite.' },
  } as unknown as AgentServices;
  const definition = defineAgent({
    name: 'any',
    title: 'Any',
    description: 'Any.',
    examples: [],
    legs: cascadeLegs,
    notices: cascadeNotices,
    pipeline: () => cascade({ call, services, instructions: 'Be kind.', greeting: 'Hello.', ...options }),
  });
  const running = runAgent(definition, call, services);
  closing.push(async () => {
    call.leave();
    await running.done;
  });
  return { call, llm, tts, services, definition, messages, warmed: () => warmed, heard: () => heard };
}

describe('a cascade', () => {
  test('greets and answers with the services of the node, which it warms', async () => {
    const { call, llm, tts, warmed, definition, services } = start([['It is noon.']]);
    expect(warmed()).toBe(1);
    expect(await call.said('agent', 0)).toBe('Hello.');
    call.type('What time is it?');
    expect(await call.said('agent', 1)).toBe('It is noon.');
    expect(tts.spoken).toEqual(['Hello.', 'It is noon.']);
    expect(llm.requests[0]!.instructions).toBe('Be kind.');
    expect(definition.legs(services)).toMatchObject([{ kind: 'llm', service: 'scripted' }]);
    expect(definition.notices!(services)).toMatchObject([{ level: 'info', text: expect.stringContaining('Scripted') }]);
  });

  test('hears the whole call with a service that detects turns itself', async () => {
    const { call, heard } = start([['It is noon.']], {}, { detects: true });
    await call.said('agent', 0);
    await call.ear.hearSilence(200);
    expect(heard()).toBe(200 * 16);
  });

  test('waits for the caller when it has no greeting', async () => {
    const { call } = start([['Hm?']], { greeting: '' });
    call.type('Hello?');
    expect(await call.said('agent', 0)).toBe('Hm?');
  });

  test('on a node without services says what is missing and ends, by the local voice', async () => {
    const flite = Object.assign(voice('flite'), { prepare: async () => {} });
    const { call, definition, services } = start(null, {}, { flite });
    expect(await call.until(() => call.end ?? undefined)).toEqual({ code: 'agent-hung-up', reason: SERVICES_MISSING });
    expect(flite.spoken.join(' ')).toBe(`Sorry. ${SERVICES_MISSING}`);
    expect(definition.notices!(services)).toMatchObject([{ level: 'warning', code: 'services-missing' }]);
    expect(definition.legs(services)).toMatchObject([{ service: 'flite', local: true }]);
  });

  test('says so in text where there is no voice either', async () => {
    const { call } = start(null);
    expect(await call.until(() => call.end ?? undefined)).toEqual({ code: 'agent-hung-up', reason: SERVICES_MISSING });
    expect(await call.said('agent', 0)).toContain(SERVICES_MISSING);
    expect(call.mouth.utteranceCount).toBe(0);
  });

  test('speaks by the local voice when the other fails', async () => {
    const flite = Object.assign(voice('flite'), { prepare: async () => {} });
    const { call } = start([['It is noon.']], {}, { flite, tts: voice('hoarse', true) });
    expect(await call.said('agent', 0)).toBe('Hello.');
    expect(flite.spoken).toEqual(['Hello.']);
  });

  test('holds what was said while a tool ran as heard, and tells the model of it', async () => {
    const conversation = new Conversation();
    const look = {
      name: 'look',
      description: 'Looks.',
      parameters: z.object({}),
      filler: 'One moment.',
      fillerAfterMs: 10,
      run: () => call.said('caller', 1).then(() => new Promise<string>((done) => setTimeout(done, 100, 'seen'))),
    };
    const { call, llm } = start([[{ call: 'look' }], ['It is there.']], { conversation, tools: [look] });
    await call.said('agent', 0);
    call.type('Where is it?');
    expect(await call.said('agent', 1)).toBe('One moment. It is there.');
    expect(conversation.entries.slice(1)).toMatchObject([
      { role: 'caller', text: 'Where is it?' },
      { role: 'tool', result: 'seen' },
      { role: 'agent', text: 'One moment. It is there.', interrupted: false },
    ]);
    expect(llm.requests[1]!.said).toBe('One moment.');
  });

  test('hangs up by the tool for it, after the goodbye', async () => {
    const { call, tts } = start([[{ call: 'hang_up' }], ['Goodbye.']], { tools: [hangUpTool({ reason: 'Over.' })] });
    await call.said('agent', 0);
    call.type('Bye.');
    expect(await call.until(() => call.end ?? undefined)).toEqual({ code: 'agent-hung-up', reason: 'Over.' });
    expect(tts.spoken.at(-1)).toBe('Goodbye.');
  });

  test('sums up a long call in the background, and the model gets the summary', async () => {
    const { call, llm } = start(
      ({ instructions }) => [instructions === 'Be kind.' ? 'I see. '.repeat(20) : 'They talked.'],
      { context: { maxTokens: 100, keepEntries: 2 } },
    );
    await call.said('agent', 0);
    for (const turn of [1, 2, 3, 4]) {
      call.type(`${turn}. ${'Let me tell you. '.repeat(10)}`);
      await call.said('agent', turn);
    }
    await call.until(() => call.observations.find(({ type }) => type === 'context-summarized'), 'the summary');
    call.type('So?');
    await call.said('agent', 5);
    const last = llm.requests.filter(({ instructions }) => instructions === 'Be kind.').at(-1)!;
    expect(last.entries[0]).toMatchObject({ role: 'summary', text: 'They talked.' });
    expect(last.entries.at(-1)).toMatchObject({ role: 'caller', text: 'So?' });
  });

  test('has a judge hear beside it', async () => {
    const conversation = new Conversation();
    const verdicts: unknown[] = [];
    const judging = new ScriptedLlm([[{ call: 'give_verdict', with: { points: 7 } }]]);
    const { call } = start([['Well.']], {
      conversation,
      beside: judge({
        call: new MemoryCall(),
        conversation,
        llm: judging,
        instructions: 'How good is it?',
        verdict: z.object({ points: z.number() }),
        onVerdict: (verdict) => verdicts.push(verdict),
      }),
    });
    await call.said('agent', 0);
    call.type('Better?');
    expect(await call.said('agent', 1)).toBe('Well.');
    await expect.poll(() => verdicts).toEqual([{ points: 7 }]);
  });
});
