/**
 * What every speech-to-speech adapter must do, whatever its protocol: the same cases run against each, on a fake of its
 * service that says back what it heard. An adapter's own file adds what only its service has.
 */
import { afterEach, describe, expect, test } from 'vitest';
import { z } from 'zod';
import type { Tool } from '../../../../src/agent/index.ts';
import type { S2s, S2sEvent, S2sOpenOptions, S2sSession } from '../../../../src/agent/services/s2s.ts';
import type { Clock } from '../../../../src/clock.ts';
import { systemClock } from '../../../../src/clock.ts';
import type { Logger } from '../../../../src/telemetry/index.ts';
import { capturingLogger } from '../stt/capturing-logger.ts';
import { RecordedSession } from './recorded-session.ts';

export interface S2sSubjectOptions {
  clock: Clock;
  log: Logger;
  apiKey?: string;
  replyTimeoutMs: number;
  reconnectForMs: number;
}

/** An adapter with the fake of its service, whose voice takes 50 ms a letter and which answers `You said {words}.` */
export interface S2sSubject {
  readonly s2s: S2s;
  /** What the service would answer from, a line each, as `user: one two [600 ms]`. */
  context(): string[];
  /** Calls this tool when it hears `seven`, and says `The tool says {result}.` with what it answered. */
  readonly toolName: string;
  /** It cannot be told to forget: what was said before something was cut off is told anew, as text. */
  readonly rewinds?: boolean;
  /** It keeps its own memory of a conversation whose connection was lost at rest. */
  readonly resumes?: boolean;
  /** Refuse connections with this status. */
  refuse(status: number): void;
  /** Take everything and never answer. */
  stall(): void;
  /** Say what makes no sense before everything else. */
  talkNonsense(): void;
  /** Fail the next answer. */
  failAnswers(): void;
  succeed(): void;
  /** Break the connection in the middle of the next answer. */
  cutNextAnswer(): void;
  /** Break every connection now. */
  dropAll(): void;
  /** 100 ms of sound take this long to come. */
  pace(spacingMs: number): void;
  openCount(): number;
  connections(): number;
  close(): Promise<void>;
}

