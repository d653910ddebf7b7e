/**
 * What every speech-to-text adapter must do, whatever its protocol: the same cases run against each, on a fake of its
 * service. An adapter's own file adds what only its service has.
 */
import { afterEach, describe, expect, test } from 'vitest';
import { refusalOf } from '../../../../src/agent/services/refusal.ts';
import type { Stt, SttUtterance } from '../../../../src/agent/services/stt.ts';
import type { Clock } from '../../../../src/clock.ts';
import { systemClock } from '../../../../src/clock.ts';
import type { Logger } from '../../../../src/telemetry/index.ts';
import { sayTones, type ToneWord } from '../../../fakes/tone-words.ts';
import { FakeClock } from '../../../support/fake-clock.ts';
import { capturingLogger } from './capturing-logger.ts';

export interface SttSubjectOptions {
  clock: Clock;
  log: Logger;
  apiKey?: string;
  timeoutMs: number;
}

/** An adapter with the fake of its service. */
export interface SttSubject {
  readonly stt: Stt;
  /** Connections that were ever opened, and those that are open. */
  connections(): number;
  openCount(): number;
  /** Refuse connections or requests with this status. */
  refuse(status: number): void;
  /** Take audio and never answer. */
  stall(): void;
  /** Answer with this kind of nonsense, and with nothing else. */
  talkNonsense(kind: SttNonsense): void;
  /** Drop the connection in the middle of the sound or, where it comes as a whole, of the answer. */
  cut(): void;
  /** Take no more of what is sent on the connections that are open. Asked of those that stream. */
  deafen?(): void;
  /** Whether the service has been asked for the final words. */
  askedForWords(): boolean;
  /** The service goes away. */
  stop(): Promise<void>;
  close(): Promise<void>;
}

/** Half a message, or JSON of another shape. */
export type SttNonsense = 'half' | 'wrong-shape';

export interface SttTraits {
  /** Whether it gives words while the caller speaks. */
  interim: boolean;
  /** Whether it takes the sound as it comes, and thus loses none by a connection that breaks once. */
  streams: boolean;
  /** Words are had by ending the stream: each utterance has a connection, and the next one is opened at once. */
  endsStreams?: boolean;
  /** A local program: it has no connection, and nothing that could refuse, stall or talk nonsense. */
  isProgram?: boolean;
  /** The longest utterance. A program with a grammar of sentences hears a minute. @defaultValue 600 */
  maxSeconds?: number;
  /** A voice that it understands. @defaultValue tone words */
  say?(words: readonly ToneWord[]): Int16Array;
}

/** Within which everything is let go of after an abort. */
const ABORT_MS = 100;
const patient = { timeout: 20_000 };

