import { afterEach, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { Conversation } from '../../../src/agent/conversation.ts';
import type { Frame } from '../../../src/agent/frames.ts';
import { CircuitBreaker, ResilientS2s, serviceMetrics } from '../../../src/agent/services/book/index.ts';
import { OpenAiRealtime, type OpenAiRealtimeOptions } from '../../../src/agent/services/s2s/openai-realtime.ts';
import type { SpeechChunk, Tts } from '../../../src/agent/services/tts.ts';
import { type ConverseOptions, converse } from '../../../src/agent/stages/converse.ts';
import { UNWRITTEN } from '../../../src/agent/stages/converse-caller.ts';
import { Turn } from '../../../src/agent/turn.ts';
import { type Clock, systemClock } from '../../../src/clock.ts';
import { createMetrics, silentLogger } from '../../../src/telemetry/index.ts';
import {
  type FakeAnswer,
  type FakeQuestion,
  FakeRealtimeConversation,
  type RealtimeConversationOptions,
} from '../../fakes/openai-realtime-conversation.ts';
import { sayTones, type ToneWord } from '../../fakes/tone-words.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { MemoryCall } from '../../support/memory-call.ts';

/** 50 ms of sound for each letter. */
class SpareTts implements Tts {
  readonly name = 'spare';
  readonly spoken: string[] = [];

  async *synthesize(text: string): AsyncIterable<SpeechChunk> {
    this.spoken.push(text);
    yield { pcm: new Int16Array(text.length * 800), sampleRate: 16_000 };
  }
}

function answer({ said, items, instructions }: FakeQuestion): FakeAnswer {
  const last = items.at(-1);
  if (last?.type === 'function_call_output') return { say: `It is ${last.text}.` };
  const exactly = /say exactly[^"]*"([^"]*)"/i.exec(instructions);
  if (exactly) return { say: exactly[1]! };
  if (said === 'seven') return { say: 'Let me look.', calls: [{ name: 'get_time', arguments: '{}' }] };
  if (said === 'eight') return { calls: [{ name: 'hang_up', arguments: '{}' }] };
  return { say: `You said ${said}.` };
}

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

interface RigOptions {
  fake?: RealtimeConversationOptions;
  service?: Partial<OpenAiRealtimeOptions>;
  stage?: Partial<ConverseOptions>;
  clock?: Clock;
}

async function setUp({ fake: fakeOptions, service, stage: stageOptions, clock }: RigOptions = {}) {
  const fake = await FakeRealtimeConversation.start({ answer, ...fakeOptions });
  closing.push(() => fake.close());
  const call = new MemoryCall({ clock, backboneRttMs: 30 });
  const conversation = new Conversation();
  const shared = { clock: systemClock, log: silentLogger, replyTimeoutMs: 20_000 };
  const s2s = new OpenAiRealtime({ apiKey: fake.apiKey, url: fake.url, ...shared, ...service });
  const stage = converse({
    call,
    s2s,
    conversation,
    instructions: 'Be brief.',
    greeting: 'Welcome.',
    ...stageOptions,
  });
  closing.push(() => stage.close());
  const passedOn: Frame[] = [];
  const put = (frame: Frame) => stage.process(frame, (each) => passedOn.push(each));
  let position = 0;
  let turns = 0;
  const hear = (pcm: Int16Array) => {
    for (let at = 0; at < pcm.length; at += 320) {
      const audio = {
        pcm: pcm.slice(at, at + 320),
        position,
        receivedAtMs: call.clock.now(),
        origin: 'received',
      } as const;
      void put({ kind: 'caller-audio', audio });
      position += 320;
    }
  };
  const begin = (continues: Turn | null = null) => {
    const turn = new Turn(turns++, 'speech', continues);
    turn.marks.lastSoundAtMs = call.clock.now();
    void put({ kind: 'turn-started', turn, position });
    return turn;
  };
  const end = (turn: Turn) => {
    turn.marks.endedAtMs = call.clock.now();
    void put({ kind: 'turn-ended', turn, text: null, voicedMs: 400 });
  };
  const ask = (words: readonly ToneWord[], continues: Turn | null = null) => {
    const turn = begin(continues);
    hear(sayTones(words));
    end(turn);
    return turn;
  };
  const other = (cause: 'call' | 'text' | 'idle', text: string | null = null) => {
    const turn = new Turn(turns++, cause);
    turn.marks.lastSoundAtMs = call.clock.now();
    turn.marks.endedAtMs = call.clock.now();
    void put({ kind: 'turn-started', turn, position: null });
    void put({ kind: 'turn-ended', turn, text, voicedMs: 0 });
    return turn;
  };
  void put({ kind: 'call-started', atMs: 0 });
  const transcripts = () => call.events.flatMap((event) => (event.type === 'transcript' ? [event] : []));
  const notices = () => call.events.flatMap((event) => (event.type === 'notice' ? [event] : []));
  const timelines = () => call.events.flatMap((event) => (event.type === 'turn' ? [event.timeline] : []));
  const runs = () => call.observations.flatMap((each) => (each.type === 'service-run' ? [each] : []));
  const written = (ms: number) =>
    call.until(() => (call.mouth.bufferedMs >= ms ? true : undefined), `${ms} ms in the mouth`);
  const settled = (turn: Turn) => new Promise<void>((resolve) => turn.onSettled(resolve));
  const turnDone = async (turn: Turn) => {
    call.mouth.autoPlay = true;
    call.mouth.play(Number.POSITIVE_INFINITY);
    await settled(turn);
    call.mouth.autoPlay = false;
  };
  return {
    ...{ fake, call, conversation, stage, s2s, passedOn, put, hear, begin, end, ask, other, transcripts, notices },
    ...{ timelines, runs, written, settled, turnDone },
  };
}

const MS_OF = (words: string) => words.length * 50;

describe('the conversing stage', () => {
  test('greets word for word, answers a spoken question, and has it all in the context', async () => {
    const { call, other, ask, turnDone, conversation, transcripts, passedOn } = await setUp();
    await turnDone(other('call'));
    const turn = ask(['one', 'two']);
    await turnDone(turn);
    await call.said('caller', 1);
    expect(conversation.entries).toEqual([
      { role: 'agent', turn: 0, text: 'Welcome.', interrupted: false },
      { role: 'caller', turn: 1, text: 'one two' },
      { role: 'agent', turn: 1, text: 'You said one two.', interrupted: false },
    ]);
    expect(transcripts().filter(({ final }) => final)).toMatchObject([
      { id: 'a0', role: 'agent', text: 'Welcome.', interrupted: false },
      { id: 'c1', role: 'caller', text: 'one two' },
      { id: 'a1', role: 'agent', text: 'You said one two.', interrupted: false },
    ]);
    expect(passedOn.filter(({ kind }) => kind === 'transcript')).toMatchObject([{ text: 'one two', final: true }]);
    expect(call.mouth.written(2).sampleRate).toBe(24_000);
    expect(call.mouth.written(2).pcm.length).toBe(MS_OF('You said one two.') * 24);
  });

  test('tells the parts of the time that a turn took, and what the service used for it', async () => {
    const clock = new FakeClock();
    const { call, begin, hear, end, written, runs, timelines } = await setUp({ clock });
    const turn = begin();
    hear(sayTones(['one']));
    clock.advance(500);
    end(turn);
    await written(MS_OF('You said one.'));
    expect(timelines()).toEqual([
      {
        turn: 0,
        endpointingMs: 500,
        sttMs: 0,
        llmMs: 0,
        ttsMs: 0,
        mouthMs: 0,
        backboneRttMs: 30,
        totalMs: 500,
        interrupted: false,
      },
    ]);
    expect(call.observations.filter(({ type }) => type === 'turn-audible')).toMatchObject([{ turn: 0 }]);
    await call.until(() => runs()[0], 'the run');
    expect(runs()[0]!.run).toMatchObject({
      ...{ kind: 's2s', service: 'openai', model: 'gpt-realtime-2.1', outcome: 'ok' },
      usage: {
        ...{ inputTokens: 100, cachedInputTokens: 10, outputTokens: 50, audioInputTokens: 40, audioOutputTokens: 30 },
        audioOutSeconds: 0.65,
      },
    });
  });

  test('is silent at once when it is cut off; the context and the service know exactly what was heard', async () => {
    const { fake, call, ask, written, turnDone, conversation, transcripts } = await setUp();
    const turn = ask(['one', 'two']);
    await written(MS_OF('You said one two.'));
    await call.said('caller', 0);
    call.mouth.play(430);
    turn.abort('interrupted');
    expect(call.mouth.bufferedMs).toBe(0);
    expect(conversation.entries.at(-1)).toEqual({ role: 'agent', turn: 0, text: 'You said', interrupted: true });
    expect(transcripts().at(-1)).toMatchObject({ id: 'a0', text: 'You said', final: true, interrupted: true });
    await turnDone(ask(['three']));
    expect(fake.context).toEqual([
      'user: one two [600 ms]',
      'assistant:  [cut to 430 ms]',
      'user: three [300 ms]',
      'assistant: You said three. [750 ms]',
    ]);
  });

  test('leaves no trace of an answer of which nothing was heard, and answers what the caller went on to say', async () => {
    const { fake, call, ask, turnDone, conversation } = await setUp({ fake: { latencyMs: 30 } });
    const first = ask(['one']);
    first.abort('continued');
    const second = ask(['two'], first);
    await turnDone(second);
    await expect
      .poll(() => conversation.entries[0], { timeout: 10_000 })
      .toEqual({
        role: 'caller',
        turn: 1,
        text: 'one two',
      });
    expect(conversation.entries.slice(1)).toEqual([
      { role: 'agent', turn: 1, text: 'You said two.', interrupted: false },
    ]);
    expect(fake.context).toEqual(['user: one [300 ms]', 'user: two [300 ms]', 'assistant: You said two. [650 ms]']);
    expect(call.mouth.utteranceCount).toBe(1);
  });

  test('puts words that come late where they belong, when the turn was carried on by another', async () => {
    const { fake, call, ask, turnDone, conversation } = await setUp({ fake: { transcriptDelayMs: 100 } });
    const first = ask(['one']);
    first.abort('continued');
    await expect.poll(() => fake.context.length, { timeout: 10_000 }).toBe(1);
    fake.options.transcriptDelayMs = 400;
    const second = ask(['two'], first);
    await turnDone(second);
    await call.until(() => call.events.find((event) => event.type === 'transcript' && event.text === 'one'));
    const answered = { role: 'agent', turn: 1, text: 'You said two.' };
    expect(conversation.entries).toMatchObject([{ role: 'caller', turn: 1, text: `one ${UNWRITTEN}` }, answered]);
    await call.until(() => call.events.find((event) => event.type === 'transcript' && event.text === 'one two'));
    expect(conversation.entries).toMatchObject([{ role: 'caller', turn: 1, text: 'one two' }, answered]);
  });

  test('gives the service each frame once, when a turn carries another one on', async () => {
    const { fake, begin, hear, end, ask, turnDone } = await setUp();
    const first = begin();
    hear(sayTones(['one']));
    end(first);
    first.abort('continued');
    // It began within what the first one held.
    const second = ask(['two'], first);
    await turnDone(second);
    const seconds = fake.of('input_audio_buffer.append').reduce((sum, { audio }) => sum + (audio as string).length, 0);
    expect(seconds * 0.75).toBeCloseTo(2 * 300 * 48, -2);
  });

  test('prepares an answer on a probable end, and lets it be heard when that is certain', async () => {
    const { fake, call, begin, hear, end, written } = await setUp();
    const turn = begin();
    hear(sayTones(['one']));
    turn.speculate();
    end(turn);
    await expect.poll(() => fake.context.length, { timeout: 10_000 }).toBe(2);
    await call.until(() => call.observations.find(({ type }) => type === 'service-run'), 'the run');
    expect(call.mouth.utteranceCount).toBe(0);
    turn.confirm();
    await written(MS_OF('You said one.'));
  });

  test('does not hear a sound over the agent unless it is a turn', async () => {
    const { fake, call, put, ask, hear, end, written, turnDone } = await setUp();
    const answered = ask(['one']);
    await written(MS_OF('You said one.'));
    call.mouth.play(100);
    const cough = new Turn(7, 'speech');
    cough.doubt();
    void put({ kind: 'turn-started', turn: cough, position: 4_800 });
    hear(sayTones(['two']));
    cough.abort('rejected');
    expect(answered.settled).toBe(false);
    hear(new Int16Array(4_800));
    const meant = new Turn(8, 'speech');
    meant.doubt();
    void put({ kind: 'turn-started', turn: meant, position: 14_400 });
    hear(sayTones(['three']));
    answered.abort('interrupted');
    meant.adopt();
    hear(sayTones(['four']));
    end(meant);
    await turnDone(meant);
    expect(fake.context.slice(2)).toEqual(['user: three four [840 ms]', 'assistant: You said three four. [1000 ms]']);
  });

  test('has no words for a short sound over the agent, and says so when it is asked', async () => {
    const { put } = await setUp();
    const sound = new Turn(7, 'speech');
    sound.doubt();
    void put({ kind: 'turn-started', turn: sound, position: 0 });
    void put({ kind: 'turn-queried', turn: sound });
    await new Promise<void>((resolve) => sound.onWords(() => resolve()));
    expect(sound.words).toEqual({ text: '', final: true });
  });

  test('forgets what the caller had begun to say when they type instead', async () => {
    const { fake, begin, hear, other, ask, turnDone, conversation } = await setUp();
    const spoken = begin();
    hear(sayTones(['one']));
    spoken.abort('interrupted');
    await turnDone(other('text', 'hello'));
    expect(fake.context).toEqual(['user: hello', 'assistant: You said hello. [750 ms]']);
    expect(conversation.entries).toEqual([
      { role: 'caller', turn: 1, text: 'hello' },
      { role: 'agent', turn: 1, text: 'You said hello.', interrupted: false },
    ]);
    await turnDone(ask(['two']));
    expect(fake.context[2]).toBe('user: two [300 ms]');
  });

  test('keeps the order of the context when the words of the caller come late, or never', async () => {
    const { fake, call, ask, turnDone, conversation } = await setUp({ fake: { transcriptDelayMs: 150 } });
    await turnDone(ask(['one']));
    expect(conversation.entries).toMatchObject([
      { role: 'caller', text: UNWRITTEN },
      { role: 'agent', text: 'You said one.' },
    ]);
    await call.said('caller', 0);
    expect(conversation.entries[0]).toMatchObject({ role: 'caller', text: 'one' });
    fake.faults.transcripts = 'none';
    await turnDone(ask(['two']));
    expect(conversation.entries.slice(2)).toMatchObject([
      { role: 'caller', turn: 1, text: UNWRITTEN },
      { role: 'agent', turn: 1, text: 'You said two.' },
    ]);
  });

  test('runs a tool and says what it answered, with both in the context', async () => {
    const tools = [{ name: 'get_time', description: 'x', parameters: z.object({}), run: () => 'noon' }];
    const { call, ask, turnDone, conversation } = await setUp({ stage: { tools } });
    await turnDone(ask(['seven']));
    await call.said('caller', 0);
    expect(conversation.entries).toMatchObject([
      { role: 'caller', text: 'seven' },
      { role: 'tool', name: 'get_time', result: 'noon' },
      { role: 'agent', text: 'Let me look. It is noon.', interrupted: false },
    ]);
    expect(call.observations.flatMap((each) => (each.type === 'tool-ended' ? [each.outcome] : []))).toEqual(['ok']);
  });

  test('says a sentence by the spare voice while a tool runs long, and the service is not told that it said it', async () => {
    const clock = new FakeClock();
    const spareTts = new SpareTts();
    let finishTool = (_result: string) => {};
    const run = () =>
      new Promise<string>((resolve) => {
        finishTool = resolve;
      });
    const tools = [{ name: 'get_time', description: 'x', parameters: z.object({}), filler: 'One moment.', run }];
    const { fake, call, ask, written, conversation } = await setUp({ clock, stage: { tools, spareTts } });
    const turn = ask(['seven']);
    await call.until(() => call.observations.find(({ type }) => type === 'tool-started'), 'the tool');
    await written(MS_OF('Let me look.'));
    await expect
      .poll(
        () => {
          clock.advance(1_000);
          return spareTts.spoken;
        },
        { timeout: 10_000 },
      )
      .toEqual(['One moment.']);
    await written(MS_OF('Let me look.One moment.'));
    finishTool('noon');
    await written(MS_OF('Let me look.One moment.It is noon.'));
    const filler = MS_OF('Let me look.') + MS_OF('One moment.');
    call.mouth.play(filler + 160);
    turn.abort('interrupted');
    expect(conversation.entries.at(-1)).toMatchObject({ role: 'agent', text: 'Let me look. One moment. It' });
    await expect
      .poll(() => fake.of('conversation.item.truncate'), { timeout: 10_000 })
      .toMatchObject([{ audio_end_ms: 160 }]);
  });

  test('tells the service what a tool answered that is kept on an interruption, once it has ended', async () => {
    let finishTool = (_result: string) => {};
    const run = () =>
      new Promise<string>((resolve) => {
        finishTool = resolve;
      });
    const tools = [{ name: 'get_time', description: 'x', parameters: z.object({}), keepOnInterruption: true, run }];
    const { fake, call, ask, turnDone, conversation } = await setUp({ stage: { tools } });
    const turn = ask(['seven']);
    await call.until(() => call.observations.find(({ type }) => type === 'tool-started'), 'the tool');
    turn.abort('interrupted');
    await turnDone(ask(['one']));
    expect(fake.of('conversation.item.create')).toEqual([]);
    finishTool('booked');
    await expect.poll(() => fake.context.at(-1), { timeout: 10_000 }).toBe('result booked');
    expect(conversation.entries).toContainEqual(expect.objectContaining({ role: 'tool', result: 'booked' }));
    expect(fake.of('response.create')).toHaveLength(2);
  });

  test('hangs up by a tool when the goodbye has been played and not before', async () => {
    const tools = [
      {
        name: 'hang_up',
        description: 'x',
        parameters: z.object({}),
        run: (_: unknown, context: { hangUpAfterReply(reason: string): void }) => {
          context.hangUpAfterReply('The caller said goodbye.');
          return 'over';
        },
      },
    ];
    const { call, ask, written } = await setUp({ stage: { tools } });
    ask(['eight']);
    await written(MS_OF('It is over.'));
    await call.until(() => call.observations.filter(({ type }) => type === 'service-run')[1], 'the end of the answer');
    call.mouth.play(MS_OF('It is over.') - 10);
    expect(call.end).toBeNull();
    call.mouth.play(10);
    expect(call.end).toEqual({ code: 'agent-hung-up', reason: 'The caller said goodbye.' });
  });

  test('says what an earlier stage gives it to say, and hangs up after it when told', async () => {
    const { call, other, put, turnDone, conversation } = await setUp();
    const turn = other('idle');
    await put({ kind: 'reply-text', turn, text: 'Nobody is there.' });
    await put({ kind: 'reply-ended', turn, hangUp: 'idle' });
    await turnDone(turn);
    expect(conversation.entries).toEqual([{ role: 'agent', turn: 0, text: 'Nobody is there.', interrupted: false }]);
    expect(call.end).toEqual({ code: 'agent-hung-up', reason: 'idle' });
  });

  test('goes on without a word about it when the connection breaks and is soon back', async () => {
    const spareTts = new SpareTts();
    const { fake, call, ask, turnDone, notices, conversation } = await setUp({ stage: { spareTts } });
    Object.assign(fake.faults, { cutAfterChunks: 3, cuts: 1 });
    await turnDone(ask(['one', 'two', 'three']));
    expect(fake.requests).toHaveLength(2);
    expect(spareTts.spoken).toEqual([]);
    expect(notices()).toEqual([]);
    expect(conversation.entries.at(-1)).toMatchObject({ role: 'agent', interrupted: false });
    expect(call.end).toBeNull();
  });

  test('apologizes once when somebody waits and the connection is gone for longer than two seconds', async () => {
    const clock = new FakeClock();
    const spareTts = new SpareTts();
    const { fake, call, ask, written, notices, conversation, turnDone } = await setUp({ clock, stage: { spareTts } });
    await turnDone(ask(['one']));
    fake.faults.refuse = 503;
    fake.dropAll();
    await expect.poll(() => fake.requests.length, { timeout: 10_000 }).toBeGreaterThan(1);
    const waiting = ask(['two']);
    clock.advance(1_999);
    expect(notices()).toEqual([]);
    clock.advance(1);
    expect(notices()).toMatchObject([{ level: 'warning', code: 'ERR_SERVICE_FAILED' }]);
    await written(MS_OF('Sorry, one moment please.'));
    call.mouth.play(MS_OF('Sorry, one moment please.'));
    // The voice has to tell that the sentence is whole.
    await new Promise((resolve) => setImmediate(resolve));
    waiting.abort('interrupted');
    const turn = ask(['three']);
    clock.advance(5_000);
    delete fake.faults.refuse;
    await written(MS_OF('You said three.'));
    await turnDone(turn);
    expect(spareTts.spoken).toEqual(['Sorry, one moment please.']);
    expect(conversation.entries.at(-1)).toMatchObject({ text: 'You said three.' });
    expect(conversation.entries).toContainEqual(
      expect.objectContaining({ role: 'agent', text: 'Sorry, one moment please.', interrupted: true }),
    );
    expect(call.end).toBeNull();
  });

  test('asks for a moment while all of several services are down, and goes on when one is back', async () => {
    const clock = new FakeClock();
    const fakes = [await FakeRealtimeConversation.start(), await FakeRealtimeConversation.start()];
    const { failovers, hedges } = serviceMetrics(createMetrics({ processMetrics: false }));
    const endpoints = fakes.map((down, index) => {
      closing.push(() => down.close());
      down.faults.refuse = 503;
      const label = `s${index}`;
      const options = { name: label, label, apiKey: down.apiKey, url: down.url, clock, log: silentLogger };
      return {
        ...{ label, service: new OpenAiRealtime(options), firstResponseMs: 2_500 },
        breaker: new CircuitBreaker({ clock, random: () => 0.5 }),
      };
    });
    const s2s = new ResilientS2s({ endpoints, clock, log: silentLogger, failovers, hedges });
    const spareTts = new SpareTts();
    const { call, ask, other } = await setUp({ clock, stage: { spareTts, s2s, greeting: '' } });
    other('call');
    const turn = ask(['one', 'two']);
    const passes = (ms: number) => {
      clock.advance(ms);
      return spareTts.spoken;
    };
    await expect.poll(() => passes(50), { interval: 10, timeout: 10_000 }).toEqual(['Sorry, one moment please.']);
    expect(fakes.map(({ requests }) => requests.length >= 1)).toEqual([true, true]);
    fakes[1]!.faults.refuse = undefined;
    const owed = MS_OF('Sorry, one moment please.') + MS_OF('You said one two.');
    const isAnswered = () => passes(50) && call.mouth.bufferedMs >= owed;
    await expect.poll(isAnswered, { interval: 10, timeout: 15_000 }).toBe(true);
    expect(call.end).toBeNull();
    expect(turn.settled).toBe(false);
    expect(spareTts.spoken).toHaveLength(1);
    expect(call.observations.filter(({ type }) => type === 'fail-over').at(-1)).toMatchObject({
      kind: 's2s',
      to: 's1',
    });
  });

  test('tells the caller by the spare voice when the service is lost for good, then ends the call', async () => {
    const spareTts = new SpareTts();
    const { fake, call, ask, written, notices } = await setUp({
      stage: { spareTts, farewell: 'I am lost.' },
      service: { reconnectForMs: 50 },
    });
    const turn = ask(['one']);
    await written(MS_OF('You said one.'));
    fake.faults.refuse = 401;
    fake.dropAll();
    await call.until(() => (call.mouth.utteranceCount === 2 ? true : undefined), 'the last words');
    expect(notices()).toMatchObject([{ level: 'error', code: 'ERR_SERVICE_FAILED' }]);
    expect(call.observations.filter(({ type }) => type === 'service-failed')).toMatchObject([
      { kind: 's2s', service: 'openai', code: 'ERR_SERVICE_FAILED' },
    ]);
    call.mouth.play(MS_OF('You said one.'));
    expect(turn.settled).toBe(true);
    expect(call.end).toBeNull();
    await expect
      .poll(
        () => {
          call.mouth.play(MS_OF('I am lost.'));
          return call.end;
        },
        { timeout: 10_000 },
      )
      .toMatchObject({ code: 'agent-failed', reason: expect.stringMatching(/refused our key/) });
    expect(spareTts.spoken).toEqual(['I am lost.']);
  });

  test('ends the call with a notice when the service is lost and there is no spare voice', async () => {
    const { call, notices } = await setUp({ service: { apiKey: 'wrong' } });
    expect(await call.until(() => call.end ?? undefined)).toMatchObject({ code: 'agent-failed' });
    expect(notices()).toMatchObject([{ level: 'error', code: 'ERR_SERVICE_FAILED' }]);
  });

  test('without any service says what is missing, then ends the call', async () => {
    const spareTts = new SpareTts();
    const { call, notices } = await setUp({ stage: { s2s: { missing: 'Set a key.' }, spareTts } });
    call.mouth.autoPlay = true;
    expect(await call.until(() => call.end ?? undefined)).toEqual({ code: 'agent-failed', reason: 'Set a key.' });
    expect(notices()).toMatchObject([{ level: 'error', code: 'ERR_SERVICE_UNAVAILABLE', text: 'Set a key.' }]);
    expect(spareTts.spoken).toEqual(['Set a key.']);
  });

  test('apologizes for an answer that failed and lives on; after three in a row it ends the call', async () => {
    const spareTts = new SpareTts();
    const { fake, call, ask, turnDone, conversation, notices } = await setUp({ stage: { spareTts } });
    const { options } = fake;
    options.answer = () => ({ fail: 'server_overloaded' });
    await turnDone(ask(['one']));
    await turnDone(ask(['two']));
    expect(call.end).toBeNull();
    options.answer = answer;
    await turnDone(ask(['three']));
    options.answer = () => ({ fail: 'server_overloaded' });
    for (const _ of [1, 2]) await turnDone(ask(['four']));
    expect(call.end).toBeNull();
    await turnDone(ask(['five']));
    expect(call.end).toMatchObject({ code: 'agent-failed' });
    expect(notices()).toHaveLength(5);
    expect(conversation.entries.filter(({ role }) => role === 'agent')[0]).toMatchObject({
      text: 'Sorry, something went wrong. Please say that again.',
    });
  });

  test('with turns of the service, is cut off by what the service hears and says whose turn it is', async () => {
    const turnDetection = { type: 'server_vad', silenceMs: 200 } as const;
    const { fake, call, hear, conversation } = await setUp({
      service: { turnDetection },
      stage: { turns: 'service', greeting: '' },
    });
    hear(sayTones(['one', 'two']));
    hear(new Int16Array(8_000));
    await call.until(() => (call.mouth.bufferedMs >= MS_OF('You said one two.') ? true : undefined), 'the answer');
    call.mouth.play(430);
    hear(sayTones(['three']));
    await call.until(() => (call.mouth.flushes === 1 ? true : undefined), 'the interruption');
    hear(new Int16Array(8_000));
    await call.until(() => (call.mouth.bufferedMs >= MS_OF('You said three.') ? true : undefined), 'the next answer');
    call.mouth.autoPlay = true;
    call.mouth.play(Number.POSITIVE_INFINITY);
    await expect.poll(() => conversation.entries.length, { timeout: 10_000 }).toBe(4);
    expect(conversation.entries).toMatchObject([
      { role: 'caller', turn: 0, text: 'one two' },
      { role: 'agent', turn: 0, text: 'You said', interrupted: true },
      { role: 'caller', turn: 1, text: 'three' },
      { role: 'agent', turn: 1, text: 'You said three.', interrupted: false },
    ]);
    expect(fake.context[1]).toBe('assistant:  [cut to 430 ms]');
    const states = call.events.flatMap((event) => (event.type === 'agent-state' ? [event.state] : []));
    expect(states).toEqual([
      ...['listening', 'thinking', 'speaking'],
      ...['listening', 'thinking', 'speaking'],
      'listening',
    ]);
    expect(call.observations.filter(({ type }) => type === 'interruption')).toMatchObject([{ outcome: 'confirmed' }]);
  });

  test('leaves no connection, no listener and no timer after 200 calls', async () => {
    const fake = await FakeRealtimeConversation.start({ answer });
    closing.push(() => fake.close());
    const clock = new FakeClock();
    const s2s = new OpenAiRealtime({ apiKey: fake.apiKey, url: fake.url, clock: systemClock, log: silentLogger });
    for (let round = 0; round < 20; round++) {
      const calls = Array.from({ length: 10 }, () => new MemoryCall({ clock }));
      await Promise.all(
        calls.map(async (call, index) => {
          const conversation = new Conversation();
          const stage = converse({ call, s2s, conversation, instructions: 'x', greeting: 'Welcome.' });
          const turn = new Turn(0, 'call');
          turn.marks.lastSoundAtMs = 0;
          await stage.process({ kind: 'call-started', atMs: 0 }, () => {});
          await stage.process({ kind: 'turn-ended', turn, text: null, voicedMs: 0 }, () => {});
          if (index % 3 !== 0) await call.until(() => (call.mouth.bufferedMs > 0 ? true : undefined));
          if (index % 2 === 0) turn.abort('closed');
          await stage.close();
          await stage.close();
          expect(call.mouth.listenerCount).toBe(0);
        }),
      );
    }
    expect(clock.pendingCount).toBe(0);
    await expect.poll(() => fake.openCount, { timeout: 10_000 }).toBe(0);
  });
});
