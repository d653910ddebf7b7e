import { afterEach, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { OpenAiRealtime, type OpenAiRealtimeOptions } from '../../../../src/agent/services/s2s/openai-realtime.ts';
import type { S2sEvent, S2sOpenOptions, S2sSession } from '../../../../src/agent/services/s2s.ts';
import { systemClock } from '../../../../src/clock.ts';
import { silentLogger } from '../../../../src/telemetry/index.ts';
import {
  type FakeAnswer,
  type FakeQuestion,
  FakeRealtimeConversation,
  type RealtimeConversationOptions,
} from '../../../fakes/openai-realtime-conversation.ts';
import { sayTones, type ToneWord } from '../../../fakes/tone-words.ts';
import { FakeClock } from '../../../support/fake-clock.ts';
import { s2sConformance } from './conformance.ts';
import { RecordedSession } from './recorded-session.ts';

/** Says back what it heard; `seven` is a question that a tool answers. */
function answer({ said, items, instructions }: FakeQuestion): FakeAnswer {
  const last = items.at(-1);
  if (last?.type === 'function_call_output') return { say: `The tool says ${last.text}.` };
  const exactly = /say exactly[^"]*"([^"]*)"/i.exec(instructions);
  if (exactly) return { say: exactly[1]! };
  if (said === 'seven') return { say: 'Let me see. ', calls: [{ name: 'look_up', arguments: '{"a":1}' }] };
  return { say: `You said ${said}.` };
}

s2sConformance('OpenAI Realtime', async (options) => {
  let isFailing = false;
  const fake = await FakeRealtimeConversation.start({
    answer: (question) => (isFailing ? { fail: 'server_overloaded' } : answer(question)),
  });
  return {
    s2s: new OpenAiRealtime({ apiKey: fake.apiKey, url: fake.url, ...options }),
    toolName: 'look_up',
    context: () => fake.context,
    refuse: (status) => {
      fake.faults.refuse = status;
    },
    stall: () => {
      fake.faults.stalls = Number.POSITIVE_INFINITY;
    },
    talkNonsense: () => {
      fake.faults.garbage = 'json';
    },
    failAnswers: () => {
      isFailing = true;
    },
    succeed: () => {
      isFailing = false;
    },
    cutNextAnswer: () => {
      Object.assign(fake.faults, { cutAfterChunks: 3, cuts: 1 });
    },
    dropAll: () => fake.dropAll(),
    pace: (spacingMs) => {
      fake.options.spacingMs = spacingMs;
    },
    openCount: () => fake.openCount,
    connections: () => fake.requests.length,
    close: () => fake.close(),
  };
});

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function begin(
  fakeOptions: RealtimeConversationOptions = {},
  options: Partial<OpenAiRealtimeOptions> = {},
  openOptions: Partial<S2sOpenOptions> = {},
  onEvent?: (event: S2sEvent, session: S2sSession) => void,
) {
  const fake = await FakeRealtimeConversation.start({ answer, ...fakeOptions });
  closing.push(() => fake.close());
  const shared = { clock: systemClock, log: silentLogger, replyTimeoutMs: 20_000 };
  const s2s = new OpenAiRealtime({ apiKey: fake.apiKey, url: fake.url, ...shared, ...options });
  const call = new RecordedSession(s2s, openOptions, onEvent);
  closing.push(() => call.session.close());
  return { fake, s2s, call };
}

describe('OpenAI Realtime', () => {
  test('is set up as the reference says, with turn detection off', async () => {
    const tool = { name: 'look_up', description: 'Looks up.', parameters: z.object({ a: z.number() }), run: () => '' };
    const { fake, call } = await begin(
      {},
      { model: 'gpt-realtime-2.1', language: 'en' },
      { tools: [tool], voice: 'cedar' },
    );
    call.asks(['one']);
    await call.replies();
    expect(fake.requests[0]!.url.search).toBe('?model=gpt-realtime-2.1');
    expect(fake.requests[0]!.headers.authorization).toBe(`Bearer ${fake.apiKey}`);
    expect(fake.of('session.update').map(({ session }) => session)).toEqual([
      {
        type: 'realtime',
        output_modalities: ['audio'],
        instructions: 'Be brief.',
        audio: {
          input: {
            format: { type: 'audio/pcm', rate: 24_000 },
            transcription: { model: 'gpt-4o-mini-transcribe', language: 'en' },
            turn_detection: null,
          },
          output: { format: { type: 'audio/pcm', rate: 24_000 }, voice: 'cedar' },
        },
        tools: [
          {
            type: 'function',
            name: 'look_up',
            description: 'Looks up.',
            parameters: expect.objectContaining({ type: 'object', required: ['a'] }),
          },
        ],
      },
    ]);
  });

  test("finds the caller's turns itself when that is wanted, and is cut off by the caller", async () => {
    const turnDetection = { type: 'server_vad', silenceMs: 200 } as const;
    const { fake, call } = await begin({ spacingMs: 10 }, { turnDetection }, { turns: 'service' });
    call.hearsSound(sayTones(['one', 'two']));
    call.hearsSound(new Int16Array(16_000 / 2));
    await call.until(() => call.soundMs >= 200, 'the answer');
    expect(call.events.slice(0, 2)).toEqual([
      { type: 'callerStarted', utterance: 0 },
      { type: 'callerStopped', utterance: 0 },
    ]);
    call.hearsSound(sayTones(['three']));
    await call.until(() => call.of('callerStarted').length === 2, 'the interruption');
    call.session.interrupt({ playedMs: 150, words: 'You' });
    call.hearsSound(new Int16Array(16_000 / 2));
    await call.until(() => call.said.endsWith('You said three.'), 'the next answer');
    expect(fake.context[1]).toBe('assistant:  [cut to 150 ms]');
    expect(fake.of('input_audio_buffer.commit')).toEqual([]);
    expect(fake.of('response.create')).toEqual([]);
    expect(fake.dialog.session.audio?.input?.turn_detection).toEqual({
      type: 'server_vad',
      silence_duration_ms: 200,
      create_response: true,
      interrupt_response: true,
    });
  });

  test('hears anew what the caller said into a connection that broke, where the service finds the turns', async () => {
    const turnDetection = { type: 'server_vad', silenceMs: 200 } as const;
    const { fake, call } = await begin({}, { turnDetection }, { turns: 'service' });
    call.hearsSound(sayTones(['one', 'two']));
    await call.until(() => call.of('callerStarted').length === 1, 'the caller');
    fake.dropAll();
    await call.until(() => call.of('reconnecting').length === 1, 'the loss');
    call.hearsSound(sayTones(['three']));
    await call.until(() => call.of('reconnected').length === 1, 'the next connection');
    call.hearsSound(new Int16Array(16_000 / 2));
    await call.replies();
    expect(call.said).toBe('You said one two three.');
  });

  test('never tells of more sound than there is, and deletes what was not heard', async () => {
    const { fake, call } = await begin();
    call.asks(['one']);
    await call.replies();
    call.session.interrupt({ playedMs: 10_000, words: 'You said one.' });
    expect(fake.of('conversation.item.truncate')).toEqual([]);
    call.asks(['two']);
    await call.replies(2);
    call.session.interrupt({ playedMs: 333.4, words: 'You' });
    call.asks(['three']);
    await call.replies(3);
    expect(fake.of('conversation.item.truncate')).toMatchObject([{ content_index: 0, audio_end_ms: 333 }]);
    expect(fake.of('conversation.item.delete')).toEqual([]);
  });

  test('tells the heard words as text when the service refuses to cut', async () => {
    const { fake, call } = await begin();
    fake.faults.refuseTruncation = true;
    call.asks(['one']);
    await call.replies();
    call.session.interrupt({ playedMs: 333, words: 'You said' });
    await expect.poll(() => fake.context, { timeout: 10_000 }).toEqual(['user: one [300 ms]', 'assistant: You said']);
  });

  test('tells the heard words as text to a service that cannot cut', async () => {
    const { fake, call } = await begin({}, { quirks: { noTruncate: true } });
    call.asks(['one']);
    await call.replies();
    call.session.interrupt({ playedMs: 333, words: 'You said' });
    call.asks(['two']);
    await call.replies(2);
    expect(fake.of('conversation.item.truncate')).toEqual([]);
    expect(fake.context.slice(0, 2)).toEqual(['user: one [300 ms]', 'assistant: You said']);
  });

  test('waits for the end of an answer before it asks for the next, and is never refused', async () => {
    const { fake, call } = await begin({ spacingMs: 30 });
    for (const word of ['one', 'two', 'three', 'four'] as const) {
      call.asks([word]);
      await call.until(() => call.said.endsWith(`You said ${word}.`) || call.soundMs > 0, 'some sound');
      if (word !== 'four') call.session.interrupt({ playedMs: 0, words: '' });
    }
    await call.replies();
    expect(call.said.endsWith('You said four.')).toBe(true);
    expect(fake.of('response.create').length).toBeLessThanOrEqual(4);
    expect(call.errors).toEqual([]);
  });

  test('tells a tool once that was called when the caller spoke over it, and asks for no answer then', async () => {
    const { fake, call } = await begin();
    call.asks(['seven']);
    await call.until(() => call.of('toolCall').length === 1, 'the call');
    call.session.interrupt({ playedMs: 0, words: '' });
    call.session.toolResult(call.of('toolCall')[0]!.callId, 'too late');
    call.asks(['one']);
    await call.replies();
    expect(call.said.endsWith('You said one.')).toBe(true);
    expect(fake.of('response.create')).toHaveLength(2);
    expect(fake.context).toContain('result too late');
  });

  test('waits for the results of all calls before it asks for the rest of an answer', async () => {
    const calls = ['quick', 'slow'].map((name) => ({ name, arguments: '{}' }));
    const { fake, call } = await begin(
      { answer: ({ items }) => (items.at(-1)?.type === 'function_call_output' ? { say: 'Done.' } : { calls }) },
      {},
      {},
      (event, session) => {
        if (event.type === 'toolCall' && event.name === 'quick') session.toolResult(event.callId, 'one');
      },
    );
    call.session.text('hello');
    await call.until(() => call.of('usage').length === 1, 'the end of the request');
    await expect.poll(() => fake.context.at(-1), { timeout: 10_000 }).toBe('result one');
    expect(fake.of('response.create')).toHaveLength(1);
    call.session.toolResult(call.of('toolCall')[1]!.callId, 'two');
    await call.replies();
    expect(call.said).toBe('Done.');
    expect(fake.of('response.create')).toHaveLength(2);
  });

  test('stops the making of an answer that was cut off', async () => {
    const { fake, call } = await begin({ spacingMs: 20 });
    call.asks(['one', 'two', 'three']);
    await call.until(() => call.soundMs >= 200, 'some sound');
    call.session.interrupt({ playedMs: 100, words: 'Yo' });
    await expect.poll(() => fake.dialog.isAnswering, { timeout: 10_000 }).toBe(false);
    expect(fake.of('response.cancel')).toHaveLength(1);
    expect(fake.dialog.items.at(-1)!.audioMs).toBe(100);
  });

  test('does not touch the answer before when one is cut off of which nothing has come', async () => {
    const { fake, call } = await begin();
    call.asks(['one']);
    await call.replies();
    fake.options.latencyMs = 10_000;
    call.asks(['two']);
    call.session.interrupt({ playedMs: 0, words: '' });
    fake.options.latencyMs = 0;
    call.asks(['three']);
    await call.replies(2);
    expect(fake.context.slice(0, 3)).toEqual([
      'user: one [300 ms]',
      'assistant: You said one. [650 ms]',
      'user: two [300 ms]',
    ]);
  });

  test('tells a new connection of an answer that was cut off what was heard of it', async () => {
    const { fake, call } = await begin();
    for (const [word, heard] of [
      ['one', 'You said'],
      ['two', ''],
    ] as const) {
      const utterance = call.asks([word]);
      await call.until(() => call.said.endsWith(`${word}.`) && call.transcript(utterance) === word, 'the answer');
      call.session.interrupt({ playedMs: heard.length * 50, words: heard });
    }
    fake.dropAll();
    await call.until(() => call.of('reconnected').length === 1, 'the next connection');
    await expect
      .poll(() => fake.context, { timeout: 10_000 })
      .toEqual(['user: one', 'assistant: You said', 'user: two']);
  });

  test('corrects an answer that went on over a new connection to what was heard', async () => {
    const { fake, call } = await begin();
    Object.assign(fake.faults, { cutAfterChunks: 3, cuts: 1 });
    call.asks(['one', 'two', 'three']);
    await call.replies();
    const [first, second] = fake.of('response.create').map(({ response }) => response as { instructions?: string });
    expect(first).toEqual({});
    expect(second!.instructions).toMatch(/^Be brief\..*without repeating/s);
    call.session.interrupt({ playedMs: 200, words: 'You' });
    call.session.text('hello');
    await call.replies(2);
    expect(fake.context.filter((line) => line.startsWith('assistant'))).toEqual([
      'assistant: You',
      'assistant: You said hello. [750 ms]',
    ]);
  });

  test('forgets an utterance that was ended too early and then was no turn', async () => {
    const { fake, call } = await begin();
    call.session.text('hello');
    await call.replies();
    call.asks(['eight']);
    call.session.discard();
    call.asks(['one']);
    await call.replies(2);
    expect(fake.context.slice(2)).toEqual(['user: one [300 ms]', 'assistant: You said one. [650 ms]']);
  });

  test('does not tell a new connection twice what the caller said, where the service finds the turns', async () => {
    const turnDetection = { type: 'server_vad', silenceMs: 200 } as const;
    const { fake, call } = await begin({}, { turnDetection }, { turns: 'service' });
    fake.faults.stalls = 1;
    call.hearsSound(sayTones(['one', 'two']));
    call.hearsSound(new Int16Array(8_000));
    await call.until(() => call.transcript(0) === 'one two', 'the words');
    fake.dropAll();
    await call.replies();
    expect(fake.context.map((line) => line.replace(/ \[.*/, ''))).toEqual([
      'user: one two',
      'assistant: You said one two.',
    ]);
  });

  test('begins a new session when the service says that this one is too old', async () => {
    const { fake, call } = await begin();
    call.asks(['one']);
    await call.replies();
    fake.dialog.say({ type: 'error', error: { type: 'invalid_request_error', code: 'session_expired' } });
    await call.until(() => call.of('reconnected').length === 1, 'the next session');
    call.asks(['two']);
    await call.replies(2);
    expect(call.said).toBe('You said one.You said two.');
  });

  test('can tell a new connection half a minute of the caller', async () => {
    const { fake, call } = await begin();
    call.asks(['one']);
    await call.replies();
    const words = Array.from({ length: 100 }, (_, index) => (index % 2 === 0 ? 'two' : 'three'));
    call.hears(words as ToneWord[]);
    fake.dropAll();
    await call.until(() => call.of('reconnected').length === 1, 'the next connection');
    call.session.endTurn();
    await call.replies(2);
    expect(call.said).toBe(`You said one.You said ${words.join(' ')}.`);
    expect(fake.requests).toHaveLength(2);
  });

  test('ignores and counts events that it has no use for', async () => {
    const { fake, s2s, call } = await begin();
    call.asks(['one']);
    await call.replies();
    for (let count = 0; count < 3; count++) fake.dialog.say({ type: 'ping', timestamp: 1 });
    await expect.poll(() => s2s.unknownEvents.get('ping'), { timeout: 10_000 }).toBe(3);
    expect(call.errors).toEqual([]);
  });

  test('takes the names of the preview for those that replaced them', async () => {
    const { fake, call } = await begin();
    call.asks(['one']);
    await call.replies();
    fake.options.latencyMs = 10_000;
    call.session.text('hello');
    await expect.poll(() => fake.dialog.isAnswering, { timeout: 10_000 }).toBe(true);
    const of = { response_id: 'resp_x', item_id: 'item_x' };
    fake.dialog.say({ type: 'response.created', response: { id: 'resp_x' } });
    fake.dialog.say({ type: 'response.audio.delta', ...of, delta: Buffer.alloc(4_800).toString('base64') });
    fake.dialog.say({ type: 'response.audio_transcript.delta', ...of, delta: 'Old words.' });
    await call.until(() => call.said.endsWith('Old words.'), 'the words');
    expect(call.of('audio').at(-1)!.pcm.length).toBe(2_400);
  });

  test.each(['json', 'shape'] as const)('fails on %s that makes no sense', async (garbage) => {
    const { fake, call } = await begin({}, { reconnectForMs: 200 });
    fake.faults.garbage = garbage;
    expect(await call.failure()).toMatchObject({ code: 'ERR_SERVICE_FAILED' });
  });

  test.each([
    ['rate_limit_exceeded', 'ERR_SERVICE_UNAVAILABLE'],
    ['something_else', 'ERR_SERVICE_FAILED'],
  ])('ends an answer that is refused with %s', async (errorCode, code) => {
    const { fake, call } = await begin();
    fake.faults.errorCode = errorCode;
    call.asks(['one']);
    await call.replies();
    expect(call.of('replyEnded')[0]!.error).toMatchObject({ code });
    expect(call.errors).toEqual([]);
  });

  test.each([
    ['insufficient_quota', 'ERR_SERVICE_UNAVAILABLE'],
    ['model_not_found', 'ERR_SERVICE_FAILED'],
  ])('is lost when its set-up is refused with %s', async (sessionErrorCode, code) => {
    const fake = await FakeRealtimeConversation.start();
    closing.push(() => fake.close());
    fake.faults.sessionErrorCode = sessionErrorCode;
    const s2s = new OpenAiRealtime({ apiKey: fake.apiKey, url: fake.url, clock: systemClock, log: silentLogger });
    expect(await new RecordedSession(s2s).failure()).toMatchObject({ code });
    await expect.poll(() => fake.openCount, { timeout: 10_000 }).toBe(0);
  });

  test('says that the words of an utterance are not known when the service failed at them', async () => {
    const { fake, call } = await begin();
    fake.faults.transcripts = 'fail';
    const utterance = call.asks(['one']);
    await call.until(() => call.transcript(utterance) !== undefined, 'the words');
    expect(call.transcript(utterance)).toBe('');
  });

  test('ends the one session whose events nobody could handle', async () => {
    const fake = await FakeRealtimeConversation.start({ answer });
    closing.push(() => fake.close());
    const s2s = new OpenAiRealtime({ apiKey: fake.apiKey, url: fake.url, clock: systemClock, log: silentLogger });
    const call = new RecordedSession(s2s, {}, (event) => {
      if (event.type === 'audio') throw new Error('no mouth');
    });
    call.asks(['one']);
    expect(await call.failure()).toMatchObject({ code: 'ERR_SERVICE_FAILED', cause: { message: 'no mouth' } });
    await expect.poll(() => fake.openCount, { timeout: 10_000 }).toBe(0);
  });

  test('is lost, and throws nothing, when it may not even try to connect', async () => {
    // `ws` throws at once for this header.
    const quirks = { keyHeader: 'no header' };
    const url = 'ws://127.0.0.1:9/v1/realtime';
    const s2s = new OpenAiRealtime({ apiKey: 'key', url, quirks, clock: systemClock, log: silentLogger });
    const call = new RecordedSession(s2s);
    expect(call.errors).toMatchObject([{ code: 'ERR_SERVICE_UNAVAILABLE' }]);
    expect(call.events).toEqual([]);
  });

  test('refuses a tool that cannot be described, before it connects', async () => {
    const fake = await FakeRealtimeConversation.start({ answer });
    closing.push(() => fake.close());
    const s2s = new OpenAiRealtime({ apiKey: fake.apiKey, url: fake.url, clock: systemClock, log: silentLogger });
    const tool = { name: 'x', description: 'x', parameters: z.object({ at: z.date() }), run: () => '' };
    expect(() => new RecordedSession(s2s, { tools: [tool] })).toThrow();
    expect(fake.requests).toEqual([]);
  });

  test('gives up a service that never lets it in, in its time', async () => {
    const fake = await FakeRealtimeConversation.start();
    closing.push(() => fake.close());
    fake.faults.hang = true;
    const clock = new FakeClock();
    const timing = { clock, connectTimeoutMs: 5_000, reconnectForMs: 12_000 };
    const s2s = new OpenAiRealtime({ apiKey: fake.apiKey, url: fake.url, log: silentLogger, ...timing });
    const call = new RecordedSession(s2s);
    clock.advance(5_000);
    expect(call.of('reconnecting')).toHaveLength(1);
    expect(call.errors).toEqual([]);
    clock.advance(6_999);
    expect(call.errors).toEqual([]);
    clock.advance(1);
    expect(call.errors).toMatchObject([{ code: 'ERR_SERVICE_TIMEOUT' }]);
    expect(clock.pendingCount).toBe(0);
  });

  test('replaces a connection that answers no heartbeat', async () => {
    const { fake, call } = await begin({}, { heartbeatMs: 30 });
    fake.faults.deaf = true;
    fake.dropAll();
    await call.until(() => call.of('reconnected').length >= 1, 'the next connection');
    fake.faults.deaf = false;
    await expect.poll(() => fake.requests.length, { timeout: 10_000 }).toBeGreaterThanOrEqual(3);
  });

  test("puts the key where the service wants it, and sends the preview's session where that is wanted", async () => {
    const { fake, call } = await begin({}, { quirks: { keyHeader: 'api-key', flatSession: true }, voice: 'Ara' });
    call.asks(['one']);
    await call.replies();
    expect(fake.requests[0]!.headers['api-key']).toBe(fake.apiKey);
    expect(fake.requests[0]!.headers.authorization).toBeUndefined();
    expect(fake.dialog.session).toMatchObject({ voice: 'Ara', input_audio_format: 'pcm16', turn_detection: null });
  });

  test('changes instructions and tools in mid-call', async () => {
    const { fake, call } = await begin();
    call.asks(['one']);
    await call.replies();
    call.session.update({ instructions: 'Be long.' });
    call.asks(['two']);
    await call.replies(2);
    expect(fake.of('session.update').at(-1)!.session).toEqual({ type: 'realtime', instructions: 'Be long.' });
    fake.dropAll();
    await call.until(() => call.of('reconnected').length === 1, 'the next connection');
    expect(fake.dialog.session.instructions).toBe('Be long.');
  });

  test.each(['', 'a-key\n'])('with %j for a key is a service that is not available', (apiKey) => {
    expect(() => new OpenAiRealtime({ apiKey, clock: systemClock, log: silentLogger })).toThrow(
      expect.objectContaining({ code: 'ERR_SERVICE_UNAVAILABLE' }),
    );
  });

  test('leaves nothing open and no timer after 200 sessions', async () => {
    const fake = await FakeRealtimeConversation.start({ answer });
    closing.push(() => fake.close());
    let timers = 0;
    const clock = {
      ...systemClock,
      setTimeout(callback: () => void, delayMs: number) {
        timers++;
        let isOver = false;
        const end = () => {
          if (!isOver) timers--;
          isOver = true;
        };
        const timer = systemClock.setTimeout(() => {
          end();
          callback();
        }, delayMs);
        return {
          cancel() {
            end();
            timer.cancel();
          },
        };
      },
    };
    const s2s = new OpenAiRealtime({ apiKey: fake.apiKey, url: fake.url, clock, log: silentLogger });
    for (let round = 0; round < 10; round++) {
      const calls = Array.from({ length: 20 }, () => new RecordedSession(s2s));
      await Promise.all(
        calls.map(async (call, index) => {
          call.session.text('hello');
          if (index % 4 !== 0) await call.replies();
          if (index % 2 === 0) call.session.close();
          else call.controller.abort();
        }),
      );
    }
    await expect.poll(() => [fake.openCount, timers], { timeout: 10_000 }).toEqual([0, 0]);
    expect(fake.requests.length).toBeGreaterThanOrEqual(150);
  });
});
