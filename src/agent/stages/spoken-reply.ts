/**
 * The words of one reply against the milliseconds of its audio: which sentence sounds when, and which words were heard
 * when it was cut off. By the service's word times where it tells them; else exact to the sentence, with words placed
 * by their share of its letters. A word counts only when all of it was played.
 */
import type { SpokenWord } from '../services/tts.ts';

interface SpokenSentence {
  readonly text: string;
  readonly startMs: number;
  /** Null while its audio is still arriving. */
  endMs: number | null;
  /** In milliseconds of the sentence. */
  readonly words: SpokenWord[];
}

/** A guess at speech, for a sentence whose length is not known yet. */
const MS_PER_CHARACTER = 65;

export class SpokenReply {
  readonly #sentences: SpokenSentence[] = [];
  #writtenMs = 0;

  /** A sentence begins where the audio so far ends. */
  begin(text: string): void {
    this.#sentences.push({ text, startMs: this.#writtenMs, endMs: null, words: [] });
  }

  /** More audio of the sentence that was begun last, and the times of its words that came to be known. */
  wrote(ms: number, words: readonly SpokenWord[] = []): void {
    this.#writtenMs += ms;
    this.#sentences.at(-1)?.words.push(...words);
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
    return join(this.#sentences.map((sentence) => heardOf(sentence, playedMs - sentence.startMs)));
  }
}

function heardOf({ text, startMs, endMs, words }: SpokenSentence, playedMs: number): string {
  // What has no sound was given as text.
  if (endMs !== null && (endMs === startMs || playedMs >= endMs - startMs)) return text;
  if (playedMs <= 0) return '';
  const timed = words.length > 0 ? timedPrefix(text, words, playedMs) : null;
  if (timed !== null) return timed;
  const lengthMs = (endMs ?? startMs + text.length * MS_PER_CHARACTER) - startMs;
  return wholeWords(text, Math.min(1, playedMs / lengthMs) * text.length);
}

/** By word times; null where the service's words are not those of the text, as when it reads "$5" as "five dollars". */
function timedPrefix(text: string, words: readonly SpokenWord[], playedMs: number): string | null {
  const lower = text.toLowerCase();
  let end = 0;
  for (const word of words) {
    const found = lower.indexOf(word.text.toLowerCase(), end);
    if (found === -1 || /[\p{L}\p{N}]/u.test(text.slice(end, found))) return null;
    if (word.endMs > playedMs) return text.slice(0, end);
    end = found + word.text.length;
    // The mark after a word belongs to it.
    while (end < text.length && /[^\s\p{L}\p{N}]/u.test(text[end]!)) end++;
  }
  return text.slice(0, end);
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
