import { existsSync, readdirSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { FRONT_DESK_GRAMMAR } from '../../../agents/front-desk/grammar.ts';
import { findProgram } from '../../../src/agent/services/find-program.ts';
import { runProgram, startProgram } from '../../../src/agent/services/program.ts';
import { Slots } from '../../../src/agent/services/slots.ts';
import { PocketSphinx, type PocketSphinxOptions } from '../../../src/agent/services/stt/pocketsphinx.ts';
import { Flite } from '../../../src/agent/services/tts/flite.ts';
import { systemClock } from '../../../src/clock.ts';
import { silentLogger } from '../../../src/telemetry/index.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { roomNoise } from '../../support/memory-call.ts';
import { hasFlite, hasPocketSphinx, speech } from '../speech.ts';

// Its own folder for temporary files: other tests make some at the same time.
process.env.TMPDIR = await mkdtemp(join(tmpdir(), 'antipode-test-'));
afterAll(() => rm(tmpdir(), { recursive: true }));

const never = () => new AbortController().signal;
const program = (options: Partial<Parameters<typeof runProgram>[0]>) => ({
  command: 'sh',
  arguments: [],
  clock: systemClock,
  signal: never(),
  timeoutMs: 5_000,
  ...options,
});

describe('a program', () => {
  test('gives back what it wrote', async () => {
    const { stdout, stderr } = await runProgram(program({ arguments: ['-c', 'echo out; echo err >&2'] }));
    expect([stdout.toString(), stderr.toString()]).toEqual(['out\n', 'err\n']);
  });

  test('reads what it is given', async () => {
    const cat = startProgram(program({ command: 'cat' }));
    cat.write(Buffer.from('hello'));
    cat.end();
    expect((await cat.done).stdout.toString()).toBe('hello');
  });

  test('that is not installed is a service that is not available', async () => {
    await expect(runProgram(program({ command: 'no-such-program' }))).rejects.toMatchObject({
      code: 'ERR_SERVICE_UNAVAILABLE',
    });
  });

  test('that fails says so with its last words', async () => {
    const failing = runProgram(program({ arguments: ['-c', 'echo broken >&2; exit 3'] }));
    await expect(failing).rejects.toMatchObject({
      code: 'ERR_SERVICE_FAILED',
      message: expect.stringMatching(/3: broken/),
    });
  });

  test('is killed when its time is over, with the programs that it started', async () => {
    const clock = new FakeClock();
    const mark = join(tmpdir(), 'both-run');
    const script = 'sleep 60 | { echo > "$0"; sleep 60; }';
    const running = startProgram(program({ arguments: ['-c', script, mark], clock }));
    running.startTimeout();
    await expect.poll(() => existsSync(mark), { timeout: 4_000 }).toBe(true);
    clock.advance(5_000);
    await expect(running.done).rejects.toMatchObject({ code: 'ERR_SERVICE_TIMEOUT' });
    expect(clock.pendingCount).toBe(0);
  });

  test('is killed when it is aborted, and fails with the reason', async () => {
    const controller = new AbortController();
    const running = startProgram(program({ arguments: ['-c', 'sleep 60'], signal: controller.signal }));
    controller.abort('interrupted');
    await expect(running.done).rejects.toBe('interrupted');
  });

  test('that writes too much is stopped', async () => {
    const endless = runProgram(program({ arguments: ['-c', 'yes'], maxOutputBytes: 100_000 }));
    await expect(endless).rejects.toMatchObject({
      code: 'ERR_SERVICE_FAILED',
      message: expect.stringMatching(/too much/),
    });
  });

  test('is found on the search path only when it can be run', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'antipode-test-'));
    await writeFile(join(folder, 'good'), '', { mode: 0o755 });
    await writeFile(join(folder, 'bad'), '', { mode: 0o644 });
    expect(await findProgram('good', `/nowhere:${folder}`)).toBe(join(folder, 'good'));
    expect(await findProgram('bad', folder)).toBeNull();
    expect(await findProgram(join(folder, 'good'), '')).toBe(join(folder, 'good'));
    await rm(folder, { recursive: true });
  });
});

