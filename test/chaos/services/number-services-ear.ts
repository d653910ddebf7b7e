/** Speech to text for numbers: what a fake of a service hears with. It answers with the names of what was really sent. */
import type { FakeEar, HeardTone } from '../../fakes/tone-words.ts';
import { type HeardNumber, NumberEar } from '../words/number-ear.ts';
import { nameOf, WORD_MS } from '../words/number-sound.ts';

const RATE = 16_000;

export class NumberServicesEar implements FakeEar {
  readonly #words: HeardNumber[] = [];
  readonly #ear = new NumberEar(RATE, (word) => this.#words.push(word));

  get length(): number {
    return this.#ear.position;
  }

  append(pcm: Int16Array): void {
    this.#ear.append(pcm);
  }

  /** A word of which less than half is there is none. */
  words(from: number): HeardTone[] {
    const open = this.#ear.open;
    const all: HeardNumber[] = [];
    for (const word of [...this.#words, ...(open === null ? [] : [open])]) {
      const before = all.at(-1);
      // A word with a hole in it, from packets that came late, is one.
      const isRest = before !== undefined && before.number === word.number && before.ms + word.ms <= WORD_MS;
      if (isRest) all[all.length - 1] = { ...before, end: word.end, ms: before.ms + word.ms };
      else all.push(word);
    }
    return all.flatMap(({ number, start, end, ms }) => {
      if (end <= from || number === null || ms * 2 < WORD_MS) return [];
      return [{ text: nameOf(number), start: Math.max(start, from), end }];
    });
  }
}
