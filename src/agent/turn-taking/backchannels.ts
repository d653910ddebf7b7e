/**
 * Whether words over the agent are meant to stop it. "Mm-hm" and its kin say "go on"; so do too few words, where more are
 * asked for. English by default; other languages bring their own list.
 */

export interface MeaningOptions {
  /** Words that make an interruption at least. */
  minWords: number;
  /** Words that are none when nothing else is said: lower case, letters and apostrophes. */
  backchannels: readonly string[];
}

export const MEANING_DEFAULTS = {
  minWords: 1,
  backchannels: [
    ...['mm', 'mmm', 'mhm', 'mhmm', 'mmhm', 'mmhmm', 'hm', 'hmm', 'hmmm', 'uhhuh', 'uh', 'huh', 'um', 'er', 'ah', 'oh'],
    ...['yeah', 'yep', 'yup', 'ok', 'okay', 'right', 'sure', 'aha', 'i', 'see', 'gotcha', 'cool', 'wow'],
  ],
} as const satisfies MeaningOptions;

/** More words than this are no backchannel, whatever they are: "right, okay, I see, yeah" is somebody who wants to speak. */
const MAX_BACKCHANNEL_WORDS = 3;

export function wordsOf(text: string): string[] {
  // "mm-hm" and "uh-huh" are one word each.
  return (
    text
      .toLowerCase()
      .replaceAll('-', '')
      .match(/[\p{L}\p{N}']+/gu) ?? []
  );
}

export function isMeant(text: string, { minWords, backchannels }: MeaningOptions): boolean {
  const words = wordsOf(text);
  if (words.length === 0 || words.length < minWords) return false;
  return words.length > MAX_BACKCHANNEL_WORDS || words.some((word) => !backchannels.includes(word));
}
