/**
 * Whether a participant speaks, by the energy of their frames above what is always there: cheap enough for everybody in a
 * room at once, and only good enough to say whose turn it is to be listened to. What is speech and what is not is decided
 * by the voice activity model behind it. Pure bookkeeping.
 */

export interface LoudVoiceOptions {
  /** A frame is voiced this much above the noise, dB. */
  aboveNoiseDb?: number;
  /** And above this, dB full scale. */
  leastDbfs?: number;
  /** Voiced frames that begin speech, of the last `window`. */
  beginFrames?: number;
  window?: number;
  /** Silence that ends it, ms. */
  endMs?: number;
}

export const LOUD_VOICE_DEFAULTS = {
  aboveNoiseDb: 9,
  leastDbfs: -52,
  beginFrames: 4,
  window: 6,
  endMs: 200,
} as const satisfies Required<LoudVoiceOptions>;

const FRAME_MS = 20;
const FIRST_NOISE_DBFS = -60;
/** Noise is taken for louder by this much a frame: 1 dB a second. */
const NOISE_RISE_DB = 0.02;
const MOST_NOISE_DBFS = -35;
const SILENT_DBFS = -96;

export class LoudVoice {
  readonly #options: Required<LoudVoiceOptions>;
  #noiseDbfs = FIRST_NOISE_DBFS;
  /** Bit n set: the frame n before the last one was voiced. */
  #history = 0;
  #speaking = false;
  #silentMs = Number.POSITIVE_INFINITY;

  constructor(options: LoudVoiceOptions = {}) {
    this.#options = { ...LOUD_VOICE_DEFAULTS, ...options };
  }

  get speaking(): boolean {
    return this.#speaking;
  }

  /** Since the last voiced frame; Infinity before the first. */
  get silentMs(): number {
    return this.#silentMs;
  }

  /** 20 ms that were heard. */
  push(pcm: Int16Array): void {
    const level = dbfsOf(pcm);
    const { aboveNoiseDb, leastDbfs } = this.#options;
    const voiced = level > leastDbfs && level > this.#noiseDbfs + aboveNoiseDb;
    this.#noiseDbfs = Math.min(level, this.#noiseDbfs + NOISE_RISE_DB, MOST_NOISE_DBFS);
    this.#step(voiced);
  }

  /** 20 ms that nothing was heard of. */
  pushSilence(): void {
    this.#step(false);
  }

  #step(voiced: boolean): void {
    const { window, beginFrames, endMs } = this.#options;
    this.#history = ((this.#history << 1) | (voiced ? 1 : 0)) & ((1 << window) - 1);
    this.#silentMs = voiced ? 0 : this.#silentMs + FRAME_MS;
    if (this.#speaking) this.#speaking = this.#silentMs < endMs;
    else this.#speaking = bitsOf(this.#history) >= beginFrames;
  }
}

function dbfsOf(pcm: Int16Array): number {
  let energy = 0;
  for (const sample of pcm) energy += sample * sample;
  const mean = energy / Math.max(1, pcm.length);
  return mean < 1 ? SILENT_DBFS : 10 * Math.log10(mean / 32_768 ** 2);
}

function bitsOf(bits: number): number {
  let count = 0;
  for (let left = bits; left !== 0; left &= left - 1) count += 1;
  return count;
}