describe('slots', () => {
  test('are granted in order, no more than there are', async () => {
    const slots = new Slots({ slots: 1, maxWaiting: 2 });
    const order: string[] = [];
    const release = await slots.acquire(never());
    const second = slots.acquire(never()).then((free) => {
      order.push('second');
      free();
      free();
    });
    const third = slots.acquire(never()).then(() => order.push('third'));
    await expect(slots.acquire(never())).rejects.toMatchObject({ code: 'ERR_SERVICE_UNAVAILABLE' });
    expect(order).toEqual([]);
    release();
    await Promise.all([second, third]);
    expect(order).toEqual(['second', 'third']);
  });

  test('pass over who gave up waiting', async () => {
    const slots = new Slots({ slots: 1, maxWaiting: 2 });
    const release = await slots.acquire(never());
    const controller = new AbortController();
    const gaveUp = slots.acquire(controller.signal);
    controller.abort('left');
    await expect(gaveUp).rejects.toBe('left');
    expect(slots.waitingCount).toBe(0);
    release();
    await slots.acquire(never());
  });
});

describe.skipIf(!hasFlite)('flite', { timeout: 30_000 }, () => {
  const flite = (options: Partial<ConstructorParameters<typeof Flite>[0]> = {}) =>
    new Flite({ command: 'flite', voice: 'slt', clock: systemClock, ...options });
  const synthesize = async (tts: Flite, text: string, signal = never()) => {
    const chunks = [];
    for await (const chunk of tts.synthesize(text, { signal })) chunks.push(chunk);
    return chunks;
  };

  test('speaks a sentence at 16 kHz', async () => {
    const [chunk] = await synthesize(flite(), 'Welcome to the front desk.');
    expect(chunk!.sampleRate).toBe(16_000);
    expect(chunk!.pcm.length / 16_000).toBeGreaterThan(1);
    const firstSound = chunk!.pcm.findIndex((sample) => Math.abs(sample) > 100);
    expect(firstSound / 16).toBeLessThanOrEqual(30);
    expect(chunk!.pcm.some((sample) => Math.abs(sample) > 3_000)).toBe(true);
  });

  test('leaves short pauses between the items of a list', async () => {
    for (const item of ['One.', 'Twenty one.']) {
      const { pcm } = (await synthesize(flite(), item))[0]!;
      const lastSound = pcm.findLastIndex((sample) => Math.abs(sample) > 100);
      expect((pcm.length - lastSound) / 16).toBeLessThanOrEqual(161);
    }
  });

  test('takes no text for an option, a file or a command', async () => {
    const mark = join(tmpdir(), 'was-run');
    for (const text of ['-lv', '/etc/passwd', `$(touch ${mark}); \`touch ${mark}\``, "it's \u0007 fine"]) {
      expect((await synthesize(flite(), text))[0]!.pcm.length).toBeGreaterThan(1_000);
    }
    expect(existsSync(mark)).toBe(false);
  });

  test('gives what it has spoken before without a process, up to its bound', async () => {
    const tts = flite({ maxCachedSamples: 30_000 });
    const [first] = await synthesize(tts, 'One.');
    expect((await synthesize(tts, 'One.'))[0]!.pcm).toBe(first!.pcm);
    await synthesize(tts, 'Two.');
    await synthesize(tts, 'Three.');
    await synthesize(tts, 'Four.');
    expect((await synthesize(tts, 'One.'))[0]!.pcm).not.toBe(first!.pcm);
  });

  test('stops when the turn is over', async () => {
    const controller = new AbortController();
    const speaking = synthesize(flite(), 'A sentence that nobody wants to hear any more.', controller.signal);
    controller.abort('interrupted');
    await expect(speaking).rejects.toBe('interrupted');
  });
});

test('flite that is not installed is a service that is not available', async () => {
  const tts = new Flite({ command: 'no-such-flite', voice: 'slt', clock: systemClock });
  const speaking = tts.synthesize('Hello.', { signal: never() })[Symbol.asyncIterator]().next();
  await expect(speaking).rejects.toMatchObject({ code: 'ERR_SERVICE_UNAVAILABLE' });
});

const recognizers: PocketSphinx[] = [];
function pocketsphinx(options: Partial<PocketSphinxOptions> = {}): PocketSphinx {
  const recognizer = new PocketSphinx({
    command: 'pocketsphinx_continuous',
    modelDir: '/usr/share/pocketsphinx/model/en-us',
    grammar: FRONT_DESK_GRAMMAR,
    clock: systemClock,
    log: silentLogger,
    ...options,
  });
  recognizers.push(recognizer);
  return recognizer;
}

