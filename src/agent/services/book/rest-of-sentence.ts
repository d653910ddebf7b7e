/**
 * What of a sentence is still to be spoken after its first milliseconds were: exact where the service told the times of
 * words, else by the pace of speech. Pure.
 */
import type { SpokenWord } from '../tts.ts';

/** A guess at speech, where nothing is known of the sentence's length. */
export const MS_PER_CHARACTER = 65;

/** The rest of `text` from its first word that was not spoken whole; empty when nothing is left to say. */
export function restOfSentence(text: string, spokenMs: number, words: readonly SpokenWord[]): string {
  const end = words.length > 0 ? endOfWords(text, spokenMs, words) : endByPace(text, spokenMs);
  const rest = text.slice(end).trim();
  // Marks alone are no words.
  return /[\p{L}\p{N}]/u.test(rest) ? rest : '';
}

function endOfWords(text: string, spokenMs: number, words: readonly SpokenWord[]): number {
  let end = 0;
  for (const word of words) {
    if (word.endMs > spokenMs) break;
    const at = text.indexOf(word.text, end);
    // A service may tell of a word as it says it ("five dollars" for "$5"): it has no place in the text.
    if (at >= 0) end = at + word.text.length;
  }
  return end;
}

function endByPace(text: string, spokenMs: number): number {
  const characters = spokenMs / MS_PER_CHARACTER;
  let end = 0;
  for (const match of text.matchAll(/\S+/g)) {
    if (match.index + match[0].length > characters) break;
    end = match.index + match[0].length;
  }
  return end;
}
