import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { loadClip, MICROPHONE_RATE, makeClip, voicedSpan } from '../../src/call/clip.ts';
import { resample } from '../../src/call/resample.ts';

const AUDIO = join(import.meta.dirname, '../audio');

/** `ms` of a tone at `rate`, after `beforeMs` and before `afterMs` of noise that is 60 dB below it. */
function tone(rate: number, beforeMs: number, ms: number, afterMs: number): Int16Array {
  const total = Math.round(((beforeMs + ms + afterMs) * rate) / 1_000);
  const first = Math.round((beforeMs * rate) / 1_000);
  const end = Math.round(((beforeMs + ms) * rate) / 1_000);
  return Int16Array.from({ length: total }, (_, index) => {
    const inside = index >= first && index < end;
    return inside ? Math.round(10_000 * Math.cos((2 * Math.PI * 500 * (index - first)) / rate)) : (index % 3) * 5 - 5;
  });
}

describe('voicedSpan()', () => {
  test('finds the first and the last voiced sample, not the noise around them', () => {
    const span = voicedSpan(tone(48_000, 113, 250, 400), 48_000)!;
    expect(span.first).toBe(113 * 48);
    expect(Math.abs(span.last - (363 * 48 - 1))).toBeLessThanOrEqual(2);
  });

  test('a pause within speech belongs to it', () => {
    const pcm = Int16Array.from([...tone(16_000, 50, 100, 300), ...tone(16_000, 0, 100, 50)]);
    const span = voicedSpan(pcm, 16_000)!;
    expect(span.first / 16).toBeCloseTo(50, 0);
    expect(span.last / 16).toBeCloseTo(550, 0);
  });

  test('silence and faint noise hold no speech', () => {
    expect(voicedSpan(new Int16Array(4_800), 48_000)).toBeNull();
    expect(
      voicedSpan(
        Int16Array.from({ length: 4_800 }, (_, index) => (index % 3) * 20),
        48_000,
      ),
    ).toBeNull();
  });
});

describe('resample()', () => {
  test.each([8_000, 16_000, 22_050, 44_100])('keeps the wave and moves nothing in time, from %i Hz', (rate) => {
    const wave = (at: number) => 8_000 * Math.sin(2 * Math.PI * 700 * at);
    const from = Int16Array.from({ length: rate / 10 }, (_, index) => Math.round(wave(index / rate)));
    const to = resample(from, rate, 48_000);
    expect(to).toHaveLength(4_800);
    let worst = 0;
    for (let index = 600; index < 4_200; index++) {
      worst = Math.max(worst, Math.abs(to[index]! - wave(index / 48_000)));
    }
    expect(worst).toBeLessThan(40);
  });

  test('what is above half of a lower rate does not fold back', () => {
    const high = Int16Array.from({ length: 4_800 }, (_, index) =>
      Math.round(8_000 * Math.sin((2 * Math.PI * 11_000 * index) / 48_000)),
    );
    const low = resample(high, 48_000, 16_000);
    const loudest = low.subarray(200, 1_400).reduce((most, sample) => Math.max(most, Math.abs(sample)), 0);
    expect(loudest).toBeLessThan(40);
  });
});

describe('clips', () => {
  test('are cut into 10 ms frames of 48 kHz, the last one filled up', () => {
    const clip = makeClip('x.wav', tone(16_000, 20, 104, 31), 16_000);
    expect(clip.frames).toHaveLength(16);
    for (const frame of clip.frames) expect(frame).toHaveLength(480);
    expect(Math.abs(clip.voiced.first / 48 - 20)).toBeLessThan(0.5);
    expect(clip.frames[15]!.at(-1)).toBe(0);
  });

  test('without speech are refused by name', () => {
    expect(() => makeClip('mute.wav', new Int16Array(16_000), 16_000)).toThrow(
      expect.objectContaining({ code: 'ERR_REQUEST_MALFORMED', message: 'mute.wav: holds nothing but silence' }),
    );
  });

  test.each(['what-time', 'book-table', 'count', 'stop', 'goodbye'])('%s.wav that ships can be said', async (name) => {
    const { frames, voiced } = await loadClip(join(AUDIO, `${name}.wav`));
    const durationMs = frames.length * 10;
    expect(durationMs).toBeLessThan(4_000);
    expect((voiced.first * 1_000) / MICROPHONE_RATE).toBeGreaterThan(100);
    expect((voiced.last * 1_000) / MICROPHONE_RATE).toBeGreaterThan(durationMs * 0.6);
    expect((voiced.last * 1_000) / MICROPHONE_RATE).toBeLessThan(durationMs - 50);
  });
});
