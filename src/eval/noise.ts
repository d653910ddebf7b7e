/** Noise for a caller's microphone, at a loudness, over and over: white, or a file's. The same in every call. */
import { MICROPHONE_RATE } from '../call/clip.ts';
import { resample } from '../call/resample.ts';
import { readWav } from '../call/wav.ts';
import type { NoiseChoice } from './read-evals.ts';

const FULL_SCALE = 32_768;
/** Samples of white noise that are repeated: 2 s. */
const WHITE_SAMPLES = 2 * MICROPHONE_RATE;

/** @throws ERR_REQUEST_MALFORMED when the file cannot be used */
export async function loadNoise({ file, levelDb }: NoiseChoice): Promise<Int16Array> {
  if (file === null) return atLevel(white(WHITE_SAMPLES), levelDb);
  const { pcm, sampleRate } = await readWav(file);
  return atLevel(resample(pcm, sampleRate, MICROPHONE_RATE), levelDb);
}

/** `samples` as loud (RMS) as `levelDb` below full scale; silence stays silence. */
export function atLevel(samples: Int16Array, levelDb: number): Int16Array {
  const energy = samples.reduce((sum, sample) => sum + sample * sample, 0);
  const rms = Math.sqrt(energy / Math.max(1, samples.length));
  if (rms === 0) return samples;
  const gain = (FULL_SCALE * 10 ** (levelDb / 20)) / rms;
  return samples.map((sample) => clamped(sample * gain));
}

/** `frame` with noise over it, from `at` on, as a new array. */
export function mixed(frame: Int16Array, noise: Int16Array, at: number): Int16Array {
  return frame.map((sample, index) => clamped(sample + noise[(at + index) % noise.length]!));
}

/** Repeatable (a linear congruential generator), so that two runs hear the same. */
function white(samples: number): Int16Array {
  let seed = 1;
  return Int16Array.from({ length: samples }, () => {
    seed = (Math.imul(seed, 1_103_515_245) + 12_345) & 0x7fffffff;
    return Math.round((seed / 0x7fffffff - 0.5) * FULL_SCALE);
  });
}

function clamped(value: number): number {
  return Math.max(-FULL_SCALE, Math.min(FULL_SCALE - 1, Math.round(value)));
}
