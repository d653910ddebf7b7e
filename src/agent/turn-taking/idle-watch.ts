/** Counts how long nobody has said anything, and what the caller is told then. Owns a timer and no turn. */
import type { Clock, Timer } from '../../clock.ts';

export interface IdleOptions {
  /** Silence of both sides after which the caller is asked, and asked again. */
  afterMs: number;
  /** Said in turn, one each time. */
  prompts: readonly string[];
  /** Said when the last prompt was not answered either; then the call ends. */
  goodbye: string;
}

export const IDLE_DEFAULTS = {
  afterMs: 20_000,
  prompts: ['Are you still there?'],
  goodbye: 'I cannot hear you, so I hang up. Goodbye.',
} as const satisfies IdleOptions;

export interface IdleWords {
  readonly text: string;
  /** The call ends after them. */
  readonly last: boolean;
}

export class IdleWatch {
  readonly #clock: Clock;
  readonly #options: IdleOptions;
  readonly #onIdle: (words: IdleWords) => void;
  #timer: Timer | null = null;
  #prompted = 0;

  constructor(clock: Clock, options: IdleOptions, onIdle: (words: IdleWords) => void) {
    this.#clock = clock;
    this.#options = options;
    this.#onIdle = onIdle;
  }

  /** Nobody speaks and nothing is owed; or somebody does. */
  quiet(isQuiet: boolean): void {
    if (!isQuiet) {
      this.#timer?.cancel();
      this.#timer = null;
    } else {
      this.#timer ??= this.#clock.setTimeout(() => this.#fire(), this.#options.afterMs);
    }
  }

  /** The caller is there. */
  answered(): void {
    this.#prompted = 0;
  }

  #fire(): void {
    this.#timer = null;
    const prompt = this.#options.prompts[this.#prompted++];
    this.#onIdle(prompt === undefined ? { text: this.#options.goodbye, last: true } : { text: prompt, last: false });
  }

  close(): void {
    this.quiet(false);
  }
}
