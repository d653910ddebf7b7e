/**
 * The words of one spoken answer against the milliseconds of its sound, where a service gives both without saying which
 * word sounds when. Words are placed by their share of the letters; one counts when all of it was played. Sentences of
 * our own, by the spare voice, may stand between the service's. Owns no sound.
 */

interface Part {
  text: string;
  ms: number;
  readonly own: boolean;
  /** Nothing will be added. */
  whole: boolean;
}

/** What was played of the service's part of an answer. */
export interface ServiceHeard {
  readonly playedMs: number;
  readonly words: string;
}

/** A guess at speech while the sound of the words is still coming. */
const MS_PER_CHARACTER = 65;

export class ConverseWords {
  readonly #parts: Part[] = [];

  /** More words of the service, before or after their sound. */
  serviceText(text: string): void {
    this.#open(false).text += text;
  }

  serviceSound(ms: number): void {
    this.#open(false).ms += ms;
  }

  /** The service is done with what it said so far, or calls a tool before it goes on. */
  serviceEnded(): void {
    const last = this.#parts.at(-1);
    if (last && !last.own) last.whole = true;
  }

  /** A sentence of our own begins. */
  own(text: string): void {
    for (const part of this.#parts) part.whole = true;
    this.#parts.push({ text, ms: 0, own: true, whole: false });
  }

  ownSound(ms: number): void {
    const part = this.#parts.findLast(({ own }) => own);
    if (part) part.ms += ms;
  }

  ownEnded(): void {
    const part = this.#parts.findLast(({ own }) => own);
    if (part) part.whole = true;
  }

  #open(own: boolean): Part {
    const last = this.#parts.at(-1);
    if (last && last.own === own && !last.whole) return last;
    const part: Part = { text: '', ms: 0, own, whole: false };
    this.#parts.push(part);
    return part;
  }

  get text(): string {
    return join(this.#parts.map(({ text }) => text));
  }

  /** Every word that was played to its end. */
  heardAt(playedMs: number): string {
    return join(this.#placed(playedMs).map(({ part, letters }) => wholeWords(part.text, letters)));
  }

  /** Every sentence that has begun to sound. */
  begunAt(playedMs: number): string {
    return join(this.#placed(playedMs).map(({ part, letters }) => begunSentences(part.text, letters)));
  }

  /** What the service is to know of it. */
  serviceHeardAt(playedMs: number): ServiceHeard {
    const placed = this.#placed(playedMs).filter(({ part }) => !part.own);
    return {
      playedMs: placed.reduce((sum, { ms }) => sum + ms, 0),
      words: join(placed.map(({ part, letters }) => wholeWords(part.text, letters))),
    };
  }

  /** The parts that have begun, with their played milliseconds and letters. */
  #placed(playedMs: number): { part: Part; ms: number; letters: number }[] {
    let left = playedMs;
    const placed: { part: Part; ms: number; letters: number }[] = [];
    for (const part of this.#parts) {
      if (left < 0 || (left === 0 && part.ms > 0 && placed.length > 0)) break;
      const ms = Math.min(part.ms, left);
      const lengthMs = part.whole ? part.ms : Math.max(part.ms, part.text.length * MS_PER_CHARACTER);
      const share = lengthMs === 0 ? 1 : ms / lengthMs;
      placed.push({ part, ms, letters: share * part.text.length });
      left -= part.ms;
    }
    return placed;
  }
}

function wholeWords(text: string, letters: number): string {
  let end = 0;
  for (const match of text.matchAll(/\S+/g)) {
    // A share of a float: the last letter may lack a trifle.
    if (match.index + match[0].length > letters + 1e-6) break;
    end = match.index + match[0].length;
  }
  return text.slice(0, end);
}

function begunSentences(text: string, letters: number): string {
  for (const match of text.matchAll(/[.!?…。！？]+["')\]]*(?=\s|$)/g)) {
    const end = match.index + match[0].length;
    if (end > letters) return text.slice(0, end);
  }
  return text;
}

function join(texts: readonly string[]): string {
  return texts.join(' ').replace(/\s+/g, ' ').trim();
}
