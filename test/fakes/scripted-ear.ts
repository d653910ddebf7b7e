/**
 * Ears that have a script: whatever is said, they hear the next line of it, word by word while there is sound and the
 * rest of the line when there is a pause. For real speech, which fakes cannot recognize by arithmetic.
 */
import type { FakeEar, HeardTone } from './tone-words.ts';

const LOUD = 500;
const WORD_MS = 300;
/** Quiet after which a line is said to its end. */
const PAUSE_MS = 150;
/** Quiet after which sound is the next line. */
const GAP_MS = 700;

interface Line {
  readonly words: readonly string[];
  readonly start: number;
  readonly heard: HeardTone[];
  lastLoud: number;
}

export class ScriptedEar implements FakeEar {
  readonly #script: readonly string[];
  readonly #perMs: number;
  readonly #lines: Line[] = [];
  #length = 0;

  /** The script begins anew after its last line. */
  constructor(script: readonly string[], sampleRate: number) {
    this.#script = script;
    this.#perMs = sampleRate / 1_000;
  }

  get length(): number {
    return this.#length;
  }

  append(pcm: Int16Array): void {
    for (const sample of pcm) {
      const index = this.#length++;
      if (Math.abs(sample) < LOUD) continue;
      let line = this.#lines.at(-1);
      if (line === undefined || index - line.lastLoud > GAP_MS * this.#perMs) {
        this.#finish(line);
        const text = this.#script[this.#lines.length % this.#script.length] ?? '';
        line = { words: text.split(' ').filter((word) => word !== ''), start: index, heard: [], lastLoud: index };
        this.#lines.push(line);
      }
      line.lastLoud = index;
      this.#sayUpTo(line, index);
    }
    const last = this.#lines.at(-1);
    if (last !== undefined && this.#length - last.lastLoud > PAUSE_MS * this.#perMs) this.#finish(last);
  }

  words(from: number): HeardTone[] {
    return this.#lines.flatMap(({ heard }) => heard.filter(({ end }) => end > from));
  }

  /** Words whose time has come; their places stay. */
  #sayUpTo(line: Line, index: number): void {
    const step = WORD_MS * this.#perMs;
    while (line.heard.length < line.words.length) {
      const end = line.start + (line.heard.length + 1) * step;
      if (end > index) return;
      line.heard.push({ text: line.words[line.heard.length]!, start: end - step, end });
    }
  }

  /** The rest of the line, in what time it has. */
  #finish(line: Line | undefined): void {
    if (line === undefined || line.heard.length === line.words.length) return;
    const rest = line.words.slice(line.heard.length);
    const start = line.heard.at(-1)?.end ?? line.start;
    const step = Math.max(1, (line.lastLoud - start) / rest.length);
    for (const [index, text] of rest.entries()) {
      line.heard.push({ text, start: start + index * step, end: start + (index + 1) * step });
    }
  }
}
