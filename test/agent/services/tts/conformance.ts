/**
 * What every text-to-speech adapter must do, whatever it speaks with: one suite, run against each of them. A subject is
 * an adapter with the service behind it, which is told how to fail.
 */
import { afterEach, describe, expect, test } from 'vitest';
import type { SpeechChunk, Tts } from '../../../../src/agent/services/tts.ts';
import type { FakeClock } from '../../../support/fake-clock.ts';

/**
 * `hang` says nothing; `stall` falls silent and `cut` breaks off after the first audio; `malformed` answers what is no
 * audio, `half` half a message, `empty` no audio in good order.
 */
export type TtsFault =
  | 'unauthorized'
  | 'forbidden'
  | 'rate-limited'
  | 'server-error'
  | 'overloaded'
  | 'hang'
  | 'stall'
  | 'cut'
  | 'malformed'
  | 'half'
  | 'empty';

export interface TtsSubject {
  readonly tts: Tts;
  readonly clock: FakeClock;
  /** From now on the service fails so. This and what follows is asked of voices with a service alone. */
  fail(fault: TtsFault): void;
  /** From now on it does not. */
  heal(): void;
  /** Whether a sentence has reached the service. */
  asked(): boolean;
  /** What the service was asked to speak, request by request; null when a sentence is always one request. */
  readonly spokenTexts: (() => readonly string[]) | null;
  /** Connections that were ever opened, and those that are open. */
  connections(): number;
  openCount(): number;
  /** Sentences that the service noticed were given up; null when it is not asked to notice. */
  readonly givenUp: (() => number) | null;
  /** The service is gone. */
  disappear(): Promise<void>;
  close(): Promise<void>;
}

export interface TtsTraits {
  /** An adapter and its service; with `spacingMs` between pieces of audio. */
  start(options: { spacingMs?: number }): Promise<TtsSubject>;
  /** Whether words come with their times. */
  readonly timesWords: boolean;
  /** Whether there is a service, which can fail; else it is a program, which has no connections either. */
  readonly hasService: boolean;
  /** The answer comes as a whole: there is no first of it. @defaultValue false */
  readonly isWhole?: boolean;
  /** Longer than the adapter waits for a sign of life. */
  readonly timeoutMs: number;
  /** What no error may tell. */
  readonly secret: string | null;
}

const SENTENCE = 'Welcome to the front desk, how can I help?';
const OTHER = 'We open at seven thirty.';
const LONG = 'This answer goes on for quite a while. '.repeat(10).trim();

const CODES: [TtsFault, string][] = [
  ['unauthorized', 'ERR_SERVICE_FAILED'],
  ['forbidden', 'ERR_SERVICE_FAILED'],
  ['rate-limited', 'ERR_SERVICE_UNAVAILABLE'],
  ['server-error', 'ERR_SERVICE_FAILED'],
  ['overloaded', 'ERR_SERVICE_UNAVAILABLE'],
  ['cut', 'ERR_SERVICE_FAILED'],
  ['malformed', 'ERR_SERVICE_FAILED'],
  ['half', 'ERR_SERVICE_FAILED'],
  ['empty', 'ERR_SERVICE_FAILED'],
];

/** Within which everything is let go of after an abort. */
const ABORT_MS = 100;
const patient = { timeout: 10_000 };

export const never = () => new AbortController().signal;

export async function collect(chunks: AsyncIterable<SpeechChunk>): Promise<SpeechChunk[]> {
  const all: SpeechChunk[] = [];
  for await (const chunk of chunks) all.push(chunk);
  return all;
}

/** All of a sentence's audio. */
export function joined(chunks: readonly SpeechChunk[]): Int16Array {
  return Int16Array.from(chunks.flatMap(({ pcm }) => [...pcm]));
}

