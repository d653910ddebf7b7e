/**
 * The certain end of a turn that waits because somebody else in the room speaks already: they are heard first, and when
 * they said nothing the end is one. Bookkeeping on stream positions; decides nothing of turns.
 */
import { EAR_SAMPLE_RATE } from '../types.ts';

/** So much of the next one without speech says that there is none. */
const LISTEN_MS = 500;

export class HeldEnd {
  #by: string | null = null;
  /** Where the one who is heard now began to be. */
  #passedAt = Number.NEGATIVE_INFINITY;

  /** Somebody else is heard from `position` (samples) on. */
  passed(position: number): void {
    this.#passedAt = position;
  }

  /** Whether too little is known at `position` of the one who is heard. */
  isListening(position: number): boolean {
    return position - this.#passedAt < (LISTEN_MS * EAR_SAMPLE_RATE) / 1_000;
  }

  /** The turn has certainly ended, as `by` decided; null: it goes on, or another one began. */
  wait(by: string | null): void {
    this.#by = by;
  }

  /** Who decided, once; null when nothing waits. */
  take(): string | null {
    const by = this.#by;
    this.#by = null;
    return by;
  }
}
