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

/** The words of `pcm`; one that is cut off at the end counts when half of it is there. */
export function hearTones(pcm: Int16Array, sampleRate = 16_000): HeardTone[] {
  const heard: HeardTone[] = [];
  const minSamples = (sampleRate * WORD_MS) / 2_000;
  const gapSamples = (sampleRate * 30) / 1_000;
  let start = -1;
  let last = -1;
  const close = () => {
    if (start >= 0 && last - start >= minSamples) {
      const level = pcm.slice(start, last + 1).sort()[Math.floor((last - start) / 2)]!;
      const text = TONE_WORDS[Math.round(level / LEVEL) - 1];
      if (text !== undefined) heard.push({ text, start, end: last + 1 });
    }
    start = -1;
  };
  for (let index = 0; index < pcm.length; index++) {
    if (Math.abs(pcm[index]!) > LEVEL / 2) {
      if (start < 0) start = index;
      last = index;
    } else if (start >= 0 && index - last > gapSamples) close();
  }
  close();
  return heard;
}
