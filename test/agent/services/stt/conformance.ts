/**
 * What every speech-to-text adapter must do, whatever its protocol: the same cases run against each, on a fake of its
 * service. An adapter's own file adds what only its service has.
 */
import { afterEach, describe, expect, test } from 'vitest';
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
  /** Refuse connections or requests with this status. */
  refuse(status: number): void;
  /** Take audio and never answer. */
  stall(): void;
  /** Answer with what makes no sense, and with nothing else. */
  talkNonsense(): void;
  /** Whether the service has been asked for the final words. */
  askedForWords(): boolean;
  /** The service goes away. */
  stop(): Promise<void>;
  close(): Promise<void>;
}

export interface SttTraits {
  /** Whether it gives words while the caller speaks. */
  interim: boolean;
  /** Of a refused key: the batch adapter tells it as a failure. */
  refusedKeyCode: string;
}

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
      const pcm = sayTones(['two', 'four']);
      for (let at = 0; at < pcm.length; at += buffer.length) {
        buffer.set(pcm.subarray(at, at + buffer.length));
        utterance.write(buffer);
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

    test('rejects with the reason of the signal when it is aborted', async () => {
      const subject = await begin();
      subject.stall();
      const controller = new AbortController();
      const utterance = listen(subject.stt, { signal: controller.signal });
      speak(utterance, ['one']);
      const words = utterance.finish();
      const failing = expect(words).rejects.toBe('interrupted');
      await expect.poll(() => subject.askedForWords(), { timeout: 20_000 }).toBe(true);
      controller.abort('interrupted');
      await failing;
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

    test('refuses an utterance of more than a minute', async () => {
      const { stt } = await begin();
      const utterance = listen(stt);
      for (let second = 0; second < 61; second++) utterance.write(new Int16Array(16_000));
      await expect(utterance.finish()).rejects.toMatchObject({ code: 'ERR_SERVICE_FAILED' });
    });

    test('gives up on a service that does not answer in time', async () => {
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

    test('says that a service is not there', async () => {
      const subject = await begin();
      await subject.stop();
      const utterance = listen(subject.stt);
      speak(utterance, ['one']);
      await expect(utterance.finish()).rejects.toMatchObject({ code: 'ERR_SERVICE_UNAVAILABLE' });
    });

    test.each([
      [429, 'ERR_SERVICE_UNAVAILABLE'],
      [500, 'ERR_SERVICE_FAILED'],
    ])('has a code for a refusal with %i', async (status, code) => {
      const subject = await begin();
      subject.refuse(status);
      const utterance = listen(subject.stt);
      speak(utterance, ['one']);
      await expect(utterance.finish()).rejects.toMatchObject({ code });
    });

    test('says that it was the key, without the key, and never logs one', async () => {
      const { stt } = await begin({ apiKey: 'some-other-key' });
      const utterance = listen(stt);
      speak(utterance, ['one']);
      const failing = utterance.finish();
      await expect(failing).rejects.toMatchObject({
        code: traits.refusedKeyCode,
        message: expect.stringMatching(/key \(401\)/),
      });
      const error = await failing.catch((reason: unknown) => reason);
      expect(String((error as Error).stack)).not.toContain('some-other-key');
      expect(log.text()).not.toContain('some-other-key');
    });

    test('fails on answers that make no sense, and does not crash', async () => {
      const subject = await begin();
      subject.talkNonsense();
      const utterance = listen(subject.stt);
      speak(utterance, ['one', 'two']);
      await expect(utterance.finish()).rejects.toMatchObject({ code: 'ERR_SERVICE_FAILED' });
    });
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