const folders = () => readdirSync(tmpdir()).filter((name) => name.startsWith('antipode-stt-')).length;

describe.skipIf(!hasFlite || !hasPocketSphinx)('pocketsphinx', { timeout: 30_000 }, () => {
  const shared = pocketsphinx();
  afterEach(async () => {
    for (const recognizer of recognizers.splice(0)) if (recognizer !== shared) await recognizer.close();
  });
  afterAll(() => shared.close());

  /** As a call gives it: a little room before and after. */
  async function transcribe(text: string): Promise<string> {
    const utterance = shared.listen({ signal: never() });
    for (const pcm of [roomNoise(4_000), await speech(text), roomNoise(8_000)]) utterance.write(pcm);
    return (await utterance.finish()).text;
  }

  test.each([
    'what time is it',
    'could you tell me the time please',
    'i would like to book a table',
    'i would like to book a table for two people tomorrow evening',
    'can i book a table for four on friday at seven thirty',
    'two people',
    'for five people please',
    'tomorrow evening',
    'on saturday at half past seven',
    'next monday at noon',
    'please count to thirty',
    'stop',
    'no thank you',
    'goodbye',
    'that is all thank you',
  ])('recognizes "%s" in a synthetic voice', async (text) => {
    expect(await transcribe(text)).toBe(text);
  });

  test.each([
    "my dog likes to chase the neighbor's cat around the garden",
    'how much does a ticket to sydney cost',
    'tell me a joke',
    'the quarterly report is due on wednesday',
  ])('does not make "%s" into one of its sentences', async (text) => {
    expect(await transcribe(text)).toBe('');
  });

  test('understands nothing in a quiet room, and nothing in nothing', async () => {
    const quiet = shared.listen({ signal: never() });
    quiet.write(roomNoise(16_000));
    expect((await quiet.finish()).text).toBe('');
    expect((await shared.listen({ signal: never() }).finish()).text).toBe('');
  });

  test('kills its process and lets go of its slot when the turn is over', async () => {
    const recognizer = pocketsphinx({ maxProcesses: 1 });
    const controller = new AbortController();
    const given = recognizer.listen({ signal: controller.signal });
    given.write(roomNoise(16_000));
    const words = given.finish();
    controller.abort('interrupted');
    await expect(words).rejects.toBe('interrupted');
    const next = recognizer.listen({ signal: never() });
    next.write(await speech('goodbye'));
    next.write(roomNoise(8_000));
    expect((await next.finish()).text).toBe('goodbye');
  });

  test('hears an utterance that had to wait for a process from its beginning', async () => {
    const recognizer = pocketsphinx({ maxProcesses: 1 });
    const voice = await speech('goodbye');
    const utterances = [0, 1, 2].map(() => recognizer.listen({ signal: never() }));
    for (const utterance of utterances) {
      utterance.write(voice);
      utterance.write(roomNoise(8_000));
    }
    const words = await Promise.all(utterances.map((utterance) => utterance.finish()));
    expect(words.map(({ text }) => text)).toEqual(['goodbye', 'goodbye', 'goodbye']);
  });

  test('ends an utterance that is longer than its bound', async () => {
    const utterance = pocketsphinx({ maxUtteranceMs: 1_000 }).listen({ signal: never() });
    utterance.write(roomNoise(16_001));
    await expect(utterance.finish()).rejects.toMatchObject({ code: 'ERR_SERVICE_FAILED' });
  });

  test('removes its folder when it is closed, with an utterance under way', async () => {
    const before = folders();
    const recognizer = pocketsphinx();
    await recognizer.prepare();
    expect(folders()).toBe(before + 1);
    const utterance = recognizer.listen({ signal: never() });
    utterance.write(roomNoise(16_000));
    await recognizer.close();
    await recognizer.close();
    expect(folders()).toBe(before);
    await expect(utterance.finish()).rejects.toMatchObject({ code: 'ERR_SERVICE_FAILED' });
    expect(() => recognizer.listen({ signal: never() })).toThrow(/closed/);
  });
});

test('pocketsphinx without a model is a service that is not available', async () => {
  const recognizer = pocketsphinx({ modelDir: '/nowhere' });
  const utterance = recognizer.listen({ signal: never() });
  await expect(utterance.finish()).rejects.toMatchObject({ code: 'ERR_SERVICE_UNAVAILABLE' });
  await recognizer.close();
});
