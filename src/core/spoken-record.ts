/**
 * What became of the utterances that began to sound: how much of each the POP's writer has played, and when each is
 * over. Owns the reading of played reports and the wait for the last one; sends nothing.
 */
import type { Heard } from '../agent/types.ts';
import { tsDelta } from '../backbone/index.ts';
import type { Clock, Timer } from '../clock.ts';
import type { Utterance } from './utterance.ts';

export interface SpokenRecordOptions {
  clock: Clock;
  /** An utterance whose end is not confirmed ends this long after its last frame or the last progress. */
  confirmTimeoutMs: number;
  /** Where the stream begins, 48 kHz. */
  firstTimestamp: number;
  onProgressed: (heard: Heard) => void;
  /** @param confirmed whether the writer played all of it */
  onEnded: (heard: Heard, confirmed: boolean) => void;
}

export class SpokenRecord {
  readonly #options: SpokenRecordOptions;
  /** Left in part or whole, and not ended; in order. */
  #sounding: Utterance[] = [];
  /** 48 kHz, unwrapped: the writer has played all before it. */
  #playedTimestamp: number;
  /** What the last flush stopped, and the timestamp before which it did. */
  #stopped: readonly Utterance[] = [];
  #stoppedBefore = Number.NEGATIVE_INFINITY;
  #timer: Timer | null = null;

  constructor(options: SpokenRecordOptions) {
    this.#options = options;
    this.#playedTimestamp = options.firstTimestamp;
  }

  /** The utterance's first frame left. */
  began(utterance: Utterance): void {
    this.#sounding.push(utterance);
  }

  /** All of the utterance left; one of which nothing did has ended with that. */
  drained(utterance: Utterance): void {
    if (utterance.sentFrames === 0) this.#sounding.push(utterance);
    this.#awaitConfirmation();
    this.#endPlayed();
  }

  /** Whether something before `timestamp` (48 kHz, unwrapped) may still be played that no flush has stopped. */
  mayStillPlay(timestamp: number): boolean {
    return Math.max(this.#playedTimestamp, this.#stoppedBefore) < timestamp;
  }

  /** The writer has played all before it, 48 kHz, unwrapped. */
  get playedTimestamp(): number {
    return this.#playedTimestamp;
  }

  /** Those that sound, which a flush is about to stop. */
  get sounding(): readonly Utterance[] {
    return this.#sounding;
  }

  /** A flush stopped these; nothing of them is played from `before` on (48 kHz, unwrapped). */
  stopped(utterances: readonly Utterance[], before: number): void {
    this.#stopped = utterances;
    this.#stoppedBefore = before;
    this.#sounding = [];
    this.#cancelTimer();
  }

  /**
   * The writer has played all before `timestamp` (32 bits).
   * @param sent timestamp just after the last frame that was sent, 48 kHz, unwrapped
   * @returns false when that was never sent
   */
  played(timestamp: number, sent: number): boolean {
    const played = sent + tsDelta(timestamp, sent % 0x1_0000_0000);
    if (played > sent) return false;
    if (played <= this.#playedTimestamp) return true;
    this.#playedTimestamp = played;
    if (played <= this.#stoppedBefore) {
      // The last word on what was flushed: how far the writer really came.
      for (const utterance of this.#stopped) utterance.played(played);
    }
    for (const utterance of [...this.#sounding]) {
      if (!utterance.ended && utterance.played(played)) this.#options.onProgressed(utterance.heard);
    }
    this.#endPlayed();
    if (this.#timer) this.#awaitConfirmation();
    return true;
  }

  /** Idempotent. */
  close(): void {
    this.#sounding = [];
    this.#stopped = [];
    this.#cancelTimer();
  }

  #endPlayed(): void {
    for (const utterance of [...this.#sounding]) {
      if (!utterance.ended && utterance.heard.complete) this.#end(utterance, true);
    }
  }

  #end(utterance: Utterance, confirmed: boolean): void {
    utterance.ended = true;
    this.#sounding = this.#sounding.filter((other) => other !== utterance);
    if (!this.#sounding.some((other) => other.drained)) this.#cancelTimer();
    this.#options.onEnded(utterance.heard, confirmed);
  }

  #awaitConfirmation(): void {
    this.#cancelTimer();
    this.#timer = this.#options.clock.setTimeout(() => {
      this.#timer = null;
      for (const utterance of [...this.#sounding]) {
        if (!utterance.ended && utterance.drained) this.#end(utterance, false);
      }
    }, this.#options.confirmTimeoutMs);
  }

  #cancelTimer(): void {
    this.#timer?.cancel();
    this.#timer = null;
  }
}
