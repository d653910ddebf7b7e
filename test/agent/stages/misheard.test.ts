/** A whole chain whose speech to text has words early, and others in the end. */
import { expect, test } from 'vitest';
import { z } from 'zod';
import { Conversation } from '../../../src/agent/conversation.ts';
import { Scheduler } from '../../../src/agent/scheduler.ts';
import type { Stt, SttListenOptions, Transcription } from '../../../src/agent/services/stt.ts';
import type { Tts } from '../../../src/agent/services/tts.ts';
import { chain } from '../../../src/agent/stage.ts';
import { answerByModel } from '../../../src/agent/stages/answer-by-model.ts';
import { speak } from '../../../src/agent/stages/speak.ts';
import { transcribe } from '../../../src/agent/stages/transcribe.ts';
import { takeTurns } from '../../../src/agent/turn-taking/take-turns.ts';
import { counter, createMetrics, silentLogger } from '../../../src/telemetry/index.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { MemoryCall } from '../../support/memory-call.ts';
import { ScriptedLlm } from '../../support/scripted-llm.ts';

const settle = async () => {
  for (let turns = 0; turns < 8; turns++) await new Promise((resolve) => setImmediate(resolve));
};

function setUp() {
  const clock = new FakeClock();
  const call = new MemoryCall({ clock });
  const conversation = new Conversation();
  const heard: { options: SttListenOptions; answer: PromiseWithResolvers<Transcription> }[] = [];
  const stt: Stt = {
    name: 'fake',
    listen(options) {
      const answer = Promise.withResolvers<Transcription>();
      heard.push({ options, answer });
      return { write() {}, finish: () => answer.promise, close() {} };
    },
  };
  const synthesized: string[] = [];
  const tts: Tts = {
    name: 'fake',
    async *synthesize(text) {
      synthesized.push(text);
      yield { pcm: new Int16Array(1_600), sampleRate: 16_000 };
    },
  };
  const booked: string[] = [];
  const book = {
    name: 'book',
    description: 'Books.',
    parameters: z.object({ day: z.string() }),
    run: (input: unknown) => {
      booked.push((input as { day: string }).day);
      return 'done';
    },
  };
  /** Asks for the day that it was told, then says so. */
  const llm = new ScriptedLlm(({ entries }) => {
    const asked = entries.findLast((entry) => entry.role === 'caller');
    const day = /monday/i.test(asked?.role === 'caller' ? asked.text : '') ? 'monday' : 'sunday';
    return entries.at(-1)?.role === 'tool' ? [`Booked for ${day}.`] : [{ call: 'book', with: { day } }];
  });
  const scheduler = new Scheduler({
    chain: chain(
      takeTurns({ call, greets: false }),
      transcribe({ call, stt, conversation }),
      answerByModel({
        call,
        llm,
        conversation,
        instructions: () => 'Book.',
        greeting: '',
        notUnderstood: 'Pardon?',
        tools: [book],
        apology: () => 'Sorry.',
      }),
      speak({ call, conversation, tts }),
    ),
    clock,
    log: silentLogger,
    slowStops: counter(createMetrics({ processMetrics: false }), 'slow', 'slow', ['stage']),
    onFailure: (error) => {
      throw error;
    },
  });
  let windows = 0;
  const voice = (silentMs: number, quietMs = silentMs) => {
    const pcm = new Int16Array(512);
    scheduler.push({
      kind: 'caller-audio',
      audio: { pcm, position: windows * 512, receivedAtMs: clock.now(), origin: 'received' },
    });
    windows++;
    scheduler.push({
      kind: 'voice',
      position: windows * 512,
      receivedAtMs: clock.now(),
      speaking: silentMs < 250,
      segment: 1,
      segmentStart: 0,
      voicedMs: 64,
      silentMs,
      quietMs,
    });
  };
  /** The caller says something, and it is probably all. */
  const probably = async (text: string) => {
    for (let count = 0; count < 10; count++) voice(0);
    for (const quietMs of [32, 64, 96]) voice(Math.max(0, quietMs - 32), quietMs);
    heard.at(-1)!.options.onInterim?.(text, 420);
    await settle();
  };
  return { call, conversation, scheduler, heard, synthesized, booked, llm, voice, probably };
}

const callerWords = ({ entries }: Conversation) =>
  entries.flatMap((entry) => (entry.role === 'caller' ? [entry.text] : []));

test('an answer from early words is heard, and its tool run, once the final ones are the same and the turn has ended', async () => {
  for (const order of ['words', 'end'] as const) {
    const { call, conversation, scheduler, heard, booked, llm, voice, probably } = setUp();
    await probably('Book sunday');
    expect(llm.requests).toHaveLength(1);
    if (order === 'words') heard[0]!.answer.resolve({ text: 'book Sunday.' });
    else voice(512);
    await settle();
    expect([booked, call.mouth.utteranceCount]).toEqual([[], 0]);
    if (order === 'words') voice(512);
    else heard[0]!.answer.resolve({ text: 'book Sunday.' });
    await settle();
    expect(booked).toEqual(['sunday']);
    expect(llm.requests).toHaveLength(2);
    expect(callerWords(conversation)).toEqual(['book Sunday.']);
    expect(call.mouth.utteranceCount).toBe(1);
    await scheduler.close();
  }
});

test('an answer from words that were misheard is never heard and runs no tool: it is made anew from the final ones', async () => {
  for (const order of ['words', 'end'] as const) {
    const { call, conversation, scheduler, heard, synthesized, booked, llm, voice, probably } = setUp();
    await probably('book sunday');
    if (order === 'end') voice(512);
    await settle();
    heard[0]!.answer.resolve({ text: 'book Monday' });
    await settle();
    if (order === 'words') {
      expect(booked).toEqual([]);
      voice(512);
      await settle();
    }
    expect(booked).toEqual(['monday']);
    expect(synthesized).toEqual(['Booked for monday.']);
    expect(llm.requests).toHaveLength(3);
    expect(callerWords(conversation)).toEqual(['book Monday']);
    expect(conversation.entries.filter(({ role }) => role === 'tool')).toHaveLength(1);
    expect(call.mouth.utteranceCount).toBe(1);
    const outcomes = call.observations.flatMap((each) => (each.type === 'speculation' ? [each.outcome] : []));
    expect(outcomes).toEqual(order === 'words' ? ['misheard', 'taken'] : ['taken', 'misheard']);
    await scheduler.close();
  }
});
