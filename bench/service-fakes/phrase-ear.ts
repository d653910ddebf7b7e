/** An ear for fakes that hears the same phrase in every stretch of sound, however it sounds: for real speech. */
import type { FakeEar, HeardTone } from '../../test/fakes/tone-words.ts';

/** Full scale 32768: -36 dB. */
const LOUD = 500;
/** Shorter gaps are inside of a stretch. */
const GAP_SAMPLES = 0.25 * 16_000;
/** A shorter stretch is no phrase. */
const MIN_SAMPLES = 0.2 * 16_000;

export class PhraseEar implements FakeEar {
  readonly #words: readonly string[];
  readonly #stretches: { start: number; end: number }[] = [];
  #length = 0;

  constructor(phrase: string) {
    this.#words = phrase.split(' ');
  }

  get length(): number {
    return this.#length;
  }

  append(pcm: Int16Array): void {
    for (let index = 0; index < pcm.length; index++) {
      if (Math.abs(pcm[index]!) < LOUD) continue;
      const at = this.#length + index;
      const last = this.#stretches.at(-1);
      if (last !== undefined && at - last.end < GAP_SAMPLES) last.end = at;
      else this.#stretches.push({ start: at, end: at });
    }
    this.#length += pcm.length;
  }

  /** A phrase is there as a whole once its stretch is long enough; words of what lies before `from` are not. */
  words(from: number): HeardTone[] {
    return this.#stretches
      .filter(({ start, end }) => end > from && end - start >= MIN_SAMPLES)
      .flatMap(({ start, end }) => {
        const step = (end - start) / this.#words.length;
        return this.#words.map((text, index) => ({
          text,
          start: start + index * step,
          end: start + (index + 1) * step,
        }));
      })
      .filter(({ end }) => end > from);
  }
}