export function sttConformance(
  name: string,
  traits: SttTraits,
  start: (options: SttSubjectOptions) => Promise<SttSubject>,
): void {
  describe(`${name} as speech to text`, () => {
    let subject: SttSubject | null = null;
    const log = capturingLogger();
    afterEach(async () => {
      await subject?.close();
      subject = null;
    });
    const { isProgram = false, maxSeconds = 600, say = sayTones, endsStreams = false } = traits;
    const service = test.runIf(!isProgram);
    const speak = (utterance: SttUtterance, words: readonly ToneWord[]) => writeFrames(utterance, say(words));
    const begin = async (options: Partial<SttSubjectOptions> = {}): Promise<SttSubject> => {
      subject = await start({ clock: systemClock, log: log.logger, timeoutMs: 20_000, ...options });
      return subject;
    };

    test('gives the words of an utterance', async () => {
      const { stt } = await begin();
      const utterance = listen(stt);
      speak(utterance, ['one', 'two', 'three']);
      expect(await utterance.finish()).toEqual({ text: 'one two three' });
    });

    test('gives the words of each of ten utterances one after the other', async () => {
      const { stt } = await begin();
      for (let round = 0; round < 10; round++) {
        const words: ToneWord[] = round % 2 === 0 ? ['four', 'five'] : ['six', 'seven', 'eight', 'one', 'two', 'three'];
        const utterance = listen(stt);
        speak(utterance, words);
        expect(await utterance.finish()).toEqual({ text: words.join(' ') });
      }
    });

    test('keeps utterances that overlap apart', async () => {
      const { stt } = await begin();
      const all: ToneWord[][] = [['one', 'two'], ['three'], ['four', 'five', 'six']];
      const utterances = all.map(() => listen(stt));
      for (const [index, words] of all.entries()) speak(utterances[index]!, words);
      const heard = await Promise.all(utterances.map((utterance) => utterance.finish()));
      expect(heard.map(({ text }) => text)).toEqual(all.map((words) => words.join(' ')));
    });

    test('understands nothing of silence, and says so with an empty text', async () => {
      const { stt } = await begin();
      const utterance = listen(stt);
      for (let frame = 0; frame < 50; frame++) utterance.write(new Int16Array(320));
      expect(await utterance.finish()).toEqual({ text: '' });
    });

    test('does not keep the buffer that it was given', async () => {
      const { stt } = await begin();
      const utterance = listen(stt);
      const buffer = new Int16Array(320);
      const pcm = say(['two', 'four']);
      for (let at = 0; at < pcm.length; at += buffer.length) {
        const frame = pcm.subarray(at, at + buffer.length);
        buffer.set(frame);
        utterance.write(buffer.subarray(0, frame.length));
      }
      buffer.fill(12_345);
      expect(await utterance.finish()).toEqual({ text: 'two four' });
    });

    test.runIf(traits.interim)('shows words while the caller speaks', async () => {
      const { stt } = await begin();
      const shown: string[] = [];
      const utterance = listen(stt, { onInterim: (text) => shown.push(text) });
      speak(utterance, ['one', 'two', 'three']);
      await expect.poll(() => shown.at(-1), { timeout: 20_000 }).toMatch(/^one/);
      expect(await utterance.finish()).toEqual({ text: 'one two three' });
    });

    service('rejects with the reason of the signal when it is aborted', async () => {
      const subject = await begin();
      subject.stall();
      const controller = new AbortController();
      const utterance = listen(subject.stt, { signal: controller.signal });
      speak(utterance, ['one']);
      const words = utterance.finish();
      const failing = expect(words).rejects.toBe('interrupted');
      await expect.poll(() => subject.askedForWords(), patient).toBe(true);
      const abortedAt = performance.now();
      controller.abort('interrupted');
      await failing;
      expect(performance.now() - abortedAt).toBeLessThan(ABORT_MS);
      utterance.close();
    });

    test('may be closed twice, and takes no more audio then', async () => {
      const { stt } = await begin();
      const utterance = listen(stt);
      speak(utterance, ['one']);
      utterance.close();
      utterance.close();
      speak(utterance, ['two']);
      await expect(utterance.finish()).rejects.toBeDefined();
    });

    test.runIf(maxSeconds >= 600)('hears an utterance of ten minutes', async () => {
      const { stt } = await begin();
      const utterance = listen(stt);
      const sayAndRest = async (words: ToneWord[], silentSeconds: number) => {
        speak(utterance, words);
        for (let second = 0; second < silentSeconds; second++) {
          utterance.write(new Int16Array(16_000));
          // Time for it to be taken off the wire: a caller who spoke this fast would be too fast.
          await new Promise((resolve) => setTimeout(resolve, second % 4 === 0 ? 2 : 0));
        }
      };
      await sayAndRest(['one', 'two'], 290);
      await sayAndRest(['three'], 305);
      await sayAndRest(['four'], 1);
      expect(await utterance.finish()).toEqual({ text: 'one two three four' });
    });

    test('refuses an utterance that is longer than it takes', async () => {
      const { stt } = await begin();
      const utterance = listen(stt);
      utterance.write(new Int16Array((maxSeconds + 1) * 16_000));
      await expect(utterance.finish()).rejects.toMatchObject({
        code: 'ERR_SERVICE_FAILED',
        message: `An utterance is longer than ${maxSeconds} s.`,
      });
    });

    test.runIf(endsStreams)('has the connection of the next utterance open, and no other', async () => {
      const subject = await begin();
      for (let count = 0; count < 4; count++) {
        const utterance = listen(subject.stt);
        speak(utterance, ['one']);
        expect(await utterance.finish()).toEqual({ text: 'one' });
      }
      await expect.poll(subject.connections, patient).toBe(5);
      await expect.poll(subject.openCount, patient).toBe(1);
    });

    test.runIf(!isProgram && !endsStreams)('hears utterance after utterance on one connection', async () => {
      const subject = await begin();
      for (let count = 0; count < 4; count++) {
        const utterance = listen(subject.stt);
        speak(utterance, ['one']);
        await utterance.finish();
      }
      expect(subject.connections()).toBe(1);
    });

    service('opens a connection ahead, which the first utterance takes', async () => {
      const subject = await begin();
      subject.stt.warm!();
      await expect.poll(subject.openCount, patient).toBe(1);
      // The end of the opening may still be on its way to us.
      await new Promise((resolve) => setTimeout(resolve, 20));
      const utterance = listen(subject.stt);
      speak(utterance, ['one']);
      await utterance.finish();
      await expect.poll(subject.connections, patient).toBe(endsStreams ? 2 : 1);
    });

    test('leaves no connection and no timer behind when it is closed, with utterances in every state', async () => {
      const clock = new FakeClock();
      const subject = await begin({ clock });
      const done = listen(subject.stt);
      speak(done, ['one']);
      await done.finish();
      subject.stall();
      const begun = listen(subject.stt);
      speak(begun, ['one']);
      const waiting = listen(subject.stt);
      speak(waiting, ['two']);
      const failing = expect(waiting.finish()).rejects.toBeDefined();
      await subject.stt.close!();
      await subject.stt.close!();
      await failing;
      await expect(begun.finish()).rejects.toBeDefined();
      expect(() => listen(subject.stt)).toThrow(expect.objectContaining({ code: 'ERR_SHUTTING_DOWN' }));
      await expect.poll(subject.openCount, patient).toBe(0);
      await expect.poll(() => clock.pendingCount, patient).toBe(0);
    });

    test.each([0, 5])('tells nothing of an utterance that was aborted after %i words', async (count) => {
      const { stt } = await begin();
      const controller = new AbortController();
      const shown: string[] = [];
      const utterance = listen(stt, { signal: controller.signal, onInterim: (text) => shown.push(text) });
      speak(utterance, (['one', 'two', 'three', 'four', 'five'] as const).slice(0, count));
      controller.abort('interrupted');
      const before = shown.length;
      speak(utterance, ['six']);
      await expect(utterance.finish()).rejects.toBe('interrupted');
      await new Promise((resolve) => setTimeout(resolve, 50));
      expect(shown.length).toBe(before);
    });

    test('begins nothing for a turn that is over already', async () => {
      const { stt } = await begin();
      const utterance = listen(stt, { signal: AbortSignal.abort('over') });
      speak(utterance, ['one']);
      await expect(utterance.finish()).rejects.toBe('over');
    });

    test.runIf(traits.streams)('loses no word by a connection that closes in the middle', async () => {
      const subject = await begin();
      subject.cut();
      const utterance = listen(subject.stt);
      speak(utterance, ['one', 'two', 'three', 'four', 'five', 'six']);
      expect(await utterance.finish()).toEqual({ text: 'one two three four five six' });
    });

    test.runIf(traits.streams)('gives up a service that takes sound slower than it is spoken', async () => {
      const subject = await begin();
      const utterance = listen(subject.stt);
      speak(utterance, ['one']);
      await expect.poll(subject.openCount, patient).toBe(1);
      subject.deafen!();
      // More than the network between us holds.
      for (let second = 0; second < 590; second++) {
        utterance.write(new Int16Array(16_000));
        if (second % 8 === 0) await new Promise((resolve) => setTimeout(resolve, 1));
      }
      await expect(utterance.finish()).rejects.toMatchObject({
        code: 'ERR_SERVICE_TIMEOUT',
        message: expect.stringContaining('too slowly'),
      });
    });

    test.runIf(!traits.streams && !isProgram)('fails by a connection that closes in the middle', async () => {
      const subject = await begin();
      subject.cut();
      const utterance = listen(subject.stt);
      speak(utterance, ['one']);
      await expect(utterance.finish()).rejects.toMatchObject({ code: 'ERR_SERVICE_FAILED' });
    });

    service('gives up on a service that does not answer in time', async () => {
      const clock = new FakeClock();
      const subject = await begin({ clock, timeoutMs: 3_000 });
      subject.stall();
      const utterance = listen(subject.stt);
      speak(utterance, ['one']);
      let settled = false;
      const words = utterance.finish().finally(() => {
        settled = true;
      });
      const failing = expect(words).rejects.toMatchObject({ code: 'ERR_SERVICE_TIMEOUT' });
      await expect.poll(() => subject.askedForWords(), { timeout: 20_000 }).toBe(true);
      await clock.advanceAsync(2_900, 100);
      expect(settled).toBe(false);
      await clock.advanceAsync(200, 100);
      await failing;
    });

    service('says that a service is not there', async () => {
      const subject = await begin();
      await subject.stop();
      const utterance = listen(subject.stt);
      speak(utterance, ['one']);
      await expect(utterance.finish()).rejects.toMatchObject({ code: 'ERR_SERVICE_UNAVAILABLE' });
    });

    service.each([
      [403, 'ERR_SERVICE_FAILED'],
      [429, 'ERR_SERVICE_UNAVAILABLE'],
      [500, 'ERR_SERVICE_FAILED'],
      [503, 'ERR_SERVICE_UNAVAILABLE'],
    ])('has a code for a refusal with %i', async (status, code) => {
      const subject = await begin();
      subject.refuse(status);
      const utterance = listen(subject.stt);
      speak(utterance, ['one']);
      const failing = utterance.finish();
      await expect(failing).rejects.toMatchObject({ code });
      expect(refusalOf(await failing.catch((error: unknown) => error))?.status).toBe(status);
    });

    service('says that it was the key, without the key, and never logs one', async () => {
      const { stt } = await begin({ apiKey: 'some-other-key' });
      const utterance = listen(stt);
      speak(utterance, ['one']);
      const failing = utterance.finish();
      await expect(failing).rejects.toMatchObject({
        code: 'ERR_SERVICE_FAILED',
        message: expect.stringMatching(/key \(40[13]\)/),
      });
      const error = await failing.catch((reason: unknown) => reason);
      expect(String((error as Error).stack)).not.toContain('some-other-key');
      expect(log.text()).not.toContain('some-other-key');
    });

    service.each<SttNonsense>(['half', 'wrong-shape'])(
      'fails by answers that are %s, and does not crash',
      async (kind) => {
        const subject = await begin();
        subject.talkNonsense(kind);
        const utterance = listen(subject.stt);
        speak(utterance, ['one', 'two']);
        await expect(utterance.finish()).rejects.toMatchObject({ code: 'ERR_SERVICE_FAILED' });
      },
    );
  });
}

/** An utterance that nobody aborts, unless told. */
export function listen(stt: Stt, options: Partial<Parameters<Stt['listen']>[0]> = {}): SttUtterance {
  return stt.listen({ signal: new AbortController().signal, ...options });
}

/** Write words in frames of 20 ms. */
export function speak(utterance: Pick<SttUtterance, 'write'>, words: readonly ToneWord[]): void {
  writeFrames(utterance, sayTones(words));
}

export function writeFrames(utterance: Pick<SttUtterance, 'write'>, pcm: Int16Array): void {
  for (let at = 0; at < pcm.length; at += 320) utterance.write(pcm.slice(at, at + 320));
}
