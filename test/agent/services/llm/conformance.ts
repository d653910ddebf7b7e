/**
 * What every language model must do, whatever it speaks: one suite for each adapter and each set of quirks, run against
 * a fake of its wire protocol. Time is a fake clock's; waits are for what the fake saw.
 */
import { afterEach, describe, expect, test } from 'vitest';
import { z } from 'zod';
import type { Llm, LlmEvent, LlmRequest, Tool } from '../../../../src/agent/services/llm.ts';
import type { Clock } from '../../../../src/clock.ts';
import { AntipodeError, type ErrorCode } from '../../../../src/errors.ts';
import { FakeClock } from '../../../support/fake-clock.ts';

/** How a fake is told to misbehave. */
export type LlmTrouble =
  | { readonly status: number }
  | 'hang'
  | 'stall'
  | 'stall-at-end'
  | 'cut'
  | 'early-end'
  | 'empty'
  | 'half-event'
  | 'malformed'
  | 'wrong-shape'
  | 'error-event'
  | 'html';

/** A fake server, as the suite drives it. */
export interface LlmFake {
  readonly apiKey: string;
  answer: { readonly text?: string; readonly toolCalls?: readonly { name: string; arguments: string }[] };
  trouble: LlmTrouble | object | null;
  readonly connections: number;
  readonly openCount: number;
  readonly requests: readonly unknown[];
  dropConnections(): void;
  readonly warmings: readonly { readonly authorization?: string }[];
  requested(count: number): Promise<void>;
  abandoned(count: number): Promise<void>;
  /** Say more in the answer that stalled last. */
  more(text: string): void;
  close(): Promise<void>;
}

export interface LlmConformanceOptions<Fake extends LlmFake> {
  start(): Promise<Fake>;
  create(fake: Fake, options: { clock: Clock; timeoutMs: number; apiKey: string }): ClosingLlm;
  /** False for services without tools. */
  hasTools: boolean;
  /** False for servers that want no key. */
  hasKey: boolean;
}

/** One with connections of its own. */
export type ClosingLlm = Llm & Required<Pick<Llm, 'warm' | 'close'>>;

const TIMEOUT_MS = 5_000;
/** Within which everything is let go of after an abort. */
const ABORT_MS = 100;
const patient = { timeout: 10_000 };

export const weatherTool: Tool = {
  name: 'get_weather',
  description: 'The weather of a city.',
  parameters: z.object({ city: z.string() }),
  run: () => '',
};
export const timeTool: Tool = { name: 'get_time', description: 'The time.', parameters: z.object({}), run: () => '' };

export function llmRequest(overrides: Partial<LlmRequest> = {}): LlmRequest {
  return {
    instructions: 'Be brief.',
    entries: [{ role: 'caller', turn: 1, text: 'Hi.' }],
    said: '',
    tools: [],
    signal: new AbortController().signal,
    ...overrides,
  };
}

export async function collect<T>(iterable: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const each of iterable) all.push(each);
  return all;
}

