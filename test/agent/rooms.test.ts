import { afterEach, describe, expect, test } from 'vitest';
import { withNames } from '../../src/agent/context/index.ts';
import {
  type AgentServices,
  agentMetrics,
  announceParticipants,
  Conversation,
  cascade,
  type Participant,
  type ParticipantChange,
  type Participants,
  type Speaker,
  type Stt,
} from '../../src/agent/index.ts';
import { resumedCall } from '../../src/agent/journal/index.ts';
import { runAgent } from '../../src/agent/running-agent.ts';
import { Turn } from '../../src/agent/turn.ts';
import { SileroModel } from '../../src/agent/vad/silero.ts';
import { VadBatcher } from '../../src/agent/vad/vad-batcher.ts';
import { createMetrics, silentLogger } from '../../src/telemetry/index.ts';
import { MemoryCall } from '../support/memory-call.ts';
import { ScriptedLlm } from '../support/scripted-llm.ts';
import { hasFlite, speech } from './speech.ts';

const ANN: Speaker = { participantId: 'ann', name: 'Ann' };
const BOB: Speaker = { participantId: 'bob', name: 'Bob' };

class Roster implements Participants {
  list: Participant[] = [];
  readonly #listeners = new Set<(change: ParticipantChange) => void>();

  onChange(listener: (change: ParticipantChange) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  change(type: ParticipantChange['type'], speaker: Speaker): void {
    const participant = { ...speaker, muted: false };
    if (type === 'left') this.list = this.list.filter((one) => one.participantId !== speaker.participantId);
    else this.list = [...this.list, participant];
    for (const listener of [...this.#listeners]) listener({ type, participant });
  }
}

describe('the context of a room', () => {
  test('keeps what one said apart from what another added to it', () => {
    const conversation = new Conversation();
    const anns = new Turn(1, 'speech', null, ANN);
    conversation.callerSaid(anns, 'I would like');
    const again = new Turn(2, 'speech', anns, ANN);
    conversation.callerSaid(again, 'I would like tea');
    const bobs = new Turn(3, 'speech', again, BOB);
    conversation.callerSaid(bobs, 'and I coffee');
    expect(conversation.entries).toEqual([
      { role: 'caller', turn: 2, text: 'I would like tea', speaker: ANN },
      { role: 'caller', turn: 3, text: 'and I coffee', speaker: BOB },
    ]);
    // A client shows them as two, too.
    expect([again.root, bobs.root]).toEqual([1, 3]);
  });

  test('tells the model who said what, where there is more than one', () => {
    const conversation = new Conversation();
    conversation.callerSaid(new Turn(1, 'speech', null, ANN), 'hello');
    conversation.agentSaid(new Turn(1, 'speech'), 'Hello, Ann.', false);
    const texts = () => withNames(conversation.entries).map((entry) => (entry.role === 'tool' ? '' : entry.text));
    expect(texts()).toEqual(['hello', 'Hello, Ann.']);
    conversation.callerSaid(new Turn(2, 'speech', null, BOB), 'hi');
    expect(texts()).toEqual(['Ann: hello', 'Hello, Ann.', 'Bob: hi']);
    conversation.callerSaid(new Turn(3, 'speech', null, { participantId: 'other', name: 'Ann' }), 'me too');
    expect(texts().at(-1)).toBe('Ann (2): me too');
  });

  test('has notes of who comes and goes, which nobody is owed an answer to', () => {
    const conversation = new Conversation();
    const participants = new Roster();
    const call = new MemoryCall({ participants });
    announceParticipants({ call, conversation });
    participants.change('joined', ANN);
    conversation.callerSaid(new Turn(1, 'speech', null, ANN), 'hello');
    conversation.agentSaid(new Turn(1, 'speech'), 'Hello.', false);
    participants.change('joined', BOB);
    participants.change('left', ANN);
    participants.change('returned', ANN);
    expect(withNames(conversation.entries).map((entry) => (entry.role === 'tool' ? '' : entry.text))).toEqual([
      'Ann: hello',
      'Hello.',
      '[Bob has joined. Here now: Ann, Bob.]',
      '[Ann has left. Here now: Bob.]',
    ]);
    const journal = { context: [...conversation.entries], consumed: null, heardTurn: 1, answeredTurn: 1, messages: 0 };
    const resumed = resumedCall({ ...journal, reply: null, script: null }, null);
    expect(resumed.unanswered).toBeNull();
    expect(resumed.conversation.entries).toHaveLength(4);
    call.leave();
    participants.change('left', BOB);
    expect(conversation.entries).toHaveLength(4);
  });

  test('goes on with who was not answered', () => {
    const said = { role: 'caller', turn: 4, text: 'and I coffee', speaker: BOB } as const;
    const journal = { context: [said], consumed: null, heardTurn: 4, answeredTurn: 3, messages: 0 };
    const { unanswered } = resumedCall({ ...journal, reply: null, script: null }, null);
    expect(unanswered).toEqual({ turn: 4, text: 'and I coffee', speaker: BOB });
  });
});

/** Understands each utterance as the next of these words. */
class WordyStt implements Stt {
  readonly name = 'wordy';
  readonly #words: string[];
  /** How much sound each was given, ms. */
  readonly heardMs: number[] = [];

  constructor(words: readonly string[]) {
    this.#words = [...words];
  }

  listen() {
    const index = this.heardMs.push(0) - 1;
    const text = this.#words.shift() ?? '?';
    return {
      write: (pcm: Int16Array) => {
        this.heardMs[index]! += pcm.length / 16;
      },
      finish: async () => ({ text }),
      close() {},
    };
  }
}

const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

async function start(words: readonly string[], answers: ConstructorParameters<typeof ScriptedLlm>[0]) {
  const call = new MemoryCall({ participants: new Roster() });
  const metrics = agentMetrics(createMetrics({ processMetrics: false }));
  const model = await SileroModel.load({ maxBatch: 1 });
  const vad = new VadBatcher({
    model,
    log: silentLogger,
    runSeconds: metrics.vadRunSeconds,
    batchSize: metrics.vadBatchSize,
    failures: metrics.vadFailures,
  });
  const stt = new WordyStt(words);
  const llm = new ScriptedLlm(answers);
  const tts = {
    name: 'tone',
    async *synthesize(text: string) {
      yield { pcm: new Int16Array(text.length * 800), sampleRate: 16_000 };
    },
  };
  const stack = { stt, llm, tts, legs: [], names: [], turnDetector: null, warm() {} };
  const services = {
    metrics,
    vad,
    smartTurn: null,
    stack,
    flite: { missing: 'No flite.' },
  } as unknown as AgentServices;
  const running = runAgent(
    {
      ...{ name: 'any', title: 'Any', description: 'Any.', examples: [], legs: () => [] },
      pipeline: () => cascade({ call, services, instructions: 'Be kind.', greeting: '', turns: { idle: null } }),
    },
    call,
    services,
  );
  closing.push(async () => {
    call.leave();
    await running.done;
    await vad.close();
    await model.close();
  });
  const says = async (speaker: Speaker, text: string) => {
    call.ear.speaker = speaker;
    await call.ear.hear(await speech(text));
  };
  const transcripts = () =>
    call.events.flatMap((event) =>
      event.type === 'transcript' && event.role === 'caller' && event.final
        ? [`${event.id} ${event.speaker?.name}: ${event.text}`]
        : [],
    );
  return { call, llm, stt, says, transcripts };
}

describe.skipIf(!hasFlite)('the pipeline in a room', () => {
  test('knows who said what, and answers two who spoke one right after the other once', async () => {
    const { call, llm, says, transcripts } = await start(
      ['I would like tea', 'and I take coffee'],
      [['Tea and coffee.'], ['Tea and coffee.'], ['Tea and coffee.']],
    );
    await says(ANN, 'I would like a cup of tea please');
    // No pause at all between them: the floor passed.
    await says(BOB, 'and I will take a cup of coffee');
    await call.ear.hearSilence(1_500);
    await call.until(() => (call.mouth.bufferedMs > 0 ? true : undefined), 'an answer');
    expect(llm.requests.at(-1)!.entries).toEqual([
      { role: 'caller', turn: 0, text: 'Ann: I would like tea', speaker: ANN },
      { role: 'caller', turn: 1, text: 'Bob: and I take coffee', speaker: BOB },
    ]);
    expect(transcripts()).toEqual(['c0 Ann: I would like tea', 'c1 Bob: and I take coffee']);
    expect(call.mouth.utteranceCount).toBe(1);
    const speaking = call.events.flatMap((event) =>
      event.type === 'caller-speaking' && event.speaking ? [event.speaker?.name] : [],
    );
    expect(new Set(speaking)).toEqual(new Set(['Ann', 'Bob']));
  });

  test('is interrupted by anybody in it', async () => {
    const { call, llm, says } = await start(
      ['Tell us a story', 'No, stop it now please'],
      [['Once upon a time there was a cat that had a hat and sat on a mat all day.'], ['All right.']],
    );
    await says(ANN, 'Tell us a story');
    await call.ear.hearSilence(1_000);
    await call.until(() => (call.mouth.bufferedMs > 0 ? true : undefined), 'an answer');
    call.mouth.play(600);
    await says(BOB, 'No, stop it now please');
    expect(call.mouth.flushes).toBe(1);
    await call.ear.hearSilence(1_500);
    await call.until(() => (llm.requests.length > 1 ? true : undefined), 'a second answer');
    expect(llm.requests[1]!.entries.at(-1)).toMatchObject({ text: 'Bob: No, stop it now please', speaker: BOB });
  });

  test('knows who typed', async () => {
    const { call, llm } = await start([], [['Hello.'], ['Hello.']]);
    call.type('hello', ANN);
    await call.until(() => (llm.requests.length > 0 ? true : undefined), 'a request');
    expect(llm.requests[0]!.entries).toEqual([{ role: 'caller', turn: 0, text: 'hello', speaker: ANN }]);
    expect(call.events.find((event) => event.type === 'transcript')).toMatchObject({ speaker: ANN, text: 'hello' });
  });
});
