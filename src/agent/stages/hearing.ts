/**
 * One turn of the caller on its way to words: the parts that a service was given one by one, and their words together.
 * It may outlive its turn when another one carries it on. Owns the utterances; when to feed and ask is transcribe's.
 */
import { AntipodeError } from '../../errors.ts';
import type { ServiceWatch } from '../observe/index.ts';
import type { Stt, SttUtterance } from '../services/stt.ts';
import type { Turn } from '../turn.ts';

export interface HearingOptions {
  turn: Turn;
  /** Stream position (samples) of its beginning. */
  from: number;
  /** Null where there is none: it hears nothing, and fails when it is asked. */
  stt: Stt | null;
  /** Whose words come before its own. */
  carriesOn: Hearing | null;
  /** All of its own words so far. */
  onInterim(text: string): void;
  watch: ServiceWatch;
}

interface Part {
  readonly utterance: SttUtterance;
  /** Once they have been asked for. */
  words: Promise<string> | null;
}

export class Hearing {
  readonly #options: HearingOptions;
  readonly #controller = new AbortController();
  readonly #parts: Part[] = [];
  /** Words of each part, as far as they are known. */
  readonly #texts: string[] = [];
  /** Position up to which words were asked for. */
  askedAt: number;

  constructor(options: HearingOptions) {
    this.#options = options;
    this.askedAt = options.from;
    this.listen();
  }

  get turn(): Turn {
    return this.#options.turn;
  }

  get from(): number {
    return this.#options.from;
  }

  /** What is written is heard; false between asking for words and `listen`. */
  get isListening(): boolean {
    return this.#parts.at(-1)?.words === null;
  }

  /** Begin the next part. */
  listen(): void {
    const { stt, onInterim, watch } = this.#options;
    if (stt === null) return;
    const index = this.#texts.push('') - 1;
    const utterance = stt.listen({
      signal: this.#controller.signal,
      // Some know words already when they begin to listen.
      onInterim: (text) => {
        this.#texts[index] = text;
        onInterim(this.#texts.join(' ').trim());
      },
      watch,
    });
    this.#parts.push({ utterance, words: null });
  }

  write(pcm: Int16Array): void {
    const part = this.#parts.at(-1);
    if (part?.words === null) part.utterance.write(pcm);
  }

  /** Ask for the words of what was written; `position` is where that ends. */
  finishPart(position: number): void {
    const part = this.#parts.at(-1);
    if (part === undefined || part.words !== null) return;
    this.askedAt = position;
    const index = this.#parts.length - 1;
    part.words = part.utterance.finish().then(({ text }) => {
      this.#texts[index] = text;
      return text;
    });
    // Whoever asks for the words hears of a failure; nobody may ever ask.
    part.words.catch(() => {});
  }

  /** Its own words; every part must have been finished. */
  async words(): Promise<string> {
    const texts = await Promise.all(this.#parts.map(({ words }) => words));
    return texts.filter(Boolean).join(' ');
  }

  /** Its words after those of the turns that it carries on. */
  async allWords(): Promise<string> {
    const { carriesOn } = this.#options;
    carriesOn?.finishPart(carriesOn.askedAt);
    const before = carriesOn === null ? '' : await carriesOn.allWords();
    return `${before} ${await this.words()}`.trim();
  }

  close(): void {
    this.#controller.abort(new AntipodeError('ERR_SERVICE_FAILED', 'The turn is over.'));
    for (const { utterance } of this.#parts) utterance.close();
  }
}
