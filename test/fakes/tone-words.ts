/**
 * Speech that a fake can recognize by arithmetic: a word is 200 ms of a steady level, words are 100 ms of silence
 * apart. What a fake answers is thus what it was really sent: lost, repeated or mixed-up audio gives other words.
 */
export const TONE_WORDS = ['one', 'two', 'three', 'four', 'five', 'six', 'seven', 'eight'] as const;

export type ToneWord = (typeof TONE_WORDS)[number];

const LEVEL = 2_000;
const WORD_MS = 200;
const PAUSE_MS = 100;

/** 16 kHz, each word followed by a pause. */
export function sayTones(words: readonly ToneWord[]): Int16Array {
  const wordSamples = WORD_MS * 16;
  const step = wordSamples + PAUSE_MS * 16;
  const pcm = new Int16Array(words.length * step);
  for (const [index, word] of words.entries()) {
    pcm.fill(LEVEL * (TONE_WORDS.indexOf(word) + 1), index * step, index * step + wordSamples);
  }
  return pcm;
}

export interface HeardTone {
  readonly text: string;
  /** Samples. */
  readonly start: number;
  readonly end: number;
}

/** What a fake hears with. */
export interface FakeEar {
  /** Samples heard. */
  readonly length: number;
  append(pcm: Int16Array): void;
  /** Words of which something lies at or after a sample. */
  words(from: number): HeardTone[];
}

/** Hears tone words, in time that grows with the sound and not with its square. */
export class ToneEar implements FakeEar {
  readonly #minSamples: number;
  readonly #gapSamples: number;
  readonly #closed: { readonly text: string; readonly start: number; readonly end: number }[] = [];
  #length = 0;
  #start = -1;
  #last = -1;
  /** Samples by their level, of the word that is open: its median level is its text. */
  #levels: number[] = [];

  constructor(sampleRate: number) {
    this.#minSamples = (sampleRate * WORD_MS) / 2_000;
    this.#gapSamples = (sampleRate * 30) / 1_000;
  }

  get length(): number {
    return this.#length;
  }

  append(pcm: Int16Array): void {
    for (const sample of pcm) {
      const index = this.#length++;
      if (Math.abs(sample) > LEVEL / 2) {
        if (this.#start < 0) this.#start = index;
        this.#last = index;
        const level = Math.max(0, Math.round(sample / LEVEL));
        this.#levels[level] = (this.#levels[level] ?? 0) + 1;
      } else if (this.#start >= 0 && index - this.#last > this.#gapSamples) {
        const open = this.#open();
        if (open !== null) this.#closed.push(open);
        this.#start = -1;
        this.#levels = [];
      }
    }
  }

  /** A word that is cut off at either end counts when half of it is there. */
  words(from: number): HeardTone[] {
    const open = this.#open();
    return [...this.#closed, ...(open === null ? [] : [open])].flatMap(({ text, start, end }) => {
      const begin = Math.max(start, from);
      return end - 1 - begin >= this.#minSamples ? [{ text, start: begin, end }] : [];
    });
  }

  #open(): HeardTone | null {
    if (this.#start < 0 || this.#last - this.#start < this.#minSamples) return null;
    let most = 0;
    for (const [level, count] of this.#levels.entries()) if ((count ?? 0) > (this.#levels[most] ?? 0)) most = level;
    const text = TONE_WORDS[most - 1];
    return text === undefined ? null : { text, start: this.#start, end: this.#last + 1 };
  }
}

/** The words of `pcm`. */
export function hearTones(pcm: Int16Array, sampleRate = 16_000): HeardTone[] {
  const ear = new ToneEar(sampleRate);
  ear.append(pcm);
  return ear.words(0);
}
