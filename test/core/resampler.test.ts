import { describe, expect, it } from 'vitest';
import { Resampler } from '../../src/core/resampler.ts';
import { concat, purity, rms, sine, snr } from './support/tone.ts';

function resample(pcm: Int16Array, from: number, to: number, pieces: readonly number[]): Int16Array {
  const resampler = new Resampler(from, to);
  const out: Int16Array[] = [];
  let at = 0;
  for (let index = 0; at < pcm.length; index++) {
    const length = pieces[index % pieces.length] as number;
    out.push(resampler.process(pcm.subarray(at, at + length)));
    at += length;
  }
  out.push(resampler.finish());
  return concat(out);
}

describe('Resampler', () => {
  it.each([
    [22_050, 24_000],
    [44_100, 48_000],
    [32_000, 48_000],
    [11_025, 12_000],
    [9_999, 12_000],
    [48_000, 24_000],
    [44_100, 8_000],
  ])('keeps a tone of 1 kHz from %i to %i Hz, in phase and in length', (from, to) => {
    const out = resample(sine(1_000, from, from), from, to, [441]);
    expect(out.length).toBe(to);
    const edge = Math.round(to / 100);
    const middle = out.subarray(edge, -edge);
    expect(purity(middle, 1_000, to)).toBeGreaterThan(0.9999);
    expect(snr(sine(1_000, to, to).subarray(edge, -edge), middle)).toBeGreaterThan(50);
  });

  it('makes the same of a stream however it is cut', () => {
    const pcm = sine(700, 22_050, 22_050);
    const whole = resample(pcm, 22_050, 24_000, [22_050]);
    expect(resample(pcm, 22_050, 24_000, [1, 17, 333, 2])).toEqual(whole);
  });

  it('lets nothing through that the lower rate cannot hold', () => {
    const out = resample(sine(7_000, 48_000, 48_000), 48_000, 8_000, [960]);
    expect(rms(out.subarray(100, -100))).toBeLessThan(8_000 / 1_000);
  });

  it('clips instead of wrapping round', () => {
    const loud = new Int16Array(2_205).map((_, index) => (Math.floor(index / 50) % 2 ? 32_767 : -32_768));
    const out = resample(loud, 22_050, 24_000, [441]);
    for (let index = 200; index < out.length - 200; index++) {
      const position = Math.floor((index * 22_050) / 24_000);
      if (position % 50 < 10 || position % 50 > 40) continue;
      expect(Math.sign(out[index] as number)).toBe(Math.sign(loud[position] as number));
    }
  });
});
