/** An agent of the usual stages that goes on with a call of another core, and the journal that it writes. */
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import {
  type AgentServices,
  type CallPorts,
  chain,
  conversationOf,
  defineAgent,
  type SpeechChunk,
  speak,
  type Tool,
  takeTurns,
  transcribe,
} from '../../../src/agent/index.ts';
import {
  applyNote,
  EMPTY_JOURNAL,
  type JournalState,
  resumedCall,
  type WireNote,
} from '../../../src/agent/journal/index.ts';
import { runAgent } from '../../../src/agent/running-agent.ts';
import { answerByModel } from '../../../src/agent/stages/answer-by-model.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { MemoryCall } from '../../support/memory-call.ts';
import { ScriptedLlm } from '../../support/scripted-llm.ts';

const settle = async () => {
  for (let turns = 0; turns < 20; turns++) await new Promise((resolve) => setImmediate(resolve));
};
const summed = (notes: readonly WireNote[]): JournalState => notes.reduce(applyNote, EMPTY_JOURNAL);
const asked = (text: string): WireNote[] => [
  { type: 'context', change: { at: 0, removed: 0, added: [{ role: 'caller', turn: 3, text }] } },
  { type: 'heard', turn: 3, packet: 9 },
];

function start(answers: ConstructorParameters<typeof ScriptedLlm>[0], state: JournalState | null = null, played = 0) {
  const memory = new MemoryCall({ clock: new FakeClock() });
  const notes: WireNote[] = [];
  const runs: string[] = [];
  const spoken: string[] = [];
  const llm = new ScriptedLlm(answers);
  const pay: Tool = {
    name: 'pay',
    description: 'Pays.',
    parameters: z.object({}),
    run: () => {
      runs.push('pay');
      return 'paid';
    },
  };
  const call = Object.assign(memory, {
    journal: {
      note: (note) => {
        if (note.type !== 'heard' && note.type !== 'listened') notes.push(note);
        else if (note.type === 'heard') notes.push({ type: 'heard', turn: note.turn, packet: null });
      },
    } satisfies CallPorts['journal'],
    ...(state && { resumed: resumedCall(state, played) }),
  });
  const definition = defineAgent({
    ...{ name: 'clerk', title: 'Clerk', description: 'Pays.', examples: [], legs: () => [] },
    pipeline: () => {
      const conversation = conversationOf(call);
      return chain(
        takeTurns({ call }),
        transcribe({ call, conversation, stt: { missing: 'Nobody listens here.' } }),
        answerByModel({
          ...{ call, llm, conversation, tools: [pay], greeting: 'Good day.', notUnderstood: 'Pardon?' },
          instructions: () => 'Be kind.',
          apology: () => 'Sorry.',
        }),
        speak({
          ...{ call, conversation },
          tts: {
            name: 'fake',
            async *synthesize(text): AsyncIterable<SpeechChunk> {
              spoken.push(text);
              yield { pcm: new Int16Array(16_000), sampleRate: 16_000 };
            },
          },
        }),
      );
    },
  });
  const counter = { inc() {} };
  const services = { metrics: { agentFailures: counter, slowStops: counter } } as unknown as AgentServices;
  runAgent(definition, call, services);
  const said = () => call.events.flatMap((event) => (event.type === 'transcript' && event.final ? [event.text] : []));
  return { call, llm, notes, runs, spoken, said };
}

