/**
 * Times of words from times of characters, which come with each piece of a sentence's audio, relative to that piece. A
 * word may begin in one piece and end in another.
 */
import type { SpokenWord } from '../tts.ts';

/** Three lists of one length. */
export interface Alignment {
  readonly chars: readonly string[];
  readonly charStartTimesMs: readonly number[];
  readonly charDurationsMs: readonly number[];
}

export class CharacterClock {
  #text = '';
  #startMs = 0;
  #endMs = 0;

  /**
   * The words that ended with these characters; `offsetMs` is where their audio begins in the sentence. Lists that do
   * not fit each other tell nothing: the sentence goes on without those times.
   */
  add({ chars, charStartTimesMs, charDurationsMs }: Alignment, offsetMs: number): SpokenWord[] {
    if (chars.length !== charStartTimesMs.length || chars.length !== charDurationsMs.length) return [];
    const words: SpokenWord[] = [];
    for (const [index, character] of chars.entries()) {
      if (/^\s*$/.test(character)) {
        words.push(...this.finish());
        continue;
      }
      const startMs = offsetMs + charStartTimesMs[index]!;
      if (this.#text === '') this.#startMs = startMs;
      this.#text += character;
      this.#endMs = startMs + charDurationsMs[index]!;
    }
    return words;
  }

  /** The word that has not ended yet, if there is one. */
  finish(): SpokenWord[] {
    if (this.#text === '') return [];
    const word = { text: this.#text, startMs: this.#startMs, endMs: this.#endMs };
    this.#text = '';
    return [word];
  }
}
