/**
 * What a caller says and when: turns of numbered words, each after the answer to the one before. Decides by what is heard
 * and by time alone; sends nothing. A turn waits while the media is gone, and the word that was cut by it is said again.
 */
import { ANSWER_WORDS, TURN_WORDS } from '../services/brain.ts';
import { WORDS } from '../words/number-sound.ts';
import type { SpokenPackets } from '../words/spoken-packets.ts';
import type { AgentWord, CallLog } from './call-log.ts';

/** After the last word of an answer, at least and at most. */
const PAUSE_MS = { least: 300, most: 900 } as const;
/** A turn without any word of an answer for so long is given up, and so is an answer that has ceased. */
const PATIENCE_MS = 6_000;
/** Less is the edge of a sound. */
const LEAST_MS = 60;

export interface SpeakingOptions {
  packets: SpokenPackets;
  log: CallLog;
  /** 0..1, seeded. */
  random(): number;
}

interface SayingWord {
  readonly number: number;
  next: number;
}

export class Speaking {
  readonly #options: SpeakingOptions;
  #nextWord = 1;
  /** Of the turn that is being said: what is left of it. */
  #saying: SayingWord[] = [];
  #turnFromMs: number | null = null;
  /** When the next turn begins; null while an answer is awaited. */
  #beginsAtMs: number | null = null;
  /** When an answer was last heard of, or the turn ended. */
  #lastSoundMs = 0;
  #answered = false;
  #isLast = false;

  constructor(options: SpeakingOptions) {
    this.#options = options;
  }

  /** Turns that were said and answered. */
  turnsDone = 0;

  begin(nowMs: number): void {
    this.#beginsAtMs = nowMs + this.#pauseMs();
  }

  /** Say no other turn; `isOver` follows. */
  finish(): void {
    this.#isLast = true;
  }

  /** The last turn was said, and was answered or given up. */
  get isOver(): boolean {
    return this.#isLast && this.#saying.length === 0 && this.#beginsAtMs !== null;
  }

  /** The packet of this moment; null is silence. */
  packet(nowMs: number): Buffer | null {
    if (this.#saying.length === 0) this.#next(nowMs);
    const word = this.#saying[0];
    if (word === undefined) return null;
    this.#turnFromMs ??= nowMs;
    const packets = this.#options.packets.of(word.number);
    const packet = packets[word.next]!;
    word.next += 1;
    if (word.next === packets.length) this.#said(word.number, nowMs);
    return packet;
  }

  heard(word: AgentWord, nowMs: number): void {
    if (word.ms < LEAST_MS) return;
    this.#lastSoundMs = nowMs;
    if (this.#saying.length > 0 || this.#beginsAtMs !== null) return;
    this.#answered = true;
    if (word.number !== null && word.number % ANSWER_WORDS === 0) this.#over(nowMs);
  }

  /** The media is gone: the word that was being said is said anew, by the next. */
  interrupted(): void {
    const word = this.#saying[0];
    if (word !== undefined) word.next = 0;
  }

  /** The media is back: nothing was to be heard meanwhile. */
  resumed(nowMs: number): void {
    this.#lastSoundMs = Math.max(this.#lastSoundMs, nowMs);
  }

  #next(nowMs: number): void {
    if (this.#beginsAtMs === null) {
      if (nowMs - this.#lastSoundMs < PATIENCE_MS) return;
      this.#options.log.unanswered.push(this.#nextWord - 1);
      this.#over(nowMs);
      return;
    }
    if (this.#isLast || nowMs < this.#beginsAtMs || this.#nextWord + TURN_WORDS > WORDS) return;
    this.#beginsAtMs = null;
    this.#answered = false;
    for (let word = 0; word < TURN_WORDS; word++) this.#saying.push({ number: this.#nextWord++, next: 0 });
  }

  #said(number: number, nowMs: number): void {
    const { log } = this.#options;
    log.said.push({ number, atMs: nowMs });
    this.#saying.shift();
    if (this.#saying.length > 0) return;
    log.turns.push({ fromMs: this.#turnFromMs!, toMs: nowMs, lastWord: number });
    this.#turnFromMs = null;
    this.#lastSoundMs = nowMs;
  }

  #over(nowMs: number): void {
    if (this.#answered) this.turnsDone += 1;
    this.#beginsAtMs = nowMs + this.#pauseMs();
  }

  #pauseMs(): number {
    return PAUSE_MS.least + this.#options.random() * (PAUSE_MS.most - PAUSE_MS.least);
  }
}
