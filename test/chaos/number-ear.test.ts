import { createDecoder } from 'libopus-wasm';
import { describe, expect, test } from 'vitest';
import { NumberServicesEar } from './services/number-services-ear.ts';
import { type HeardNumber, NumberEar } from './words/number-ear.ts';
import { soundOf } from './words/number-sound.ts';
import { SpokenPackets } from './words/spoken-packets.ts';

const WHOLE_MS = 160;

async function throughOpus(numbers: readonly number[], sampleRate: 8_000 | 16_000): Promise<HeardNumber[]> {
  using packets = await SpokenPackets.create();
  using decoder = await createDecoder({ channels: 1, sampleRate });
  const heard: HeardNumber[] = [];
  const ear = new NumberEar(sampleRate, (word) => heard.push(word));
  for (const number of numbers) for (const packet of packets.of(number)) ear.append(decoder.decode(packet));
  ear.skip(sampleRate);
  return heard.filter(({ ms }) => ms >= WHOLE_MS);
}

describe('an ear for numbers', () => {
  test.each([8_000, 16_000] as const)('hears each of a thousand numbers through Opus at %i Hz', async (rate) => {
    const all = Array.from({ length: 1_000 }, (_, number) => number);
    expect((await throughOpus(all, rate)).map(({ number }) => number)).toEqual(all);
  });

  test('tells how much of a word was there, and that a repeated one came twice', () => {
    const heard: HeardNumber[] = [];
    const ear = new NumberEar(8_000, (word) => heard.push(word));
    const word = soundOf(407, 8_000);
    ear.append(word.subarray(0, 960));
    ear.append(new Int16Array(1_600));
    ear.append(word);
    ear.skip(160);
    expect(heard.map(({ number, ms }) => ({ number, ms }))).toEqual([
      { number: 407, ms: 120 },
      { number: 407, ms: 200 },
    ]);
  });

  test('takes a word with a short hole in it for one word', () => {
    const heard: HeardNumber[] = [];
    const ear = new NumberEar(8_000, (word) => heard.push(word));
    const word = soundOf(12, 8_000);
    ear.append(word.subarray(0, 800));
    ear.append(new Int16Array(480));
    ear.append(word.subarray(800));
    ear.skip(160);
    expect(heard.map(({ number, ms }) => ({ number, ms }))).toEqual([{ number: 12, ms: 200 }]);
  });

  test('hears a sound that is no number as none', () => {
    const heard: HeardNumber[] = [];
    const ear = new NumberEar(8_000, (word) => heard.push(word));
    ear.append(soundOf(null, 8_000));
    ear.skip(160);
    expect(heard).toMatchObject([{ number: null, ms: 200 }]);
  });

  test('as a service’s ear it knows a word of which half is there, and no less', () => {
    const ear = new NumberServicesEar();
    const word = soundOf(5, 16_000);
    ear.append(word.subarray(0, 1_280));
    ear.append(new Int16Array(3_200));
    expect(ear.words(0)).toEqual([]);
    ear.append(word);
    expect(ear.words(0)).toMatchObject([{ text: 'n5' }]);
  });

  test('as a service’s ear it takes a word that came in two halves for one, and a repeated one for two', () => {
    const ear = new NumberServicesEar();
    const word = soundOf(5, 16_000);
    const hole = new Int16Array(3_200);
    for (const pcm of [word.subarray(0, 1_600), hole, word.subarray(1_600), hole, word, hole]) ear.append(pcm);
    expect(ear.words(0).map(({ text }) => text)).toEqual(['n5', 'n5']);
  });
});