export function s2sConformance(name: string, start: (options: S2sSubjectOptions) => Promise<S2sSubject>): void {
  describe(`${name} as speech to speech`, () => {
    const log = capturingLogger();
    const closing: (() => unknown)[] = [];
    afterEach(async () => {
      for (const close of closing.splice(0).reverse()) await close();
    });
    const begin = async (options: Partial<S2sSubjectOptions> = {}): Promise<S2sSubject> => {
      const defaults = { clock: systemClock, log: log.logger, replyTimeoutMs: 20_000, reconnectForMs: 20_000 };
      const subject = await start({ ...defaults, ...options });
      closing.push(() => subject.close());
      return subject;
    };
    const open = (
      { s2s }: S2sSubject,
      options: Partial<S2sOpenOptions> = {},
      onEvent?: (event: S2sEvent, session: S2sSession) => void,
    ): RecordedSession => {
      const recorded = new RecordedSession(s2s, options, onEvent);
      closing.push(() => recorded.session.close());
      return recorded;
    };

    test('answers what it heard, in words and in sound of the same length', async () => {
      const call = open(await begin());
      const utterance = call.asks(['one', 'two']);
      await call.replies();
      expect(call.said).toBe('You said one two.');
      expect(call.soundMs).toBeCloseTo('You said one two.'.length * 50);
      expect(call.of('replyStarted')).toHaveLength(1);
      expect(call.of('replyEnded')).toEqual([{ type: 'replyEnded', error: null }]);
      await call.until(() => call.transcript(utterance) !== undefined, 'the words of the caller');
      expect(call.transcript(utterance)).toBe('one two');
    });

    test('takes what it is given before it is connected', async () => {
      const subject = await begin();
      const call = open(subject);
      call.asks(['three']);
      expect(subject.connections()).toBe(0);
      await call.replies();
      expect(call.said).toBe('You said three.');
    });

    test('numbers utterances from 0 and keeps their words apart', async () => {
      const call = open(await begin());
      expect(call.asks(['one'])).toBe(0);
      await call.replies(1);
      expect(call.asks(['two', 'three'])).toBe(1);
      await call.replies(2);
      await call.until(() => call.transcript(1) !== undefined, 'the words');
      expect([call.transcript(0), call.transcript(1)]).toEqual(['one', 'two three']);
    });

    test('answers what was typed, and speaks first when told what to say', async () => {
      const subject = await begin();
      const call = open(subject);
      call.session.respond('Say exactly this and nothing else: "Welcome."');
      await call.replies(1);
      call.session.text('hello');
      await call.replies(2);
      expect(call.said).toBe('Welcome.You said hello.');
      expect(subject.context()).toEqual([
        'assistant: Welcome. [400 ms]',
        'user: hello',
        'assistant: You said hello. [750 ms]',
      ]);
    });

    test('is told what was said before', async () => {
      const subject = await begin();
      const call = open(subject, {
        history: [
          { role: 'caller', turn: 0, text: 'Is it late?' },
          { role: 'tool', turn: 0, callId: 'c1', name: 'get_time', arguments: '{}', result: 'noon' },
          { role: 'agent', turn: 0, text: 'It is', interrupted: true },
        ],
      });
      call.asks(['one']);
      await call.replies();
      expect(subject.context().slice(0, 4)).toEqual([
        'user: Is it late?',
        'call get_time({})',
        'result noon',
        'assistant: It is',
      ]);
    });

    test('calls a tool and goes on with its result, as one answer', async () => {
      const subject = await begin();
      const tool: Tool = { name: subject.toolName, description: 'x', parameters: z.object({}), run: () => '' };
      const call = open(subject, { tools: [tool] }, (event, session) => {
        if (event.type === 'toolCall') session.toolResult(event.callId, 'noon');
      });
      call.asks(['seven']);
      await call.replies();
      expect(call.of('toolCall')).toMatchObject([{ name: subject.toolName, arguments: '{"a":1}' }]);
      expect(call.said).toMatch(/The tool says noon\.$/);
      expect(call.of('replyStarted')).toHaveLength(1);
      expect(call.of('replyEnded')).toHaveLength(1);
    });

    test('knows of an answer that was cut off what was heard of it and no more', async () => {
      const subject = await begin();
      const call = open(subject);
      call.asks(['one', 'two']);
      await call.replies();
      call.session.interrupt({ playedMs: 420, words: 'You said' });
      call.asks(['three']);
      await call.replies(2);
      const context = subject.context();
      expect(context.join('\n')).not.toContain('You said one two');
      expect(context[1]).toMatch(/^assistant: (You said)?( \[cut to 420 ms\])?$/);
    });

    test('forgets an answer of which nothing was heard', async () => {
      const subject = await begin();
      const call = open(subject);
      call.asks(['one']);
      await call.replies();
      call.session.interrupt({ playedMs: 0, words: '' });
      call.asks(['two']);
      await call.replies(2);
      expect(subject.context()).toEqual([
        subject.rewinds ? 'user: one' : 'user: one [300 ms]',
        'user: two [300 ms]',
        'assistant: You said two. [650 ms]',
      ]);
    });

    test('says nothing more of an answer that was cut off while it was made', async () => {
      const subject = await begin();
      subject.pace(20);
      const call = open(subject);
      call.asks(['one', 'two', 'three']);
      await call.until(() => call.soundMs >= 300, 'some sound');
      call.session.interrupt({ playedMs: 100, words: 'Yo' });
      const before = call.events.length;
      call.asks(['four']);
      await call.replies();
      const after = call.events.slice(before);
      const words = after.flatMap((event) => (event.type === 'replyText' ? [event.text] : [])).join('');
      expect(words).toBe('You said four.');
      expect(call.runs.map(({ outcome }) => outcome)).toEqual(['aborted', 'ok']);
    });

    test('forgets what was no turn', async () => {
      const subject = await begin();
      const call = open(subject);
      call.hears(['eight']);
      call.session.discard();
      call.asks(['one']);
      await call.replies();
      expect(call.said).toBe('You said one.');
      expect(subject.context()[0]).toBe('user: one [300 ms]');
    });

    test('tells of each answer what it took and what it used', async () => {
      const call = open(await begin());
      call.asks(['one', 'two']);
      await call.replies();
      expect(call.runs).toHaveLength(1);
      const { kind, outcome, startedAtMs, firstAtMs, endedAtMs, usage } = call.runs[0]!;
      expect({ kind, outcome }).toEqual({ kind: 's2s', outcome: 'ok' });
      expect(firstAtMs!).toBeGreaterThanOrEqual(startedAtMs);
      expect(endedAtMs).toBeGreaterThanOrEqual(firstAtMs!);
      expect(usage.audioInSeconds).toBeCloseTo(0.6, 1);
      expect(usage.audioOutSeconds).toBeCloseTo(0.85, 2);
      expect(call.of('usage')).toEqual([{ type: 'usage', usage }]);
    });

    test('connects anew when it is dropped at rest, and remembers everything', async () => {
      const subject = await begin();
      const call = open(subject);
      call.asks(['one']);
      await call.replies(1);
      await call.until(() => call.transcript(0) !== undefined, 'the words');
      subject.dropAll();
      await call.until(() => call.of('reconnected').length === 1, 'the next connection');
      expect(call.of('reconnecting')).toHaveLength(1);
      call.asks(['two']);
      await call.replies(2);
      expect(subject.context()).toEqual([
        ...(subject.resumes
          ? ['user: one [300 ms]', 'assistant: You said one. [650 ms]']
          : ['user: one', 'assistant: You said one.']),
        'user: two [300 ms]',
        'assistant: You said two. [650 ms]',
      ]);
    });

    test('loses nothing of the caller when it is dropped while they speak', async () => {
      const subject = await begin();
      const call = open(subject);
      call.asks(['one']);
      await call.replies(1);
      call.hears(['two', 'three']);
      subject.dropAll();
      await call.until(() => call.of('reconnecting').length === 1, 'the loss');
      call.hears(['four']);
      call.session.endTurn();
      await call.replies(2);
      expect(call.said).toBe('You said one.You said two three four.');
    });

    test('goes on with an answer that a broken connection cut off', async () => {
      const subject = await begin();
      subject.cutNextAnswer();
      const call = open(subject);
      call.asks(['one', 'two', 'three']);
      await call.replies();
      expect(subject.connections()).toBe(2);
      expect(call.of('replyEnded')).toEqual([{ type: 'replyEnded', error: null }]);
      expect(call.of('replyStarted')).toHaveLength(1);
      const [, told] = subject.context();
      expect(told).toMatch(/^assistant: You/);
      expect(told).not.toContain('ms]');
      expect(call.runs.map(({ outcome }) => outcome)).toEqual(['ERR_SERVICE_FAILED', 'ok']);
    });

    test('ends an answer with the error when the service fails it, and lives on', async () => {
      const subject = await begin();
      subject.failAnswers();
      const call = open(subject);
      call.asks(['one']);
      await call.replies(1);
      expect(call.of('replyEnded')[0]!.error).toMatchObject({ code: 'ERR_SERVICE_FAILED' });
      subject.succeed();
      call.asks(['two']);
      await call.replies(2);
      expect(call.of('replyEnded')[1]!.error).toBeNull();
      expect(call.errors).toEqual([]);
    });

    test('gives up a service that never answers', async () => {
      const subject = await begin({ replyTimeoutMs: 60 });
      subject.stall();
      const call = open(subject);
      call.asks(['one']);
      expect(await call.failure()).toMatchObject({ code: 'ERR_SERVICE_TIMEOUT' });
    });

    test('gives up a service that makes no sense', async () => {
      const subject = await begin({ reconnectForMs: 300 });
      subject.talkNonsense();
      const call = open(subject);
      call.asks(['one']);
      expect(await call.failure()).toMatchObject({ code: 'ERR_SERVICE_FAILED' });
      expect(call.errors).toHaveLength(1);
    });

    test.each([
      [401, 'ERR_SERVICE_FAILED', /key \(401\)/],
      [403, 'ERR_SERVICE_FAILED', /key \(403\)/],
      [404, 'ERR_SERVICE_FAILED', /\(404\)/],
    ])('does not try again after a refusal with %i', async (status, code, message) => {
      const subject = await begin();
      subject.refuse(status);
      const call = open(subject);
      expect(await call.failure()).toMatchObject({ code, message: expect.stringMatching(message) });
      expect(call.events).toEqual([]);
    });

    test.each([
      [429, 'ERR_SERVICE_UNAVAILABLE'],
      [503, 'ERR_SERVICE_UNAVAILABLE'],
    ])('tries again after a refusal with %i, for its time', async (status, code) => {
      const subject = await begin({ reconnectForMs: 300 });
      subject.refuse(status);
      const call = open(subject);
      expect(await call.failure()).toMatchObject({ code });
      expect(call.of('reconnecting')).toHaveLength(1);
    });

    test('does not tell its key', async () => {
      const subject = await begin({ apiKey: 'some-other-key' });
      const call = open(subject);
      const error = await call.failure();
      expect(error.code).toBe('ERR_SERVICE_FAILED');
      expect(String(error.stack)).not.toContain('some-other-key');
      expect(log.text()).not.toContain('some-other-key');
    });

    test('is closed by its signal, says nothing after it and leaves no connection', async () => {
      const subject = await begin();
      subject.pace(20);
      const call = open(subject);
      call.asks(['one', 'two', 'three']);
      await call.until(() => call.soundMs >= 200, 'some sound');
      call.controller.abort();
      const before = call.events.length;
      call.session.audio(new Int16Array(320));
      call.session.text('hello');
      call.session.close();
      await expect.poll(() => subject.openCount(), { timeout: 10_000 }).toBe(0);
      expect(call.events.length).toBe(before);
      expect(call.errors).toEqual([]);
      expect(call.runs.map(({ outcome }) => outcome)).toEqual(['aborted']);
    });

    test('does not connect for a call that is over', async () => {
      const subject = await begin();
      const controller = new AbortController();
      controller.abort();
      const call = open(subject, { signal: controller.signal });
      call.session.text('hello');
      await new Promise((resolve) => setImmediate(resolve));
      expect(subject.connections()).toBe(0);
    });
  });
}
