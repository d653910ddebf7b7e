/**
 * Cuts text that arrives in pieces into sentences to speak. The first one may be cut at a comma: the caller waits for it,
 * and a model writes a long sentence for a while.
 */

export interface SentenceOptions {
  /** A sentence longer than this is cut at a comma or a space. */
  maxCharacters?: number;
  /** The first sentence is cut at a comma from so many characters on; Infinity for never. */
  firstClauseCharacters?: number;
}

export const SENTENCE_DEFAULTS = { maxCharacters: 240, firstClauseCharacters: 30 } as const;

/** Words whose dot ends no sentence. */
const ABBREVIATION = /(?:^|\s)(?:mr|mrs|ms|dr|st|no|vs|etc|e\.g|i\.e|a\.m|p\.m|[a-z])\.$/i;

export class SentenceCutter {
  readonly #maxCharacters: number;
  readonly #firstClauseCharacters: number;
  #isFirst = true;
  #rest = '';

  constructor(options: SentenceOptions = {}) {
    this.#maxCharacters = options.maxCharacters ?? SENTENCE_DEFAULTS.maxCharacters;
    this.#firstClauseCharacters = options.firstClauseCharacters ?? SENTENCE_DEFAULTS.firstClauseCharacters;
  }

  /** More text; answers with the sentences that are complete now, trimmed. */
  push(text: string): string[] {
    this.#rest += text;
    const sentences: string[] = [];
    for (;;) {
      const end = this.#nextEnd();
      if (end === null) return sentences;
      const sentence = this.#rest.slice(0, end).trim();
      this.#rest = this.#rest.slice(end);
      if (sentence === '') continue;
      this.#isFirst = false;
      sentences.push(sentence);
    }
  }

  /** What is left, as the last sentence; null when that is nothing. */
  finish(): string | null {
    const last = this.#rest.trim();
    this.#rest = '';
    return last === '' ? null : last;
  }

  #nextEnd(): number | null {
    // A mark ends a sentence only once a space follows: "7.30" and "example.com" go on. Full-width ones need none.
    for (const match of this.#rest.matchAll(/[.!?]+["')\]]*(?=\s)|[。！？]+[」』”）]*|[,;:](?=\s)|[，、；：]|\n+/g)) {
      const end = match.index + match[0].length;
      if (/^[,;:，、；：]$/.test(match[0])) {
        if (this.#isFirst && end >= this.#firstClauseCharacters) return end;
      } else if (match[0] !== '.' || !ABBREVIATION.test(this.#rest.slice(0, end))) return end;
    }
    if (this.#rest.length <= this.#maxCharacters) return null;
    const head = this.#rest.slice(0, this.#maxCharacters);
    const comma = Math.max(head.lastIndexOf(', '), head.lastIndexOf('; '));
    if (comma > 0) return comma + 1;
    const space = head.lastIndexOf(' ');
    return space > 0 ? space : this.#maxCharacters;
  }
}
