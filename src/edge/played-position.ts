/**
 * Knows how far the mouth was played and says so at the right times: when playing starts, every 100 ms while it goes on
 * and when it stops. Owns the report's timing, not what is written.
 */
import { OPUS_FRAME_TIMESTAMP_STEP, tsDelta } from '../backbone/index.ts';
import type { Clock, Timer } from '../clock.ts';

/** The writer's truth, as `session.played` carries it. */
export interface Played {
  epoch: number;
  /** The mouth's RTP timestamp just after the last frame that was written, 32 bits, 48 kHz. */
  timestamp: number;
  /** Frames of this epoch written so far. */
  frames: number;
}

/** Nothing written for longer than this: playing stopped. Also what parts one spurt from the next. */
export const PLAYING_GAP_MS = 60;
const REPORT_EVERY_TICKS = 4_800;

export class PlayedPosition {
  readonly #clock: Clock;
  readonly #onPlayed: (played: Played) => void;
  #epoch = 0;
  #timestamp = 0;
  #frames = 0;
  #reported = 0;
  #playing = false;
  #lastAtMs = 0;
  #timer: Timer | null = null;

  constructor(clock: Clock, onPlayed: (played: Played) => void) {
    this.#clock = clock;
    this.#onPlayed = onPlayed;
  }

  get playing(): boolean {
    return this.#playing;
  }

  /** Null before the first frame of all. */
  get lastWrittenAtMs(): number | null {
    return this.#lastAtMs === 0 ? null : this.#lastAtMs;
  }

  /** Null before the first frame of the present epoch. */
  get current(): Played | null {
    return this.#frames > 0 ? { epoch: this.#epoch, timestamp: this.#timestamp, frames: this.#frames } : null;
  }

  /** Another epoch numbers its frames anew; what the former one played is not reported any more. */
  startEpoch(epoch: number): void {
    this.close();
    this.#epoch = epoch;
    this.#frames = 0;
  }

  /** A frame that begins at the mouth's `timestamp` was written at `nowMs`. */
  wrote(timestamp: number, nowMs: number): void {
    if (this.#playing && nowMs - this.#lastAtMs > PLAYING_GAP_MS) this.stop();
    this.#timestamp = (timestamp + OPUS_FRAME_TIMESTAMP_STEP) >>> 0;
    this.#frames += 1;
    this.#lastAtMs = nowMs;
    const started = !this.#playing;
    this.#playing = true;
    if (started || tsDelta(this.#timestamp, this.#reported) >= REPORT_EVERY_TICKS) this.#report();
    this.#timer ??= this.#clock.setTimeout(() => this.#check(), PLAYING_GAP_MS + 1);
  }

  /** Playing is over, now: reports the last position. Does nothing when nothing plays. */
  stop(): void {
    if (!this.#playing) return;
    this.close();
    this.#report();
  }

  /** Reports nothing more until a frame is written. */
  close(): void {
    this.#playing = false;
    this.#timer?.cancel();
    this.#timer = null;
  }

  /** One timer that looks now and then, instead of one for each frame. */
  #check(): void {
    const quietMs = this.#clock.now() - this.#lastAtMs;
    this.#timer = null;
    if (quietMs > PLAYING_GAP_MS) this.stop();
    else this.#timer = this.#clock.setTimeout(() => this.#check(), PLAYING_GAP_MS + 1 - quietMs);
  }

  #report(): void {
    this.#reported = this.#timestamp;
    this.#onPlayed({ epoch: this.#epoch, timestamp: this.#timestamp, frames: this.#frames });
  }
}