export function describeLlm<Fake extends LlmFake>(name: string, options: LlmConformanceOptions<Fake>): void {
  describe(name, () => {
    let started: { fake: Fake; clock: FakeClock; llm: ClosingLlm } | null = null;
    afterEach(async () => {
      if (started === null) return;
      const { fake, clock, llm } = started;
      started = null;
      await llm.close();
      await llm.close();
      expect(clock.pendingCount, 'timers that were left').toBe(0);
      await expect.poll(() => fake.openCount, patient).toBe(0);
      await fake.close();
    });

    async function start(apiKey?: string): Promise<{ fake: Fake; clock: FakeClock; llm: ClosingLlm }> {
      const fake = await options.start();
      const clock = new FakeClock();
      const llm = options.create(fake, { clock, timeoutMs: TIMEOUT_MS, apiKey: apiKey ?? fake.apiKey });
      started = { fake, clock, llm };
      return started;
    }

    test('streams words as they come', async () => {
      const { fake, clock, llm } = await start();
      fake.answer = { text: 'One moment please.' };
      const events = await collect(llm.respond(llmRequest()));
      expect(events.slice(0, -1)).toEqual(['One ', 'moment ', 'please.'].map((text) => ({ type: 'text', text })));
      expect(clock.pendingCount).toBe(0);
    });

    test('tells at the end what was counted', async () => {
      const { llm } = await start();
      const events = await collect(llm.respond(llmRequest()));
      expect(events.filter(({ type }) => type === 'usage')).toEqual([
        { type: 'usage', usage: { inputTokens: 9, cachedInputTokens: 4, outputTokens: 3 } },
      ]);
      expect(events.at(-1)?.type).toBe('usage');
    });

    test('says nothing when the model says nothing, and does not fail', async () => {
      const { fake, llm } = await start();
      fake.trouble = 'empty';
      expect((await collect(llm.respond(llmRequest()))).filter(({ type }) => type !== 'usage')).toEqual([]);
    });

    test('answers ten requests one after the other on one connection', async () => {
      const { fake, llm } = await start();
      for (let count = 0; count < 10; count++) await collect(llm.respond(llmRequest()));
      expect(fake.connections).toBe(1);
    });

    test('opens a connection ahead without the key, which the first request takes', async () => {
      const { fake, llm } = await start();
      llm.warm();
      llm.warm();
      await expect.poll(() => fake.warmings.length, patient).toBe(1);
      expect(fake.warmings[0]?.authorization).toBeUndefined();
      // The end of its answer is still on its way.
      await new Promise((resolve) => setTimeout(resolve, 20));
      await collect(llm.respond(llmRequest()));
      expect(fake.connections).toBe(1);
    });

    test('survives a kept connection that the service closed meanwhile', async () => {
      const { fake, llm } = await start();
      await collect(llm.respond(llmRequest()));
      fake.dropConnections();
      expect(textOf(await collect(llm.respond(llmRequest())))).toBe('Hello.');
    });

    test('sends a conversation of 100,000 characters whole', async () => {
      const { fake, llm } = await start();
      const text = 'word '.repeat(20_000);
      await collect(llm.respond(llmRequest({ entries: [{ role: 'caller', turn: 1, text }] })));
      expect(JSON.stringify(fake.requests[0])).toContain(text);
    });

    test('answers several requests at once, each its own', async () => {
      const { fake, llm } = await start();
      fake.answer = { text: 'Yes.' };
      const answers = await Promise.all([1, 2, 3].map(() => collect(llm.respond(llmRequest()))));
      expect(answers.map(textOf)).toEqual(['Yes.', 'Yes.', 'Yes.']);
    });

    test.runIf(options.hasTools)('gives tool calls whole, after the words', async () => {
      const { fake, llm } = await start();
      fake.answer = {
        text: 'Let me look.',
        toolCalls: [
          { name: 'get_weather', arguments: '{"city":"Perth"}' },
          { name: 'get_weather', arguments: '{"city":"Oslo"}' },
          { name: 'get_time', arguments: '{}' },
        ],
      };
      const events = await collect(llm.respond(llmRequest({ tools: [weatherTool, timeTool] })));
      expect(textOf(events.slice(0, 3))).toBe('Let me look.');
      const calls = events.slice(3).flatMap((event) => (event.type === 'tool-call' ? [event] : []));
      expect(calls.map((call) => [call.name, call.arguments])).toEqual([
        ['get_weather', '{"city":"Perth"}'],
        ['get_weather', '{"city":"Oslo"}'],
        ['get_time', '{}'],
      ]);
      expect(events).toHaveLength(7);
      expect(new Set(calls.map(({ callId }) => callId)).size).toBe(3);
      expect(calls.every(({ callId }) => callId !== '')).toBe(true);
    });

    test.runIf(!options.hasTools)('refuses tools before anything is sent', async () => {
      const { llm } = await start();
      await expect(collect(llm.respond(llmRequest({ tools: [timeTool] })))).rejects.toMatchObject({
        code: 'ERR_SERVICE_FAILED',
        message: expect.stringContaining('takes no tools'),
      });
    });

    test('ends with the reason of the abort in the middle of its words, and lets go of the server', async () => {
      const { fake, clock, llm } = await start();
      fake.answer = { text: 'One two three.' };
      fake.trouble = 'stall';
      const turn = new AbortController();
      const reason = new Error('the caller spoke');
      const heard: LlmEvent[] = [];
      let abortedAt = 0;
      const reading = (async () => {
        for await (const event of llm.respond(llmRequest({ signal: turn.signal }))) {
          heard.push(event);
          if (heard.length < 3) continue;
          abortedAt = performance.now();
          turn.abort(reason);
          fake.more('And four.');
        }
      })();
      await expect(reading).rejects.toBe(reason);
      await fake.abandoned(1);
      expect(performance.now() - abortedAt).toBeLessThan(ABORT_MS);
      expect(textOf(heard)).toBe('One two three.');
      expect(clock.pendingCount).toBe(0);
    });

    test('ends with the reason of the abort before the first word', async () => {
      const { fake, clock, llm } = await start();
      fake.trouble = 'hang';
      const turn = new AbortController();
      // Looks like a failure of the service's own, and must come back untouched all the same.
      const reason = new AntipodeError('ERR_SERVICE_TIMEOUT', 'The call took too long.', { cause: new Error('limit') });
      const refused = expect(collect(llm.respond(llmRequest({ signal: turn.signal })))).rejects.toBe(reason);
      await fake.requested(1);
      const abortedAt = performance.now();
      turn.abort(reason);
      await refused;
      await fake.abandoned(1);
      expect(performance.now() - abortedAt).toBeLessThan(ABORT_MS);
      expect(clock.pendingCount).toBe(0);
    });

    test.runIf(options.hasTools)('calls no tool when the turn ends before the answer has', async () => {
      const { fake, llm } = await start();
      fake.answer = { text: 'Hm.', toolCalls: [{ name: 'get_time', arguments: '{}' }] };
      fake.trouble = 'stall-at-end';
      const turn = new AbortController();
      const reason = new Error('the caller spoke');
      const events = llm.respond(llmRequest({ tools: [timeTool], signal: turn.signal }))[Symbol.asyncIterator]();
      expect((await events.next()).value).toEqual({ type: 'text', text: 'Hm.' });
      const rest = expect(events.next()).rejects.toBe(reason);
      // Time for all that was sent to be read; the outcome is the same without.
      await new Promise((resolve) => setTimeout(resolve, 50));
      turn.abort(reason);
      await rest;
    });

    test('asks nothing when the turn is over already', async () => {
      const { llm } = await start();
      const reason = new Error('over');
      await expect(collect(llm.respond(llmRequest({ signal: AbortSignal.abort(reason) })))).rejects.toBe(reason);
    });

    test('lets go of the server when the reader stops early', async () => {
      const { fake, clock, llm } = await start();
      fake.trouble = 'stall';
      for await (const _ of llm.respond(llmRequest())) break;
      await fake.abandoned(1);
      expect(clock.pendingCount).toBe(0);
    });

    test('times out when no answer comes', async () => {
      const { fake, clock, llm } = await start();
      fake.trouble = 'hang';
      const failed = failure(llm);
      await fake.requested(1);
      clock.advance(TIMEOUT_MS);
      expect((await failed).code).toBe('ERR_SERVICE_TIMEOUT');
      await fake.abandoned(1);
      expect(clock.pendingCount).toBe(0);
    });

    test('times out when the words stop, after giving those that came', async () => {
      const { fake, clock, llm } = await start();
      fake.trouble = 'stall';
      const words = llm.respond(llmRequest())[Symbol.asyncIterator]();
      expect((await words.next()).value).toEqual({ type: 'text', text: 'Hello.' });
      const rest = expect(words.next()).rejects.toMatchObject({ code: 'ERR_SERVICE_TIMEOUT' });
      clock.advance(TIMEOUT_MS);
      await rest;
      expect(clock.pendingCount).toBe(0);
    });

    test('takes as long as it needs while words keep coming', async () => {
      const { fake, clock, llm } = await start();
      fake.trouble = 'stall';
      const words = llm.respond(llmRequest())[Symbol.asyncIterator]();
      expect((await words.next()).value).toEqual({ type: 'text', text: 'Hello.' });
      for (const text of ['Still ', 'here, ', 'slowly.']) {
        const next = words.next();
        clock.advance(TIMEOUT_MS - 1);
        fake.more(text);
        expect((await next).value).toEqual({ type: 'text', text });
      }
      await words.return?.();
      expect(clock.pendingCount).toBe(0);
    });

    test('does not count what the reader does with a word as silence of the service', async () => {
      const { fake, clock, llm } = await start();
      fake.trouble = 'stall';
      fake.answer = { text: 'One two.' };
      const words = llm.respond(llmRequest())[Symbol.asyncIterator]();
      expect((await words.next()).value).toEqual({ type: 'text', text: 'One ' });
      clock.advance(10 * TIMEOUT_MS);
      expect((await words.next()).value).toEqual({ type: 'text', text: 'two.' });
      await words.return?.();
    });

    test('answers no more once it is closed, and ends what is under way', async () => {
      const { fake, llm } = await start();
      fake.trouble = 'hang';
      const waiting = failure(llm);
      await fake.requested(1);
      await llm.close();
      expect((await waiting).code).toBe('ERR_SHUTTING_DOWN');
      expect((await failure(llm)).code).toBe('ERR_SHUTTING_DOWN');
      llm.warm();
      await expect.poll(() => fake.openCount, patient).toBe(0);
      expect(fake.requests).toHaveLength(1);
    });

    const troubles: [string, LlmTrouble, ErrorCode][] = [
      ['a refusal of the key', { status: 401 }, 'ERR_SERVICE_FAILED'],
      ['a refusal of what it asks', { status: 403 }, 'ERR_SERVICE_FAILED'],
      ['a rate limit', { status: 429 }, 'ERR_SERVICE_UNAVAILABLE'],
      ['an error of the server', { status: 500 }, 'ERR_SERVICE_FAILED'],
      ['an overload', { status: 503 }, 'ERR_SERVICE_UNAVAILABLE'],
      ['a connection that closes in the middle', 'cut', 'ERR_SERVICE_FAILED'],
      ['an answer that ends early', 'early-end', 'ERR_SERVICE_FAILED'],
      ['a malformed chunk', 'malformed', 'ERR_SERVICE_FAILED'],
      ['half a chunk', 'half-event', 'ERR_SERVICE_FAILED'],
      ['a chunk of another shape', 'wrong-shape', 'ERR_SERVICE_FAILED'],
      ['an error in the stream', 'error-event', 'ERR_SERVICE_FAILED'],
      ['a page of a proxy', 'html', 'ERR_SERVICE_FAILED'],
    ];
    test.each(troubles)('fails with a code by %s, and answers the next request', async (_name, trouble, code) => {
      const { fake, clock, llm } = await start();
      fake.trouble = trouble;
      const error = await failure(llm);
      expect(error.code).toBe(code);
      expect(error.message).not.toContain(fake.apiKey);
      expect(clock.pendingCount).toBe(0);
      fake.trouble = null;
      expect(textOf(await collect(llm.respond(llmRequest())))).toBe('Hello.');
    });

    test('is unavailable when nobody listens', async () => {
      const { fake, llm } = await start();
      await fake.close();
      expect((await failure(llm)).code).toBe('ERR_SERVICE_UNAVAILABLE');
    });

    test.runIf(options.hasKey)('says that its key was refused, and not which', async () => {
      const { llm } = await start('key-that-is-wrong');
      const error = await failure(llm);
      expect(error.code).toBe('ERR_SERVICE_FAILED');
      expect(error.message).toContain('refused our key (401)');
      expect(error.message).not.toContain('key-that-is-wrong');
    });
  });
}

function textOf(events: readonly LlmEvent[]): string {
  return events.map((event) => (event.type === 'text' ? event.text : '')).join('');
}

/** What a request fails with. */
async function failure(llm: Llm): Promise<AntipodeError> {
  try {
    await collect(llm.respond(llmRequest()));
  } catch (error) {
    return error as AntipodeError;
  }
  throw new Error('The request did not fail.');
}
