import { afterEach, describe, expect, test } from 'vitest';
import { DeepgramStt, type DeepgramSttOptions } from '../../../../src/agent/services/stt/deepgram.ts';
import type { SttStreamEvent } from '../../../../src/agent/services/stt.ts';
import { systemClock } from '../../../../src/clock.ts';
import { silentLogger } from '../../../../src/telemetry/index.ts';
import { FakeDeepgram } from '../../../fakes/deepgram.ts';
import { sayTones } from '../../../fakes/tone-words.ts';
import { FakeClock } from '../../../support/fake-clock.ts';
import { listen, speak, sttConformance, writeFrames } from './conformance.ts';
import { hearingSubject } from './hearing-subject.ts';

sttConformance('Deepgram nova-3', { interim: true, streams: true }, async (options) => {
  const fake = await FakeDeepgram.start();
  // Finalize that goes unanswered is told apart from a service that does not answer, later than the test's time-out.
  const stt = new DeepgramStt({ apiKey: fake.apiKey, baseUrl: fake.server.url, finalizeQuietMs: 19_000, ...options });
  return hearingSubject({
    stt,
    fake,
    wrongShape: '{"type": "Results", "channel": 7}',
    stall: () => {
      fake.server.faults.silent = true;
    },
    askedForWords: () => fake.controls.includes('Finalize'),
  });
});

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function start(options: Partial<DeepgramSttOptions> = {}): Promise<{ fake: FakeDeepgram; stt: DeepgramStt }> {
  const fake = await FakeDeepgram.start();
  closing.push(() => fake.close());
  const stt = new DeepgramStt({
    apiKey: fake.apiKey,
    baseUrl: fake.server.url,
    clock: systemClock,
    log: silentLogger,
    timeoutMs: 20_000,
    finalizeQuietMs: 15_000,
    ...options,
  });
  closing.push(() => stt.close());
  return { fake, stt };
}

