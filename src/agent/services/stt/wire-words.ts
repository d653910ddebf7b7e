/** What the streaming dialects share in reading words: times in milliseconds, and a text of words. Pure. */
import type { DialectWord } from './dialect.ts';

export interface MillisecondWord {
  readonly text: string;
  readonly start: number;
  readonly end: number;
  readonly confidence?: number | null | undefined;
}

/** Words whose times are milliseconds, in the seconds of a dialect. */
export function inSeconds(words: readonly MillisecondWord[]): DialectWord[] {
  return words.map(({ text, start, end, confidence = null }) => ({
    text,
    start: start / 1_000,
    end: end / 1_000,
    confidence,
  }));
}

export function textOf(words: readonly { readonly text: string }[]): string {
  return words.map(({ text }) => text).join(' ');
}
