/**
 * The words of one reply against the milliseconds of its audio: which sentence sounds when, and which words were heard
 * when it was cut off. Exact to the sentence; inside of one, words are placed by their share of its letters, and a
 * word counts only when all of it was played.
 */

interface SpokenSentence {
  readonly text: string;
  readonly startMs: number;
  /** Null while its audio is still arriving. */
  endMs: number | null;
}

/** A guess at speech, for a sentence whose length is not known yet. */
const MS_PER_CHARACTER = 65;

export class SpokenReply {
  readonly #sentences: SpokenSentence[] = [];
  #writtenMs = 0;

  /** A sentence begins where the audio so far ends. */
  begin(text: string): void {
    this.#sentences.push({ text, startMs: this.#writtenMs, endMs: null });
  }

  /** More audio of the sentence that was begun last. */
  wrote(ms: number): void {
    this.#writtenMs += ms;
  }

  /** That sentence is whole. */
  end(): void {
    const last = this.#sentences.at(-1);
    if (last) last.endMs = this.#writtenMs;
  }

  get text(): string {
    return join(this.#sentences.map(({ text }) => text));
  }

  /** Every sentence that has begun to sound. */
  begunAt(playedMs: number): string {
    return join(this.#sentences.filter(({ startMs }) => startMs <= playedMs).map(({ text }) => text));
  }

  /** Every word that was played to its end. */
  heardAt(playedMs: number): string {
    return join(
      this.#sentences.map(({ text, startMs, endMs }) => {
        const lengthMs = (endMs ?? startMs + text.length * MS_PER_CHARACTER) - startMs;
        const share = lengthMs <= 0 ? 1 : (playedMs - startMs) / lengthMs;
        return share >= 1 && endMs !== null ? text : wholeWords(text, Math.min(1, share) * text.length);
      }),
    );
  }
}

function wholeWords(text: string, characters: number): string {
  let end = 0;
  for (const match of text.matchAll(/\S+/g)) {
    if (match.index + match[0].length > characters) break;
    end = match.index + match[0].length;
  }
  return text.slice(0, end);
}

function join(parts: readonly string[]): string {
  return parts.filter((part) => part !== '').join(' ');
}
