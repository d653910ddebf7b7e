/**
 * Whether a caller speaks, by the levels of its packets, for people who look at a list of names. Owns the hang-over; how
 * often it is told is the room's.
 */
import type { Clock, Timer } from '../clock.ts';
import type { AudioLevel } from './uplink-tap.ts';

export interface SpeakingOptions {
  clock: Clock;
  onChange: (speaking: boolean) => void;
}

/** Louder than a quiet room. The same as AudioLevelObserver is given for participants at other POPs. */
export const SPEAKING_DBOV = -50;
/** So much loud sound begins it; a click is shorter. */
const ONSET_MS = 60;
/** Pauses between words are shorter. */
const HANG_OVER_MS = 500;

export class Speaking {
  readonly #options: SpeakingOptions;
  #speaking = false;
  #loudMs = 0;
  #lastLoudAtMs = 0;
  #timer: Timer | null = null;

  constructor(options: SpeakingOptions) {
    this.#options = options;
  }

  get now(): boolean {
    return this.#speaking;
  }

  heard({ dbov, voice, atMs, durationMs }: Readonly<AudioLevel>): void {
    if (dbov < SPEAKING_DBOV || !(voice || this.#speaking)) {
      this.#loudMs = 0;
      return;
    }
    this.#loudMs += durationMs;
    this.#lastLoudAtMs = atMs;
    if (this.#speaking || this.#loudMs < ONSET_MS) return;
    this.#set(true);
    this.#waitForQuiet();
  }

  /** Nothing is heard of it any more. Idempotent. */
  silence(): void {
    this.#timer?.cancel();
    this.#timer = null;
    this.#loudMs = 0;
    this.#set(false);
  }

  #waitForQuiet(): void {
    const { clock } = this.#options;
    const restMs = this.#lastLoudAtMs + HANG_OVER_MS - clock.now();
    if (restMs <= 0) this.silence();
    else this.#timer = clock.setTimeout(() => this.#waitForQuiet(), restMs);
  }

  #set(speaking: boolean): void {
    if (this.#speaking === speaking) return;
    this.#speaking = speaking;
    this.#options.onChange(speaking);
  }
}
