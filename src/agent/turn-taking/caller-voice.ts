/**
 * What voice activity told of the caller so far, as turns need it: the last window, where the turn that is listened to
 * began, and how much voice it holds. Bookkeeping on stream positions; decides nothing.
 */
import type { VoiceFrame } from '../frames.ts';
import { EAR_SAMPLE_RATE } from '../types.ts';

export class CallerVoice {
  #last: VoiceFrame | null = null;
  #turnStart = 0;
  #turnVoicedMs = 0;
  #spentSegment = 0;
  #ignoredUntil = 0;

  /** The last window; null before the first. */
  get last(): VoiceFrame | null {
    return this.#last;
  }

  /** Position where the turn began that was marked last. */
  get turnStart(): number {
    return this.#turnStart;
  }

  /** Voiced milliseconds in it. */
  get turnVoicedMs(): number {
    return this.#turnVoicedMs;
  }

  /** @param isTurn the window belongs to the turn */
  heard(frame: VoiceFrame, isTurn: boolean): void {
    const before = this.#last?.position ?? 0;
    this.#last = frame;
    if (isTurn && frame.silentMs === 0) this.#turnVoicedMs += toMs(frame.position - before);
  }

  /** A turn begins with the present stretch of speech; `carriesOn`: its voice adds to that of the turn before. */
  markStart(carriesOn: boolean): void {
    this.#turnStart = Math.max(this.#last?.segmentStart ?? 0, this.#ignoredUntil);
    this.#turnVoicedMs = Math.max(carriesOn ? this.#turnVoicedMs : 0, this.#last?.voicedMs ?? 0);
  }

  /** Milliseconds from the beginning of the turn to the end of a window. */
  turnMsAt(frame: VoiceFrame): number {
    return toMs(frame.position - this.#turnStart);
  }

  /** Speech that goes on over the end of its turn is no speech any more: it must not interrupt the answer to itself. */
  spend(): void {
    if (this.#last?.speaking) this.#spentSegment = this.#last.segment;
  }

  isSpent({ segment }: VoiceFrame): boolean {
    return segment === this.#spentSegment;
  }

  /** Nothing up to the last window is a turn's. */
  ignorePast(): void {
    this.#ignoredUntil = this.#last?.position ?? 0;
  }
}

function toMs(samples: number): number {
  return (samples * 1_000) / EAR_SAMPLE_RATE;
}
