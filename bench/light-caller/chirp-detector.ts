/**
 * Finds the probe signal's chirps in decoded audio by normalized correlation, to a fraction of a sample. Works frame by
 * frame and only where there is energy, so that many callers can be measured at once.
 */
import { chirp, PROBE_FRAME_SAMPLES, PROBE_RATE } from './chirp.ts';

/** Least normalized correlation (0..1) of a chirp. */
const MIN_CORRELATION = 0.6;
/** RMS of a frame under which nothing is searched, full scale 32768. */
const QUIET_RMS = 100;
/** The highest peak within this many samples is the chirp; others are its side lobes. */
const GUARD_SAMPLES = 80;

export class ChirpDetector {
  readonly #found: (position: number) => void;
  readonly #template = chirp(PROBE_RATE);
  readonly #templateEnergy: number;
  /** The last frames in a row, newest at the end: long enough for a chirp that ends in the newest one. */
  readonly #window: Float32Array;
  #filled = 0;
  #windowEnd = 0;
  #loudFrames = 0;
  #best = { position: 0, correlation: 0 };
  /** Correlations of the two lags before the present one. */
  #previous = 0;
  #beforePrevious = 0;

  /** @param found told the position, in samples of the stream, at which a chirp begins */
  constructor(found: (position: number) => void) {
    this.#found = found;
    this.#templateEnergy = this.#template.reduce((sum, sample) => sum + sample * sample, 0);
    this.#window = new Float32Array(this.#template.length + PROBE_FRAME_SAMPLES);
  }

  /**
   * Take one decoded frame.
   * @param pcm PROBE_FRAME_SAMPLES samples at PROBE_RATE
   * @param position of its first sample in the stream; what does not follow on the frame before begins anew
   */
  push(pcm: Int16Array, position: number): void {
    if (position !== this.#windowEnd) this.#reset();
    this.#window.copyWithin(0, pcm.length);
    let energy = 0;
    const start = this.#window.length - pcm.length;
    for (let index = 0; index < pcm.length; index++) {
      const sample = pcm[index]!;
      this.#window[start + index] = sample;
      energy += sample * sample;
    }
    this.#windowEnd = position + pcm.length;
    this.#filled = Math.min(this.#window.length, this.#filled + pcm.length);
    // A chirp reaches over two frames, and its peak is known one frame later.
    if (energy >= QUIET_RMS * QUIET_RMS * pcm.length) this.#loudFrames = 2;
    if (this.#loudFrames > 0 && this.#filled === this.#window.length) this.#search(pcm.length);
    this.#loudFrames--;
    this.#settle();
  }

  #reset(): void {
    this.#filled = 0;
    this.#loudFrames = 0;
    this.#best.correlation = 0;
    this.#previous = 0;
    this.#beforePrevious = 0;
  }

  #search(lags: number): void {
    const template = this.#template;
    const window = this.#window;
    const length = template.length;
    let energy = 0;
    for (let index = 0; index < length; index++) energy += window[index]! * window[index]!;
    for (let lag = 1; lag <= lags; lag++) {
      energy += window[lag + length - 1]! ** 2 - window[lag - 1]! ** 2;
      let product = 0;
      for (let index = 0; index < length; index++) product += window[lag + index]! * template[index]!;
      const correlation = product / Math.sqrt(Math.max(1, energy) * this.#templateEnergy);
      this.#peak(correlation, this.#windowEnd - window.length + lag);
    }
  }

  /** The lag before `position` may have been a peak. */
  #peak(correlation: number, position: number): void {
    const [before, middle] = [this.#beforePrevious, this.#previous];
    this.#beforePrevious = middle;
    this.#previous = correlation;
    if (middle < MIN_CORRELATION || middle < before || middle < correlation) return;
    if (middle <= this.#best.correlation) return;
    // Vertex of the parabola through the three.
    const bend = before - 2 * middle + correlation;
    const shift = bend === 0 ? 0 : (before - correlation) / (2 * bend);
    this.#best = { position: position - 1 + shift, correlation: middle };
  }

  #settle(): void {
    const searchedTo = this.#windowEnd - this.#template.length;
    if (this.#best.correlation === 0 || searchedTo - this.#best.position < GUARD_SAMPLES) return;
    this.#found(this.#best.position);
    this.#best = { position: 0, correlation: 0 };
  }
}
