/**
 * The caller's side of a conversation with Gemini's Live API: sound out, utterances with their numbers, and the words that
 * come back for them. Keeps what a new connection has to be given again.
 */
import type { S2sEvent, S2sTurns } from '../s2s.ts';
import { ACTIVITY_END, ACTIVITY_START, GEMINI_RATES, soundMessage } from './gemini-live-messages.ts';
import type { CallerPart, SessionMemory } from './session-memory.ts';

export interface GeminiLiveCallerOptions {
  turns: S2sTurns;
  memory: SessionMemory;
  isConnected(): boolean;
  /** An answer is asked for: sound is held, since it would cut that off, and may turn out to be no turn. */
  isAnswering(): boolean;
  send(message: object): void;
  emit(event: S2sEvent): void;
  /** The service is told that the caller speaks. */
  onActive(): void;
}

const MIN_UTTERANCE = Buffer.alloc((GEMINI_RATES.caller / 10) * 2).toString('base64');
/** `service`: sound that a new connection is given, in chunks of 20 ms. */
const RECENT_CHUNKS = { connected: 50, away: 1_500 } as const;

export class GeminiLiveCaller {
  readonly #options: GeminiLiveCallerOptions;
  /** Utterances that nobody was asked to answer yet; the last one may be open. Their sound that was not sent. */
  #activity: CallerPart[] = [];
  #utterance: CallerPart | null = null;
  #unsent: string[] = [];
  #isActive = false;
  /** Those that the answer under way is for. */
  #asked: CallerPart[] = [];
  readonly #recent: string[] = [];
  /** The utterance that the words which come are of, and those that came. */
  #heard: CallerPart | null = null;
  #words = '';
  #sentBytes = 0;

  constructor(options: GeminiLiveCallerOptions) {
    this.#options = options;
  }

  /** The service was told that the caller speaks, and not yet that they have finished. */
  get isActive(): boolean {
    return this.#isActive;
  }

  /** Its sound is told to a new connection, not its words. */
  isUntold(part: CallerPart): boolean {
    return this.#activity.includes(part) || this.#asked.includes(part);
  }

  hear(pcm: Int16Array): void {
    const { turns, memory, isConnected } = this.#options;
    const chunk = Buffer.from(pcm.buffer, pcm.byteOffset, pcm.byteLength).toString('base64');
    if (turns === 'service') {
      this.#recent.push(chunk);
      if (this.#recent.length > (isConnected() ? RECENT_CHUNKS.connected : RECENT_CHUNKS.away)) this.#recent.shift();
      if (isConnected()) this.#sendSound(chunk);
      return;
    }
    this.#utterance ??= this.#begin();
    memory.hear(this.#utterance, chunk);
    this.#unsent.push(chunk);
    this.stream();
  }

  #begin(): CallerPart {
    const part = this.#options.memory.begin();
    this.#activity.push(part);
    return part;
  }

  /** Send what was held, if it may be sent now. */
  stream(): void {
    const { isConnected, isAnswering, send, onActive } = this.#options;
    if (!isConnected() || isAnswering() || this.#unsent.length === 0) return;
    if (!this.#isActive) {
      this.settleWords();
      this.#heard = this.#activity.at(-1) ?? null;
      this.#isActive = true;
      onActive();
      send(ACTIVITY_START);
    }
    for (const chunk of this.#unsent) this.#sendSound(chunk);
    this.#unsent = [];
  }

  #sendSound(chunk: string): void {
    this.#sentBytes += (chunk.length * 3) / 4;
    this.#options.send(soundMessage(chunk));
  }

  /** The utterance is whole; gives its number. */
  end(): number {
    const part = this.#utterance ?? this.#begin();
    if (part.chunks?.length === 0) {
      this.#options.memory.hear(part, MIN_UTTERANCE);
      this.#unsent.push(MIN_UTTERANCE);
    }
    part.ended = true;
    this.#utterance = null;
    return part.utterance!;
  }

  /** What was said is to be answered now. */
  ask(): void {
    this.#asked = this.#activity;
    this.#activity = [];
    this.#isActive = false;
    this.#options.send(ACTIVITY_END);
  }

  /** The last utterance was none. @returns whether the service has heard of it */
  discard(): boolean {
    const { memory } = this.#options;
    const part = this.#utterance ?? memory.lastUnanswered();
    this.#utterance = null;
    if (part === null) return false;
    memory.forget(part);
    this.#activity = this.#activity.filter((each) => each !== part);
    this.#unsent = this.#activity.flatMap(({ chunks }) => chunks ?? []);
    if (this.#heard === part) this.#heard = null;
    return this.#isActive;
  }

  /** The answer was cut off; words that nobody understood, and nobody began to answer, are said again with those that come. */
  interrupted(isBegun: boolean): void {
    if (this.#options.turns === 'ours') this.settleWords();
    const unknown = isBegun ? [] : this.#asked.filter(({ text }) => text === null);
    this.#activity = [...unknown, ...this.#activity];
    for (const part of this.#asked) part.answered = !unknown.includes(part);
    this.#asked = [];
  }

  /** What was said has its answer. */
  answered(): void {
    this.#asked = [];
    this.#options.memory.answered();
  }

  /** The connection is gone. */
  lost(): void {
    this.#isActive = false;
    this.settleWords();
  }

  /** An answer that the connection took with it is asked for again, by its question unless it has begun. */
  askAgain(isBegun: boolean): void {
    if (!isBegun) this.#activity = [...this.#asked, ...this.#activity];
    else for (const part of this.#asked) part.answered = true;
    this.#asked = [];
  }

  /** Another connection knows what was said before. */
  connected(): void {
    this.#isActive = false;
    this.#unsent = this.#activity.flatMap(({ chunks }) => chunks ?? []);
    for (const chunk of this.#recent) this.#sendSound(chunk);
  }

  /** The service detects turns itself, but says only by what comes of them where they are. */
  starts(): void {
    if (this.#heard !== null) return;
    const { memory, emit } = this.#options;
    this.#heard = memory.begin();
    this.#heard.chunks = null;
    emit({ type: 'callerStarted', utterance: this.#heard.utterance! });
  }

  stops(): void {
    const part = this.#heard;
    if (part?.utterance == null || part.ended) return;
    part.ended = true;
    this.#options.emit({ type: 'callerStopped', utterance: part.utterance });
  }

  /** More words of the caller. */
  understood(text: string, finished: boolean): void {
    if (this.#options.turns === 'service') this.starts();
    this.#words += text;
    const utterance = this.#heard?.utterance;
    if (utterance == null) return;
    if (finished) this.settleWords();
    else if (this.#words.trim() !== '') {
      this.#options.emit({ type: 'callerTranscript', utterance, text: this.#words.trim(), final: false });
    }
  }

  /** No more words of an utterance will come; without any, only the end of its answer tells that there are none. */
  settleWords(isAll = false): void {
    const part = this.#heard;
    const text = this.#words.trim();
    this.#heard = null;
    this.#words = '';
    if (part === null || part.utterance === null || part.text !== null) return;
    if (text === '' && !isAll) return;
    this.#options.memory.understood(part, text);
    this.#options.emit({ type: 'callerTranscript', utterance: part.utterance, text, final: true });
  }

  /** Seconds of sound that were sent since this was asked last. */
  takeSentSeconds(): number {
    const seconds = this.#sentBytes / 2 / GEMINI_RATES.caller;
    this.#sentBytes = 0;
    return seconds;
  }
}
