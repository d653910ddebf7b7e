import { createDecoder } from 'libopus-wasm';
import { describe, expect, it } from 'vitest';
import { recordScript } from '../../bench/fake-pop/script.ts';
import { PhraseEar } from '../../bench/service-fakes/phrase-ear.ts';

const RATE = 16_000;
const FRAME_SAMPLES = 320;

/** Loudest sample of each packet of the loop. */
async function peaksOf(packets: readonly Buffer[]): Promise<number[]> {
  const decoder = await createDecoder({ channels: 1, sampleRate: RATE });
  try {
    return packets.map((packet) =>
      decoder.decode(packet).reduce((most, sample) => Math.max(most, Math.abs(sample)), 0),
    );
  } finally {
    decoder.free();
  }
}

describe('a recorded script', () => {
  it('names the packets that carry the beginning and the end of each sound', async () => {
    const { packets, sounds } = await recordScript([{ silenceMs: 510 }, { noiseMs: 200 }, { silenceMs: 490 }]);
    expect(packets).toHaveLength(60);
    expect(sounds).toMatchObject([{ kind: 'noise' }]);
    const { firstFrame, lastFrame } = sounds[0]!;
    // 510 and 710 ms, and the 6.5 ms that the encoder holds back.
    expect([firstFrame, lastFrame]).toEqual([25, 35]);
    const peaks = await peaksOf(packets);
    expect(Math.min(...peaks.slice(firstFrame + 1, lastFrame))).toBeGreaterThan(2_000);
    expect(Math.max(...peaks.slice(0, firstFrame), ...peaks.slice(lastFrame + 2))).toBeLessThan(328);
  });

  it('says recordings and vowels cut out of one', async () => {
    const script = await recordScript([{ say: 'what-time' }, { silenceMs: 300 }, { vowelMs: 150 }, { silenceMs: 300 }]);
    const [speech, vowel] = script.sounds;
    expect(speech).toMatchObject({ kind: 'speech' });
    expect(vowel).toMatchObject({ kind: 'vowel' });
    expect((vowel!.lastSample - vowel!.firstSample) / 48).toBeGreaterThan(100);
    expect((vowel!.lastSample - vowel!.firstSample) / 48).toBeLessThanOrEqual(150);
    expect(speech!.lastSample).toBeLessThan(vowel!.firstSample);
  });
});

describe('the ear of the fake services', () => {
  const sound = (ms: number) => new Int16Array((ms * RATE) / 1_000).fill(3_000);
  const silence = (ms: number) => new Int16Array((ms * RATE) / 1_000);

  it('hears its phrase once in each stretch of sound', () => {
    const ear = new PhraseEar('what time is it');
    for (const part of [silence(200), sound(600), silence(100), sound(300), silence(400)]) ear.append(part);
    expect(ear.words(0).map(({ text }) => text)).toEqual(['what', 'time', 'is', 'it']);
    const heardTo = ear.length;
    expect(ear.words(heardTo)).toEqual([]);
    ear.append(sound(500));
    expect(ear.words(heardTo).map(({ text }) => text)).toEqual(['what', 'time', 'is', 'it']);
    expect(ear.words(heardTo)[0]!.start).toBe(heardTo);
  });

  it('hears nothing in a short sound', () => {
    const ear = new PhraseEar('what time is it');
    ear.append(sound(FRAME_SAMPLES / 16));
    expect(ear.words(0)).toEqual([]);
  });
});