export function testTts(name: string, traits: TtsTraits): void {
  describe(`${name} as a voice`, { timeout: 60_000 }, () => {
    const subjects: TtsSubject[] = [];
    async function start(options: { spacingMs?: number } = {}): Promise<TtsSubject> {
      const subject = await traits.start(options);
      subjects.push(subject);
      return subject;
    }
    afterEach(async () => {
      for (const subject of subjects.splice(0)) {
        await subject.close();
        expect(subject.clock.pendingCount, 'timers that were left').toBe(0);
      }
    });

    test('speaks a sentence in mono PCM at 16 or 24 kHz', async () => {
      const { tts } = await start();
      const chunks = await collect(tts.synthesize(SENTENCE, { signal: never() }));
      expect([16_000, 24_000]).toContain(chunks[0]!.sampleRate);
      expect(new Set(chunks.map(({ sampleRate }) => sampleRate)).size).toBe(1);
      const pcm = joined(chunks);
      expect(pcm.length / chunks[0]!.sampleRate).toBeGreaterThan(0.5);
      expect(pcm.some((sample) => Math.abs(sample) > 3_000)).toBe(true);
      expect(chunks.slice(0, -1).every((chunk) => chunk.pcm.length > 0)).toBe(true);
    });

    test.runIf(traits.timesWords)('gives each word once, in order, with a time inside of its audio', async () => {
      const { tts } = await start();
      const chunks = await collect(tts.synthesize(SENTENCE, { signal: never() }));
      const words = chunks.flatMap((chunk) => chunk.words ?? []);
      expect(words.map(({ text }) => text).join(' ')).toBe(SENTENCE);
      const lengthMs = (joined(chunks).length * 1_000) / chunks[0]!.sampleRate;
      let beforeMs = 0;
      for (const { startMs, endMs } of words) {
        expect(startMs).toBeGreaterThanOrEqual(beforeMs);
        expect(endMs).toBeGreaterThan(startMs);
        beforeMs = endMs;
      }
      expect(beforeMs).toBeLessThanOrEqual(lengthMs);
    });

    test('keeps two sentences that are spoken at once apart', async () => {
      const { tts } = await start({ spacingMs: 1 });
      const speak = (text: string) => collect(tts.synthesize(text, { signal: never() })).then(joined);
      const [first, second] = await Promise.all([speak(SENTENCE), speak(OTHER)]);
      expect(first).toEqual(await speak(SENTENCE));
      expect(second).toEqual(await speak(OTHER));
      expect(first).not.toEqual(second);
    });

    test('says nothing for a turn that is over already', async () => {
      const { tts } = await start();
      const speaking = collect(tts.synthesize(SENTENCE, { signal: AbortSignal.abort('interrupted') }));
      await expect(speaking).rejects.toBe('interrupted');
    });

    test('stops with the reason when it is interrupted, and the service is told', async () => {
      const { tts, givenUp } = await start({ spacingMs: 20 });
      const controller = new AbortController();
      const chunks = tts.synthesize(LONG, { signal: controller.signal })[Symbol.asyncIterator]();
      const first = chunks.next();
      if (givenUp !== null) expect((await first).done).toBe(false);
      const abortedAt = performance.now();
      controller.abort('interrupted');
      await expect(givenUp === null ? first : chunks.next()).rejects.toBe('interrupted');
      expect(performance.now() - abortedAt).toBeLessThan(ABORT_MS);
      expect((await chunks.next()).done).toBe(true);
      if (givenUp !== null) await expect.poll(givenUp, patient).toBe(1);
    });

    test.runIf(traits.hasService)('stops before its first sound when it is interrupted', async () => {
      const { tts, ...subject } = await start();
      subject.fail('hang');
      const controller = new AbortController();
      const speaking = collect(tts.synthesize(SENTENCE, { signal: controller.signal }));
      const refused = expect(speaking).rejects.toBe('interrupted');
      await expect.poll(subject.asked, patient).toBe(true);
      const abortedAt = performance.now();
      controller.abort('interrupted');
      await refused;
      expect(performance.now() - abortedAt).toBeLessThan(ABORT_MS);
    });

    test('tells the service when nobody listens any more', async () => {
      const { tts, givenUp } = await start({ spacingMs: 20 });
      for await (const { pcm } of tts.synthesize(LONG, { signal: never() })) {
        expect(pcm.length).toBeGreaterThan(0);
        break;
      }
      if (givenUp !== null) await expect.poll(givenUp, { timeout: 10_000 }).toBe(1);
    });

    test('speaks 10,000 characters, and loses none', async () => {
      const { tts, ...subject } = await start();
      const text = 'This is nine more. '.repeat(530).slice(0, 10_000);
      const chunks = await collect(tts.synthesize(text, { signal: never() }));
      const samples = chunks.reduce((sum, { pcm }) => sum + pcm.length, 0);
      expect(samples / chunks[0]!.sampleRate).toBeGreaterThan(200);
      if (traits.timesWords) {
        const words = chunks.flatMap((chunk) => chunk.words ?? []).map((word) => word.text);
        expect(words.join(' ')).toBe(text.trim());
      } else if (traits.hasService) expect(subject.spokenTexts?.().join('')).toBe(text);
    });

    test('makes no sound of nothing, and does not fail', async () => {
      const { tts } = await start();
      expect(await collect(tts.synthesize(' \n', { signal: never() }))).toEqual([]);
    });

    test.runIf(traits.hasService)('speaks sentence after sentence on one connection', async () => {
      const { tts, ...subject } = await start();
      for (let count = 0; count < 5; count++) await collect(tts.synthesize(`Number ${count}.`, { signal: never() }));
      expect(subject.connections()).toBe(1);
    });

    test.runIf(traits.hasService)('opens a connection ahead, which the first sentence takes', async () => {
      const { tts, ...subject } = await start();
      tts.warm!();
      await expect.poll(subject.openCount, patient).toBe(1);
      // The end of the opening may still be on its way to us.
      await new Promise((resolve) => setTimeout(resolve, 20));
      await collect(tts.synthesize(SENTENCE, { signal: never() }));
      expect(subject.connections()).toBe(1);
    });

    test.runIf(traits.hasService)('speaks no more once it is closed, and ends what is spoken', async () => {
      const { tts, ...subject } = await start();
      subject.fail('hang');
      const speaking = collect(tts.synthesize(SENTENCE, { signal: never() }));
      const ended = expect(speaking).rejects.toMatchObject({ code: 'ERR_SHUTTING_DOWN' });
      await expect.poll(subject.asked, patient).toBe(true);
      await tts.close!();
      await tts.close!();
      await ended;
      const late = collect(tts.synthesize(SENTENCE, { signal: never() }));
      await expect(late).rejects.toMatchObject({ code: 'ERR_SHUTTING_DOWN' });
      tts.warm!();
      await expect.poll(subject.openCount, patient).toBe(0);
    });

    test.runIf(traits.hasService)('does not count what the reader does with its audio as silence', async () => {
      const { tts, clock } = await start();
      const chunks = tts.synthesize(LONG, { signal: never() })[Symbol.asyncIterator]();
      let samples = 0;
      for (let next = await chunks.next(); !next.done; next = await chunks.next()) {
        samples += next.value.pcm.length;
        // All of it has come by then, and waits for us.
        await new Promise((resolve) => setTimeout(resolve, 5));
        clock.advance(traits.timeoutMs - 1);
      }
      expect(samples).toBeGreaterThan(0);
    });

    test('speaks again after it failed', async () => {
      const { tts } = await start();
      await expect(collect(tts.synthesize(SENTENCE, { signal: AbortSignal.abort('over') }))).rejects.toBe('over');
      expect(joined(await collect(tts.synthesize(OTHER, { signal: never() }))).length).toBeGreaterThan(0);
    });

    test.runIf(traits.hasService).each(CODES)('has a code when the service is %s', async (fault, code) => {
      const { tts, ...subject } = await start();
      subject.fail(fault);
      const failing = collect(tts.synthesize(SENTENCE, { signal: never() }));
      await expect(failing).rejects.toMatchObject({ code });
      const error = await failing.catch((thrown) => thrown);
      const told = `${error.message} ${error.stack} ${JSON.stringify(error.cause ?? null)}`;
      if (traits.secret !== null) expect(told).not.toContain(traits.secret);
      subject.heal();
      expect(joined(await collect(tts.synthesize(OTHER, { signal: never() }))).length).toBeGreaterThan(0);
    });

    test.runIf(traits.hasService && !traits.isWhole)(
      'takes as long as the service needs while audio keeps coming',
      async () => {
        const { tts, clock } = await start({ spacingMs: 5 });
        const chunks = tts.synthesize(LONG, { signal: never() })[Symbol.asyncIterator]();
        let waits = 0;
        for (let done = false; !done; waits++) {
          const next = chunks.next();
          clock.advance(traits.timeoutMs - 1);
          done = (await next).done === true;
        }
        expect(waits).toBeGreaterThan(3);
      },
    );

    test.runIf(traits.hasService && !traits.isWhole)(
      'gives up a service that falls silent, after all that it said',
      async () => {
        const { tts, clock, ...subject } = await start();
        subject.fail('stall');
        const chunks = tts.synthesize(SENTENCE, { signal: never() })[Symbol.asyncIterator]();
        expect((await chunks.next()).value?.pcm.length).toBeGreaterThan(0);
        const rest = expect(chunks.next()).rejects.toMatchObject({ code: 'ERR_SERVICE_TIMEOUT' });
        clock.advance(traits.timeoutMs);
        await rest;
      },
    );

    test.runIf(traits.hasService)('does not wait for ever', async () => {
      const { tts, clock, ...subject } = await start();
      subject.fail('hang');
      const waiting = collect(tts.synthesize(SENTENCE, { signal: never() }));
      clock.advance(traits.timeoutMs);
      await expect(waiting).rejects.toMatchObject({ code: 'ERR_SERVICE_TIMEOUT' });
    });

    test.runIf(traits.hasService)('is not available when its service is gone', async () => {
      const { tts, ...subject } = await start();
      await subject.disappear();
      const speaking = collect(tts.synthesize(SENTENCE, { signal: never() }));
      await expect(speaking).rejects.toMatchObject({ code: 'ERR_SERVICE_UNAVAILABLE' });
    });
  });
}
