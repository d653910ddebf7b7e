/**
 * Lets the POP silence the agent for a sound, and pauses the agent for a voice, while the service that detects turns
 * makes up its mind: its word takes a path, a model and the path back. Needs voice activity of our own in the pipeline;
 * without any, nothing is armed. Owns the pause; whether it was an interruption is the service's to say.
 */
import type { Clock, Timer } from '../../clock.ts';
import type { VoiceFrame } from '../frames.ts';
import type { Mouth } from '../types.ts';

export interface ConverseYieldOptions {
  mouth: Pick<Mouth, 'pause' | 'resume' | 'yields'>;
  clock: Clock;
}

/** So much voice pauses the agent, as in turn-taking. */
const VOICE_MS = 128;
/** A voice that is over for so long, and that the service did not take for an interruption, was none. */
const OVER_MS = 320;
/** The service says nothing of a voice that goes on: it does not mind. */
const DECIDED_WITHIN_MS = 1_200;

export class ConverseYield {
  readonly #options: ConverseYieldOptions;
  #armed = false;
  #paused = false;
  /** The stretch of voice that goes on was decided. */
  #spent = false;
  #timer: Timer | null = null;

  constructor(options: ConverseYieldOptions) {
    this.#options = options;
  }

  /** @param audible whether the agent is heard now */
  voice({ speaking, voicedMs, silentMs }: VoiceFrame, audible: boolean): void {
    const { mouth, clock } = this.#options;
    if (!this.#armed) {
      this.#armed = true;
      mouth.yields(true);
    }
    if (!speaking) this.#spent = false;
    if (this.#paused) {
      if (!speaking || silentMs >= OVER_MS) this.#resume();
      return;
    }
    if (!audible || !speaking || this.#spent || voicedMs < VOICE_MS || silentMs > 0) return;
    this.#paused = true;
    mouth.pause();
    this.#timer = clock.setTimeout(() => this.#resume(), DECIDED_WITHIN_MS);
  }

  /** The service has decided: the caller's turn, or one that began otherwise. The flush of the answer ends the pause. */
  decided(): void {
    this.#spent = true;
    if (this.#paused) this.#resume();
  }

  /** Idempotent. */
  close(): void {
    this.#timer?.cancel();
    this.#timer = null;
    this.#paused = false;
  }

  #resume(): void {
    this.#timer?.cancel();
    this.#timer = null;
    this.#paused = false;
    this.#spent = true;
    this.#options.mouth.resume();
  }
}
