/**
 * Maps the mouth's timestamps onto the one line that the caller hears. Within a spurt of talk the mouth's spacing is
 * kept as it is; a new spurt, core or numbering is laid where the POP's own clock stands. Since the line is tied to the
 * clock from its origin on, not from spurt to spurt, a core whose clock runs differently never carries the line away.
 */
import { OPUS_CLOCK_RATE, OPUS_FRAME_TIMESTAMP_STEP, tsDelta } from '../backbone/index.ts';
import { PLAYING_GAP_MS } from './played-position.ts';

const TICKS_PER_MS = OPUS_CLOCK_RATE / 1_000;
/** After a gap the mouth's own spacing still stands if it is this near to our clock (jitter, a few lost frames). */
const SPACING_TOLERANCE_TICKS = 2 * OPUS_FRAME_TIMESTAMP_STEP;
/** A step this much longer than the time that passed is another numbering, not silence. */
const MAX_STEP_AHEAD_TICKS = OPUS_CLOCK_RATE;

export class DownlinkTimeline {
  /** Set by `place`: timestamp for the caller, 32 bits. */
  timestamp = 0;
  /** Set by `place`: whether this frame opens a spurt. */
  opensSpurt = false;

  /** Timestamps below run on past 32 bits: a double counts ticks exactly for thousands of years. */
  readonly #originTicks: number;
  #originMs = 0;
  #placed = false;
  #lastTicks = 0;
  #lastMouthTimestamp = 0;
  #lastAtMs = 0;
  #renumbered = true;

  /** @param firstTimestamp where the line begins, 32 bits */
  constructor(firstTimestamp: number) {
    this.#originTicks = firstTimestamp;
  }

  /** The next frame's timestamp has nothing to do with those before (another epoch). */
  renumber(): void {
    this.#renumbered = true;
  }

  /** Places the frame with the mouth's `mouthTimestamp`, written at `nowMs`. */
  place(mouthTimestamp: number, nowMs: number): void {
    const sinceLastMs = nowMs - this.#lastAtMs;
    const step = tsDelta(mouthTimestamp, this.#lastMouthTimestamp);
    const unrelated =
      this.#renumbered || step <= 0 || step - sinceLastMs * TICKS_PER_MS > MAX_STEP_AHEAD_TICKS || !this.#placed;
    this.opensSpurt = unrelated || sinceLastMs > PLAYING_GAP_MS;
    let ticks = this.#lastTicks + step;
    if (!this.#placed) {
      this.#placed = true;
      this.#originMs = nowMs;
      ticks = this.#originTicks;
    } else if (this.opensSpurt) {
      const clockTicks = this.#originTicks + (nowMs - this.#originMs) * TICKS_PER_MS;
      if (unrelated || Math.abs(clockTicks - ticks) > SPACING_TOLERANCE_TICKS) {
        const frames = Math.round((clockTicks - this.#lastTicks) / OPUS_FRAME_TIMESTAMP_STEP);
        ticks = this.#lastTicks + Math.max(1, frames) * OPUS_FRAME_TIMESTAMP_STEP;
      }
    }
    this.#renumbered = false;
    this.#lastTicks = ticks;
    this.#lastMouthTimestamp = mouthTimestamp;
    this.#lastAtMs = nowMs;
    this.timestamp = ticks % 0x1_0000_0000;
  }
}
