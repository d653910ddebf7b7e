/**
 * One turn of the caller on its way to words: the parts that a service was given one by one, and their words together.
 * It may outlive its turn when another one carries it on, and belong to another one whose words are its own. Owns the
 * utterances; when to feed and ask is transcribe's.
 */
import { AntipodeError } from '../../errors.ts';
import type { ServiceWatch } from '../observe/index.ts';
import type { Stt, SttUtterance } from '../services/stt.ts';
import type { Turn } from '../turn.ts';
import { EAR_SAMPLE_RATE, isSameSpeaker } from '../types.ts';

export interface HearingOptions {
  turn: Turn;
  /** Stream position (samples) of its beginning. */
  from: number;
  /** Null where there is none: it hears nothing, and fails when it is asked. */
  stt: Stt | null;
  /** Whose words come before its own. */
  carriesOn: Hearing | null;
  /** Whose sound it hears anew. */
  insteadOf: Hearing | null;
  /** All of its own words so far, and whose they are. */
  onInterim(turn: Turn, text: string): void;
  watch: ServiceWatch;
}

interface Part {
  readonly utterance: SttUtterance;
  /** It was asked for its words, and is not written to until the voice is back. */
  isPausing: boolean;
  /** Once no more will be written. */
  words: Promise<string> | null;
}

/** Words that may still change, of all up to a stream position. */
interface Covering {
  readonly text: string;
  readonly until: number;
}

export class Hearing {
  readonly #options: HearingOptions;
  readonly #controller = new AbortController();
  readonly #parts: Part[] = [];
  /** Words of each part, as far as they are known. */
  readonly #texts: string[] = [];
  #covering: Covering | null = null;
  #onCovering: ((covering: Covering) => void) | null = null;
  /** Whose words it hears. */
  turn: Turn;
  /** Position up to which words were asked for. */
  askedAt: number;
  /** The caller's voice is in what was written since words were asked for. */
  isVoiced = false;
  /** An answer was begun from its words before they were final. */
  isGuessed = false;

  constructor(options: HearingOptions) {
    this.#options = options;
    this.turn = options.turn;
    this.askedAt = options.from;
    this.listen(options.from);
  }

  /** Of the same caller, whose words come before its own as one. */
  get carriesOnOwn(): Hearing | null {
    const { carriesOn } = this;
    return carriesOn !== null && isSameSpeaker(carriesOn.turn.speaker, this.turn.speaker) ? carriesOn : null;
  }

  /** Of another caller, who spoke before these words began and was not answered yet. */
  get other(): Hearing | null {
    const { carriesOn, carriesOnOwn } = this;
    return carriesOnOwn === null ? carriesOn : carriesOnOwn.other;
  }

  get from(): number {
    return this.#options.from;
  }

  /** Whose words come before its own. */
  get carriesOn(): Hearing | null {
    return this.#options.carriesOn;
  }

  /** What is written is heard; false between asking for words and `listen`. */
  get isListening(): boolean {
    const part = this.#parts.at(-1);
    return part?.words === null && !part.isPausing;
  }

  /** Go on with the part that was only asked, else begin the next one; `position` is where that begins. */
  listen(position: number): void {
    this.isVoiced = false;
    this.isGuessed = false;
    const { stt, onInterim, watch, insteadOf } = this.#options;
    const last = this.#parts.at(-1);
    if (last?.words === null) {
      last.isPausing = false;
      return;
    }
    if (stt === null) return;
    const index = this.#texts.push('') - 1;
    const utterance = stt.listen({
      signal: this.#controller.signal,
      // Some know words already when they begin to listen.
      onInterim: (text, heardMs) => {
        this.#texts[index] = text;
        if (heardMs !== undefined) this.#covered(position + (heardMs * EAR_SAMPLE_RATE) / 1_000);
        onInterim(this.turn, this.#text);
      },
      watch,
      ...(index === 0 && insteadOf && { insteadOf: insteadOf.#parts.map((part) => part.utterance) }),
    });
    this.#parts.push({ utterance, isPausing: false, words: null });
  }

  get #text(): string {
    return this.#texts.filter(Boolean).join(' ');
  }

  #covered(until: number): void {
    this.#covering = { text: this.#text, until };
    this.#onCovering?.(this.#covering);
  }

  write(pcm: Int16Array): void {
    if (this.isListening) this.#parts.at(-1)?.utterance.write(pcm);
  }

  /**
   * The caller may have finished at `position`: where the service can be asked in the middle, have it work the words out,
   * and write no more until `listen`.
   */
  ask(position: number): void {
    const part = this.#parts.at(-1);
    if (part?.words !== null || part.isPausing || part.utterance.ask === undefined) return;
    part.isPausing = true;
    this.askedAt = position;
    // What goes wrong is told where the words are wanted.
    void part.utterance.ask();
  }

  /** Ask for the words of what was written; `position` is where that ends. */
  finishPart(position: number): void {
    const part = this.#parts.at(-1);
    if (part === undefined || part.words !== null) return;
    if (!part.isPausing) this.askedAt = position;
    const index = this.#parts.length - 1;
    part.words = part.utterance.finish().then(({ text }) => {
      this.#texts[index] = text;
      return text;
    });
    // Whoever asks for the words hears of a failure; nobody may ever ask.
    part.words.catch(() => {});
  }

  /**
   * Words that may still change, of all up to `position` at least, as soon as there are any; never where others come
   * before them that are still to be known. To be asked once.
   */
  wordsUntil(position: number): Promise<string> {
    return new Promise((resolve) => {
      if (this.carriesOn !== null) return;
      const look = ({ text, until }: Covering) => {
        if (text !== '' && until >= position) resolve(text);
      };
      this.#onCovering = look;
      if (this.#covering !== null) look(this.#covering);
    });
  }

  /** Its own words; every part must have been finished. */
  async words(): Promise<string> {
    const texts = await Promise.all(this.#parts.map(({ words }) => words));
    return texts.filter(Boolean).join(' ');
  }

  /** Its words after those of the same caller's turns that it carries on. */
  async allWords(): Promise<string> {
    const { carriesOnOwn: own } = this;
    own?.finishPart(own.askedAt);
    const before = own === null ? '' : await own.allWords();
    return `${before} ${await this.words()}`.trim();
  }

  close(): void {
    this.#controller.abort(new AntipodeError('ERR_SERVICE_FAILED', 'The turn is over.'));
    for (const { utterance } of this.#parts) utterance.close();
  }
}
