/**
 * With discontinuous transmission an ear may give nothing at all while the caller is silent. Windows of silence are made
 * up then, so that turns end as they would have. Owns a timer.
 */
import type { Clock, Timer } from '../../clock.ts';
import type { VoiceFrame } from '../frames.ts';

/** An ear that has given nothing for so long is taken to have fallen silent then. */
const STALLED_AFTER_MS = 300;
const STEP_MS = 64;
/** A timer that wakes up so late tells of a process that stood still: what came meanwhile is not read yet. */
const LATE_MS = 100;

export class StalledEar {
  readonly #clock: Clock;
  readonly #onSilence: (frame: VoiceFrame) => void;
  #timer: Timer | null = null;
  #soundAtMs = Number.NEGATIVE_INFINITY;

  constructor(clock: Clock, onSilence: (frame: VoiceFrame) => void) {
    this.#clock = clock;
    this.#onSilence = onSilence;
  }

  /** The ear has given something. Sound that voice activity has not judged yet is no silence. */
  sound(): void {
    this.#soundAtMs = this.#clock.now();
  }

  /** The last real window, after which silence matters or does not. */
  heard(frame: VoiceFrame, matters: boolean): void {
    this.#timer?.cancel();
    this.#timer = matters ? this.#wait(frame, this.#clock.now(), STALLED_AFTER_MS) : null;
  }

  #wait(last: VoiceFrame, lastAtMs: number, delayMs: number): Timer {
    const dueMs = this.#clock.now() + delayMs;
    return this.#clock.setTimeout(() => {
      const nowMs = this.#clock.now();
      const soundAtMs = nowMs - dueMs > LATE_MS ? nowMs : this.#soundAtMs;
      const leftMs = soundAtMs + STALLED_AFTER_MS - nowMs;
      if (leftMs > 0) {
        this.#timer = this.#wait(last, Math.max(lastAtMs, soundAtMs), leftMs);
        return;
      }
      const silentMs = last.silentMs + this.#clock.now() - lastAtMs - STALLED_AFTER_MS;
      this.#timer = this.#wait(last, lastAtMs, STEP_MS);
      this.#onSilence({
        ...last,
        speaking: false,
        silentMs: Math.max(last.silentMs, silentMs),
        quietMs: Math.max(last.quietMs, silentMs),
      });
    }, delayMs);
  }

  close(): void {
    this.#timer?.cancel();
    this.#timer = null;
  }
}
