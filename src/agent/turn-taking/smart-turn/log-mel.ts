/**
 * What Smart Turn v3 sees of the audio: the log-mel spectrogram of Whisper's feature extractor (`chunk_length` 8,
 * `do_normalize`), 80 mels by 800 frames of 10 ms, for the last 8 s of 16 kHz sound. Shorter sound is padded with
 * zeros in front, so that the end of the turn always lies at the end. Owns the tables and buffers; runs no model.
 *
 * In this order: scale to +-1; zero mean and unit variance over all 8 s, padding included; frames of 400 samples every
 * 160, centered, with reflection at both ends and a periodic Hann window; power spectrum; Slaney's mel filters;
 * log10 with a floor of 1e-10; nothing below the loudest value - 8; (x + 4) / 4.
 */
import { Fourier } from './fourier.ts';
import { type MelFilter, melFilters } from './mel-filters.ts';

export const SMART_TURN_SAMPLE_RATE = 16_000;
/** 8 s. */
export const SMART_TURN_SAMPLES = 8 * SMART_TURN_SAMPLE_RATE;
export const SMART_TURN_MELS = 80;
export const SMART_TURN_FRAMES = 800;

const FRAME_SAMPLES = 400;
const HOP_SAMPLES = SMART_TURN_SAMPLES / SMART_TURN_FRAMES;
const BINS = FRAME_SAMPLES / 2 + 1;
const EDGE_SAMPLES = FRAME_SAMPLES / 2;
const FULL_SCALE = 32_768;
const VARIANCE_FLOOR = 1e-7;
const POWER_FLOOR = 1e-10;
/** What is quieter than the loudest value by more than this (log10 of power) is raised to it. */
const DYNAMIC_RANGE = 8;

export class LogMel {
  readonly #fourier = new Fourier(FRAME_SAMPLES);
  readonly #window = hann(FRAME_SAMPLES);
  readonly #filters: readonly MelFilter[] = melFilters({
    bins: BINS,
    filters: SMART_TURN_MELS,
    sampleRate: SMART_TURN_SAMPLE_RATE,
  });
  readonly #samples = new Float32Array(SMART_TURN_SAMPLES + 2 * EDGE_SAMPLES);
  readonly #powerA = new Float64Array(BINS);
  readonly #powerB = new Float64Array(BINS);
  readonly #features = new Float32Array(SMART_TURN_MELS * SMART_TURN_FRAMES);

  /**
   * @param pcm 16 kHz mono; only its last 8 s count
   * @returns [80, 800] row by row: all frames of the lowest mel come first. The same array at each call, written over.
   */
  compute(pcm: Int16Array): Float32Array {
    this.#load(pcm);
    // Frames that lie in the padding are all alike: the first of them is computed, the others copy it.
    const padding = SMART_TURN_SAMPLES - Math.min(pcm.length, SMART_TURN_SAMPLES);
    const alike = Math.max(0, Math.floor((padding - EDGE_SAMPLES) / HOP_SAMPLES) & ~1);
    this.#twoFrames(0);
    for (let frame = Math.max(2, alike); frame < SMART_TURN_FRAMES; frame += 2) this.#twoFrames(frame);
    const features = this.#features;
    for (let mel = 0; mel < SMART_TURN_MELS; mel++) {
      const row = mel * SMART_TURN_FRAMES;
      if (alike > 0) features.fill(features[row]!, row, row + alike);
    }
    return this.#compress();
  }

  /** The last 8 s with zeros in front, normalized, and mirrored beyond both ends. */
  #load(pcm: Int16Array): void {
    const samples = this.#samples;
    const length = Math.min(pcm.length, SMART_TURN_SAMPLES);
    const from = pcm.length - length;
    let sum = 0;
    let squares = 0;
    for (let index = from; index < pcm.length; index++) {
      const sample = pcm[index]!;
      sum += sample;
      squares += sample * sample;
    }
    const mean = sum / SMART_TURN_SAMPLES;
    const variance = (squares / SMART_TURN_SAMPLES - mean * mean) / (FULL_SCALE * FULL_SCALE);
    const gain = 1 / (FULL_SCALE * Math.sqrt(variance + VARIANCE_FLOOR));
    const start = EDGE_SAMPLES + SMART_TURN_SAMPLES - length;
    samples.fill(-mean * gain, 0, start);
    for (let index = 0; index < length; index++) samples[start + index] = (pcm[from + index]! - mean) * gain;
    const end = EDGE_SAMPLES + SMART_TURN_SAMPLES;
    for (let offset = 1; offset <= EDGE_SAMPLES; offset++) {
      samples[EDGE_SAMPLES - offset] = samples[EDGE_SAMPLES + offset]!;
      samples[end - 1 + offset] = samples[end - 1 - offset]!;
    }
  }

  /** Logarithmic mel powers of `frame` and the next: one complex transform carries two real frames. */
  #twoFrames(frame: number): void {
    const samples = this.#samples;
    const window = this.#window;
    const start = frame * HOP_SAMPLES;
    const { re: inputA, im: inputB } = this.#fourier;
    for (let index = 0; index < FRAME_SAMPLES; index++) {
      inputA[index] = samples[start + index]! * window[index]!;
      inputB[index] = samples[start + HOP_SAMPLES + index]! * window[index]!;
    }
    this.#fourier.transform();
    const { re, im } = this.#fourier;
    const powerA = this.#powerA;
    const powerB = this.#powerB;
    for (let bin = 0; bin < BINS; bin++) {
      const mirror = bin === 0 ? 0 : FRAME_SAMPLES - bin;
      const aRe = re[bin]! + re[mirror]!;
      const aIm = im[bin]! - im[mirror]!;
      const bRe = im[bin]! + im[mirror]!;
      const bIm = re[mirror]! - re[bin]!;
      powerA[bin] = (aRe * aRe + aIm * aIm) / 4;
      powerB[bin] = (bRe * bRe + bIm * bIm) / 4;
    }
    this.#filter(powerA, frame);
    this.#filter(powerB, frame + 1);
  }

  #filter(power: Float64Array, frame: number): void {
    const features = this.#features;
    for (let mel = 0; mel < SMART_TURN_MELS; mel++) {
      const { firstBin, weights } = this.#filters[mel]!;
      let sum = 0;
      for (let offset = 0; offset < weights.length; offset++) sum += weights[offset]! * power[firstBin + offset]!;
      features[mel * SMART_TURN_FRAMES + frame] = Math.log10(sum > POWER_FLOOR ? sum : POWER_FLOOR);
    }
  }

  #compress(): Float32Array {
    const features = this.#features;
    let loudest = Number.NEGATIVE_INFINITY;
    for (let index = 0; index < features.length; index++) if (features[index]! > loudest) loudest = features[index]!;
    const floor = loudest - DYNAMIC_RANGE;
    for (let index = 0; index < features.length; index++) {
      const value = features[index]!;
      features[index] = ((value > floor ? value : floor) + 4) / 4;
    }
    return features;
  }
}

/** The periodic form: sample 0 is zero, the one after the last would be. */
function hann(length: number): Float64Array {
  return Float64Array.from({ length }, (_, index) => 0.5 - 0.5 * Math.cos((2 * Math.PI * index) / length));
}
