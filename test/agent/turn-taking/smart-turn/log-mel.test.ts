import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { Fourier } from '../../../../src/agent/turn-taking/smart-turn/fourier.ts';
import {
  LogMel,
  SMART_TURN_FRAMES,
  SMART_TURN_MELS,
  SMART_TURN_SAMPLES,
} from '../../../../src/agent/turn-taking/smart-turn/log-mel.ts';
import { melFilters } from '../../../../src/agent/turn-taking/smart-turn/mel-filters.ts';
import { noise, SIGNALS, sweep } from './signals.ts';

interface Reference {
  how: string;
  signals: {
    signal: string;
    samples: number;
    sum: number;
    mean: number;
    lowest: number;
    highest: number;
    mels: number[];
    frames: number[];
    values: number[][];
  }[];
}

const reference: Reference = JSON.parse(readFileSync(join(import.meta.dirname, 'reference.json'), 'utf8'));
/** Ours is 1e-5 off at most: the reference normalizes in single precision. */
const TOLERANCE = 1e-4;

describe('the log-mel front end', () => {
  test.each(reference.signals)("answers as Whisper's feature extractor does: $signal", (expected) => {
    const pcm = SIGNALS[expected.signal]!();
    // Else the values were made from another sound.
    expect({ samples: pcm.length, sum: pcm.reduce((sum, sample) => sum + sample, 0) }).toEqual({
      samples: expected.samples,
      sum: expected.sum,
    });
    const features = new LogMel().compute(pcm);
    expect(features.length).toBe(SMART_TURN_MELS * SMART_TURN_FRAMES);
    let worst = 0;
    for (const [row, mel] of expected.mels.entries()) {
      for (const [column, frame] of expected.frames.entries()) {
        const error = Math.abs(features[mel * SMART_TURN_FRAMES + frame]! - expected.values[row]![column]!);
        worst = Math.max(worst, Number.isNaN(error) ? Number.POSITIVE_INFINITY : error);
      }
    }
    expect(worst).toBeLessThan(TOLERANCE);
    expect(Math.abs(features.reduce((sum, value) => sum + value, 0) / features.length - expected.mean)).toBeLessThan(
      TOLERANCE,
    );
    expect(Math.abs(Math.min(...features) - expected.lowest)).toBeLessThan(TOLERANCE);
    expect(Math.abs(Math.max(...features) - expected.highest)).toBeLessThan(TOLERANCE);
  });

  test('hears the last 8 s alone', () => {
    const long = new Int16Array(SMART_TURN_SAMPLES + 5_000).fill(9_999);
    long.set(sweep(SMART_TURN_SAMPLES), 5_000);
    expect(new LogMel().compute(long)).toEqual(new LogMel().compute(sweep(SMART_TURN_SAMPLES)));
  });

  test('pads in front: sound put behind zeros is the same sound', () => {
    const short = noise(20_000, 1_000);
    const padded = new Int16Array(SMART_TURN_SAMPLES);
    padded.set(short, SMART_TURN_SAMPLES - short.length);
    const features = new LogMel().compute(short).slice();
    const same = new LogMel().compute(padded);
    expect(features.reduce((worst, value, at) => Math.max(worst, Math.abs(value - same[at]!)), 0)).toBeLessThan(1e-6);
  });

  test('holds nothing over from the sound before', () => {
    const logMel = new LogMel();
    logMel.compute(sweep(160_000));
    const again = logMel.compute(noise(16_000, 3_000)).slice();
    expect(again).toEqual(new LogMel().compute(noise(16_000, 3_000)));
  });

  test('does not depend on loudness', () => {
    const quiet = noise(64_000, 1_000);
    const loud = quiet.map((sample) => sample * 8);
    const features = new LogMel().compute(quiet).slice();
    const same = new LogMel().compute(loud);
    expect(features.reduce((worst, value, at) => Math.max(worst, Math.abs(value - same[at]!)), 0)).toBeLessThan(1e-3);
  });
});

describe('the Fourier transform', () => {
  test.each([2, 4, 5, 8, 10, 20, 100, 400])('of length %i is the sum that defines it', (length) => {
    const re = Array.from(noise(length, 100));
    const im = Array.from(sweep(length), (sample) => sample / 100);
    const fourier = new Fourier(length);
    fourier.re.set(re);
    fourier.im.set(im);
    fourier.transform();
    for (let k = 0; k < length; k++) {
      let sumRe = 0;
      let sumIm = 0;
      for (let n = 0; n < length; n++) {
        const angle = (-2 * Math.PI * ((k * n) % length)) / length;
        sumRe += re[n]! * Math.cos(angle) - im[n]! * Math.sin(angle);
        sumIm += re[n]! * Math.sin(angle) + im[n]! * Math.cos(angle);
      }
      expect(fourier.re[k]).toBeCloseTo(sumRe, 6);
      expect(fourier.im[k]).toBeCloseTo(sumIm, 6);
    }
  });

  test('of a length with another prime factor is refused', () => {
    expect(() => new Fourier(300)).toThrow(RangeError);
  });
});

test('the mel filters stand in order, each of area 1', () => {
  const filters = melFilters({ bins: 201, filters: 80, sampleRate: 16_000 });
  const peaks = filters.map(({ firstBin, weights }) => firstBin + weights.indexOf(Math.max(...weights)));
  expect(peaks).toEqual(peaks.toSorted((a, b) => a - b));
  // The narrow ones at the bottom span too few bins of 40 Hz for their sum to say their area.
  for (const { weights } of filters.slice(60)) {
    expect(weights.reduce((sum, weight) => sum + weight, 0) * 40).toBeCloseTo(1, 1);
  }
});
