/** The fakes' own promises, on which benchmarks build: latencies, scripts and voices. */
import { describe, expect, test } from 'vitest';
import { DeepgramStt } from '../../src/agent/services/stt/deepgram.ts';
import { Cartesia } from '../../src/agent/services/tts/cartesia.ts';
import { systemClock } from '../../src/clock.ts';
import { silentLogger } from '../../src/telemetry/index.ts';
import { hasFlite } from '../agent/speech.ts';
import { FakeCartesia } from './cartesia.ts';
import { FakeDeepgram } from './deepgram.ts';
import { fliteVoice } from './flite-voice.ts';
import { lognormal } from './lognormal.ts';
import { FakeOpenAiCompatible } from './openai-compatible.ts';
import { ScriptedEar } from './scripted-ear.ts';
import { sayTones } from './tone-words.ts';

const never = () => new AbortController().signal;

describe('latencies', () => {
  const draw = (seed: number, count: number) => {
    const next = lognormal({ p50Ms: 200, p95Ms: 600, seed });
    return Array.from({ length: count }, () => next());
  };

  test('have the median and the 95th percentile that they were asked for', () => {
    const sorted = draw(7, 20_000).sort((a, b) => a - b);
    expect(Math.abs(sorted[10_000]! - 200)).toBeLessThan(6);
    expect(Math.abs(sorted[19_000]! - 600)).toBeLessThan(30);
    expect(sorted[0]).toBeGreaterThan(0);
  });

  test('are the same for the same seed, and others for another', () => {
    expect(draw(1, 50)).toEqual(draw(1, 50));
    expect(draw(1, 50)).not.toEqual(draw(2, 50));
  });

  test('without a spread are all alike', () => {
    const next = lognormal({ p50Ms: 5, p95Ms: 5, seed: 3 });
    expect([next(), next(), next()]).toEqual([5, 5, 5]);
  });
});

describe('what a fake says waits for its latency', () => {
  const LATENCY_MS = 120;
  // Timers may fire a millisecond early.
  const least = LATENCY_MS - 2;

  test('words of an utterance', async () => {
    let draws = 0;
    const latency = () => {
      draws++;
      return LATENCY_MS;
    };
    const fake = await FakeDeepgram.start({ latency });
    const stt = new DeepgramStt({
      apiKey: fake.apiKey,
      baseUrl: fake.server.url,
      clock: systemClock,
      log: silentLogger,
    });
    const utterance = stt.listen({ signal: never() });
    utterance.write(sayTones(['one', 'two']));
    const askedAt = performance.now();
    expect(await utterance.finish()).toEqual({ text: 'one two' });
    expect(performance.now() - askedAt).toBeGreaterThan(least);
    expect(draws).toBe(1);
    stt.close();
    await fake.close();
  });

  test('the first word of an answer', async () => {
    const fake = await FakeOpenAiCompatible.start({ keyless: true }, { latency: () => LATENCY_MS });
    const askedAt = performance.now();
    const body = JSON.stringify({ model: 'any', messages: [] });
    const answer = await fetch(`${fake.baseUrl}/chat/completions`, { method: 'POST', body });
    expect(performance.now() - askedAt).toBeGreaterThan(least);
    expect(await answer.text()).toContain('Hello.');
    await fake.close();
  });

  test('the first sound of a sentence', async () => {
    const fake = await FakeCartesia.start({ latency: () => LATENCY_MS });
    const tts = new Cartesia({ apiKey: fake.apiKey, voice: 'v', baseUrl: fake.baseUrl, clock: systemClock });
    await tts.open(never());
    const askedAt = performance.now();
    for await (const { pcm } of tts.synthesize('Hi.', { signal: never() })) {
      expect(pcm.length).toBeGreaterThan(0);
      break;
    }
    expect(performance.now() - askedAt).toBeGreaterThan(least);
    tts.close();
    await fake.close();
  });
});

describe('an ear with a script', () => {
  const loud = (ms: number) => new Int16Array(ms * 16).fill(4_000);
  const quiet = (ms: number) => new Int16Array(ms * 16);
  const heard = (ear: ScriptedEar, from = 0) => ear.words(from).map(({ text }) => text);

  test('hears the words of its line one after the other, and the rest when there is a pause', () => {
    const ear = new ScriptedEar(['what time is it', 'thanks'], 16_000);
    ear.append(quiet(500));
    ear.append(loud(700));
    expect(heard(ear)).toEqual(['what', 'time']);
    ear.append(quiet(200));
    expect(heard(ear)).toEqual(['what', 'time', 'is', 'it']);
    const { end } = ear.words(0).at(-1)!;
    expect(end).toBeLessThanOrEqual(1_200 * 16);
    ear.append(quiet(600));
    ear.append(loud(400));
    ear.append(quiet(200));
    expect(heard(ear, ear.words(0)[3]!.end)).toEqual(['thanks']);
  });

  test('is what a fake service hears with', async () => {
    const fake = await FakeDeepgram.start({ ear: () => new ScriptedEar(['a table for two please'], 16_000) });
    const stt = new DeepgramStt({
      apiKey: fake.apiKey,
      baseUrl: fake.server.url,
      clock: systemClock,
      log: silentLogger,
    });
    const utterance = stt.listen({ signal: never() });
    for (let frame = 0; frame < 60; frame++) utterance.write(loud(20));
    for (let frame = 0; frame < 15; frame++) utterance.write(quiet(20));
    expect(await utterance.finish()).toEqual({ text: 'a table for two please' });
    stt.close();
    await fake.close();
  });
});

test.runIf(hasFlite)('a fake may speak with a real voice, its words timed inside of its sound', async () => {
  const fake = await FakeCartesia.start({ voice: fliteVoice });
  const tts = new Cartesia({ apiKey: fake.apiKey, voice: 'v', baseUrl: fake.baseUrl, clock: systemClock });
  let samples = 0;
  const words: string[] = [];
  let endMs = 0;
  for await (const chunk of tts.synthesize('We open at noon.', { signal: never() })) {
    samples += chunk.pcm.length;
    for (const word of chunk.words ?? []) {
      words.push(word.text);
      endMs = word.endMs;
    }
  }
  expect(words).toEqual(['We', 'open', 'at', 'noon.']);
  expect(samples).toBeGreaterThan(24_000 / 2);
  expect(endMs).toBeLessThanOrEqual((samples * 1_000) / 24_000 + 1);
  tts.close();
  await fake.close();
});