describe('Deepgram nova-3', () => {
  test('is asked for 16 kHz mono linear16 with the key in a header only', async () => {
    const { fake, stt } = await start({ language: 'de' });
    const utterance = listen(stt);
    speak(utterance, ['one']);
    await utterance.finish();
    const { url, headers } = fake.server.requests[0]!;
    expect(Object.fromEntries(url.searchParams)).toMatchObject({
      model: 'nova-3',
      language: 'de',
      encoding: 'linear16',
      sample_rate: '16000',
      channels: '1',
      endpointing: 'false',
    });
    expect(headers.authorization).toBe(`Token ${fake.apiKey}`);
    expect(url.href).not.toContain(fake.apiKey);
  });

  test('uses one connection for utterance after utterance', async () => {
    const { fake, stt } = await start();
    for (let count = 0; count < 5; count++) {
      const utterance = listen(stt);
      speak(utterance, ['one', 'two']);
      await utterance.finish();
    }
    expect(fake.server.requests.length).toBe(1);
  });

  test('has a connection open before the first utterance, when warmed', async () => {
    const { fake, stt } = await start();
    stt.warm();
    stt.warm();
    await expect.poll(() => fake.server.openCount, { timeout: 20_000 }).toBe(1);
    const utterance = listen(stt);
    speak(utterance, ['one']);
    await utterance.finish();
    expect(fake.server.requests.length).toBe(1);
  });

  test('loses and repeats no word when the connection breaks in the middle', async () => {
    const { fake, stt } = await start();
    Object.assign(fake.server.faults, { cutAfterSamples: 24_000, cuts: 1 });
    const utterance = listen(stt);
    speak(utterance, ['one', 'two', 'three', 'four', 'five', 'six', 'seven', 'eight']);
    expect(await utterance.finish()).toEqual({ text: 'one two three four five six seven eight' });
    expect(fake.server.requests.length).toBe(2);
  });

  test('sends an utterance again whose connection broke after it was finished', async () => {
    const { fake, stt } = await start();
    fake.server.faults.silent = true;
    const utterance = listen(stt);
    speak(utterance, ['one', 'two']);
    const words = utterance.finish();
    await expect.poll(() => fake.controls, { timeout: 20_000 }).toContain('Finalize');
    fake.server.faults.silent = false;
    fake.server.dropAll();
    expect(await words).toEqual({ text: 'one two' });
  });

  test('gives up when the second connection breaks as well', async () => {
    const { fake, stt } = await start();
    Object.assign(fake.server.faults, { cutAfterSamples: 3_200, cuts: 9 });
    const utterance = listen(stt);
    speak(utterance, ['one', 'two', 'three']);
    await expect(utterance.finish()).rejects.toMatchObject({ code: 'ERR_SERVICE_FAILED' });
    expect(fake.server.requests.length).toBe(2);
  });

  test('does not try a refused key again', async () => {
    const { fake, stt } = await start({ apiKey: 'wrong' });
    const utterance = listen(stt);
    speak(utterance, ['one']);
    await expect(utterance.finish()).rejects.toMatchObject({ code: 'ERR_SERVICE_FAILED' });
    expect(fake.server.requests.length).toBe(1);
  });

  test('has the words that were asked for before the end, on the same connection, and asks again only for more', async () => {
    const { fake, stt } = await start();
    const interims: unknown[] = [];
    const utterance = listen(stt, { onInterim: (text, heardMs) => interims.push([text, heardMs]) });
    speak(utterance, ['one', 'two']);
    expect(await utterance.ask!()).toBe(true);
    expect(interims.at(-1)).toEqual(['one two', 600]);
    speak(utterance, ['three']);
    expect(await utterance.ask!()).toBe(true);
    expect(await utterance.ask!()).toBe(true);
    expect(await utterance.finish()).toEqual({ text: 'one two three' });
    expect(fake.controls.filter((type) => type === 'Finalize')).toHaveLength(2);
    const next = listen(stt);
    speak(next, ['four']);
    expect(await next.finish()).toEqual({ text: 'four' });
    expect(fake.server.requests).toHaveLength(1);
  });

  test('waits for the words of what was said after it was asked', async () => {
    const { fake, stt } = await start();
    stt.warm();
    await expect.poll(() => fake.server.openCount, { timeout: 20_000 }).toBe(1);
    const utterance = listen(stt);
    speak(utterance, ['one']);
    const asked = utterance.ask!();
    speak(utterance, ['two']);
    const words = utterance.finish();
    expect(await asked).toBe(true);
    expect(await words).toEqual({ text: 'one two' });
    expect(fake.controls.filter((type) => type === 'Finalize')).toHaveLength(2);
  });

  test('keeps the connection of an utterance that is given up when all of its words were told', async () => {
    const { fake, stt } = await start();
    const told = listen(stt);
    speak(told, ['one']);
    await told.ask!();
    told.close();
    expect(await told.ask!()).toBe(false);
    const owed = listen(stt);
    speak(owed, ['two']);
    const asked = owed.ask!();
    owed.close();
    expect(await asked).toBe(false);
    const next = listen(stt);
    speak(next, ['three']);
    expect(await next.finish()).toEqual({ text: 'three' });
    expect(fake.server.requests).toHaveLength(2);
  });

  test('says how much of the sound its words so far are all of, utterance by utterance', async () => {
    const { stt } = await start();
    for (let count = 0; count < 2; count++) {
      const heard: (number | undefined)[] = [];
      const utterance = listen(stt, { onInterim: (_text, heardMs) => heard.push(heardMs) });
      speak(utterance, ['one', 'two']);
      await expect.poll(() => heard.length, { timeout: 20_000 }).toBeGreaterThan(0);
      await utterance.finish();
      for (const ms of heard) expect(ms! > 0 && ms! <= 600).toBe(true);
    }
  });

  test('does not need an answer to Finalize', async () => {
    const { fake, stt } = await start({ finalizeQuietMs: 50 });
    fake.faults.forgetsFinalize = true;
    for (const word of ['one', 'two'] as const) {
      const utterance = listen(stt);
      speak(utterance, [word]);
      expect(await utterance.finish()).toEqual({ text: word });
    }
  });

  test('ignores a few frames that make no sense', async () => {
    const { fake, stt } = await start();
    fake.server.faults.garbage = 1;
    const utterance = listen(stt);
    utterance.write(sayTones(['one', 'two']));
    expect(await utterance.finish()).toEqual({ text: 'one two' });
  });

  test('keeps an idle connection alive, and closes it after a minute', async () => {
    const clock = new FakeClock();
    const { fake, stt } = await start({ clock });
    const utterance = listen(stt);
    speak(utterance, ['one']);
    await utterance.finish();
    fake.controls.length = 0;
    await clock.advanceAsync(20_000, 500);
    await expect.poll(() => fake.controls, { timeout: 20_000 }).toEqual(Array(5).fill('KeepAlive'));
    await clock.advanceAsync(41_000, 500);
    await expect.poll(() => fake.server.openCount, { timeout: 20_000 }).toBe(0);
  });

  test('leaves no timer and no connection behind when it is closed', async () => {
    const clock = new FakeClock();
    const { fake, stt } = await start({ clock });
    const utterance = listen(stt);
    speak(utterance, ['one']);
    await utterance.finish();
    listen(stt).write(new Int16Array(320));
    stt.close();
    await expect.poll(() => fake.server.openCount, { timeout: 20_000 }).toBe(0);
    await expect.poll(() => clock.pendingCount, { timeout: 20_000 }).toBe(0);
  });

  test('hears turns by itself, with words placed in the stream, across a broken connection', async () => {
    const { fake, stt } = await start({ endpointingMs: 300 });
    const events: SttStreamEvent[] = [];
    const stream = stt.open({
      onEvent: (event) => events.push(event),
      onError: (error) => {
        throw error;
      },
    });
    const ends = () => events.filter(({ type }) => type === 'turnEnd');
    writeFrames(stream, sayTones(['one', 'two']));
    writeFrames(stream, new Int16Array(8_000));
    await expect.poll(ends, { timeout: 20_000 }).toEqual([{ type: 'turnEnd', text: 'one two', cause: 'service' }]);
    fake.server.dropAll();
    await expect.poll(() => fake.server.requests.length, { timeout: 20_000 }).toBe(2);
    writeFrames(stream, sayTones(['three']));
    stream.finalize();
    await expect
      .poll(() => ends()[1], { timeout: 20_000 })
      .toEqual({
        type: 'turnEnd',
        text: 'three',
        cause: 'finalize',
      });
    const placed = events.flatMap((event) => (event.type === 'final' ? event.words : []));
    expect(placed.map(({ text, startMs, endMs }) => [text, startMs, endMs])).toEqual([
      ['one', 0, 200],
      ['two', 300, 500],
      ['three', 1_100, 1_300],
    ]);
  });

  test.each(['', 'a-key\n'])('with %j for a key is a service that is not available', (apiKey) => {
    expect(() => new DeepgramStt({ apiKey, clock: systemClock, log: silentLogger })).toThrow(
      expect.objectContaining({ code: 'ERR_SERVICE_UNAVAILABLE' }),
    );
  });
});