describe('an agent that goes on with a call', () => {
  test('answers what was heard, and does not run a tool again that was under way', async () => {
    const tool = {
      role: 'tool',
      turn: 3,
      callId: 'c',
      name: 'pay',
      arguments: '{}',
      result: '',
      pending: true,
    } as const;
    const state = summed([...asked('pay the bill'), { type: 'context', change: { at: 1, removed: 0, added: [tool] } }]);
    const { llm, runs, spoken, said } = start([['It may be paid; I will look.']], state);
    await settle();
    expect(spoken).toEqual(['It may be paid; I will look.']);
    expect(said()).toEqual(['pay the bill']);
    expect(runs).toEqual([]);
    expect(llm.requests).toHaveLength(1);
    expect(llm.requests[0]?.entries).toMatchObject([
      { role: 'caller', turn: 3, text: 'pay the bill' },
      { role: 'tool', name: 'pay', result: expect.stringContaining('not known') },
    ]);
  });

  test('says the rest of an answer without asking anybody, and ends the call where that would have', async () => {
    const state = summed([
      ...asked('bye'),
      { type: 'reply', turn: 3, text: 'Good bye. Until soon.' },
      { type: 'sentence', turn: 3, text: 'Good bye.' },
      { type: 'utterance', turn: 3, utterance: 1 },
      { type: 'sound', turn: 3, ms: 1_000, words: [] },
      { type: 'sentence-ended', turn: 3 },
      { type: 'stretch', utterance: 1, atMs: 0, timestamp: 0 },
      { type: 'reply-ended', turn: 3, hangUp: 'The caller has left.' },
    ]);
    const { call, llm, spoken, said } = start([['never']], state, 1_000 * 48);
    await settle();
    expect(spoken).toEqual(['Until soon.']);
    expect(said()).toEqual(['Good bye.']);
    expect(llm.requests).toEqual([]);
    expect(call.end).toBe(null);
    call.mouth.play(Number.POSITIVE_INFINITY);
    await settle();
    expect(call.end).toMatchObject({ code: 'agent-hung-up', reason: 'The caller has left.' });
  });

  test('says what is known of an answer that was still being made, and has the model go on from there', async () => {
    const state = summed([
      ...asked('count'),
      { type: 'reply', turn: 3, text: 'One, two. Three,' },
      { type: 'sentence', turn: 3, text: 'One, two.' },
      { type: 'utterance', turn: 3, utterance: 1 },
      { type: 'sound', turn: 3, ms: 1_000, words: [] },
      { type: 'sentence-ended', turn: 3 },
      { type: 'stretch', utterance: 1, atMs: 0, timestamp: 0 },
    ]);
    const { llm, spoken } = start([['four.']], state, 1_000 * 48);
    await settle();
    expect(spoken).toEqual(['Three,', 'four.']);
    expect(llm.requests[0]?.said).toBe('');
    expect(llm.requests[0]?.entries).toMatchObject([
      { role: 'caller', text: 'count' },
      { role: 'agent', text: 'One, two.' },
      { role: 'agent', text: 'Three,' },
      { role: 'caller', text: expect.stringContaining('very next word') },
    ]);
  });

  test('greets nobody, and listens, when nothing is owed', async () => {
    const { spoken, call } = start([['never']], summed([{ type: 'listened', packet: 5 }]));
    await settle();
    expect(spoken).toEqual([]);
    expect(call.events).toContainEqual({ type: 'agent-state', state: 'listening' });
  });
});

describe('the journal of an agent', () => {
  test('adds up to its context when nothing is being said, and tells each tool before it runs', async () => {
    const { call, notes, runs } = start([[{ call: 'pay' }], ['Done.']]);
    await settle();
    call.mouth.play(Number.POSITIVE_INFINITY);
    await settle();
    call.type('pay');
    await settle();
    expect(runs).toEqual(['pay']);
    expect(summed(notes).reply).toMatchObject({ turn: 1, text: expect.stringContaining('Done.'), ended: true });
    call.mouth.play(Number.POSITIVE_INFINITY);
    await settle();
    expect(summed(notes)).toMatchObject({ reply: null, heardTurn: 1, answeredTurn: 1 });
    expect(summed(notes).context).toMatchObject([
      { role: 'agent', text: 'Good day.' },
      { role: 'caller', text: 'pay' },
      { role: 'tool', name: 'pay', result: 'paid' },
      { role: 'agent', text: 'Done.' },
    ]);
    const begun = notes.findIndex((note) => note.type === 'context' && note.change.added[0]?.role === 'tool');
    expect(summed(notes.slice(0, begun + 1)).context.at(-1)).toMatchObject({ role: 'tool', pending: true });
  });
});
