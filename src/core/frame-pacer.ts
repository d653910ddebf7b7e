/**
 * When the next 20 ms frame of a voice may leave and which RTP timestamp it bears. Pure arithmetic on times that it is
 * given; owns no timer, no audio.
 *
 * Frames of a spurt are due 20 ms apart. A source that speaks in real time (an echo, a slow synthesizer) jitters, and
 * its first frame may have been a late one, so a frame that has just been made may leave up to LEAD_MS before it is
 * due: without that every later frame would wait for as long as the first was late. A source that runs dry for longer
 * than GRACE_MS begins a new spurt: timestamps advance by the silence, so that they follow the node's clock.
 */
import { OPUS_FRAME_TIMESTAMP_STEP } from '../backbone/index.ts';
import { TICK_PERIOD_MS } from './node-clock.ts';

/** How far before its time a frame that was made this instant may leave. */
export const LEAD_MS = TICK_PERIOD_MS;
/** How late a frame may be and still belong to the running spurt. */
export const GRACE_MS = 3 * TICK_PERIOD_MS;
/**
 * A source in real time whose clock is fast would use up the lead and then wait ever longer; while it leads, the
 * schedule moves towards it by this much a frame (0.1 %, more than any sound clock is off).
 */
const CREEP_MS = TICK_PERIOD_MS / 1_000;
/** A tick is placed at the time that a frame is due, to within the rounding of both. */
const ROUNDING_MS = 0.001;

export class FramePacer {
  /** 48 kHz, unwrapped: grows past 2^32. */
  #timestamp: number;
  #dueMs = Number.NEGATIVE_INFINITY;
  #anchorMs: number | null = null;
  #anchorTimestamp: number;

  /** @param timestamp of the first frame, 32 bits */
  constructor(timestamp: number) {
    this.#timestamp = timestamp;
    this.#anchorTimestamp = timestamp;
  }

  /** Timestamp that the next frame bears if it belongs to the running spurt: just after the last one. */
  get timestamp(): number {
    return this.#timestamp;
  }

  /** When the next frame is due; long past in silence. */
  get dueMs(): number {
    return this.#dueMs;
  }

  /** Whether a frame sent now would begin a spurt. */
  startsSpurt(nowMs: number): boolean {
    return nowMs - this.#dueMs > GRACE_MS;
  }

  /** Whether a frame that has waited may leave. */
  isDue(nowMs: number): boolean {
    return nowMs >= this.#dueMs - ROUNDING_MS;
  }

  /** Whether a frame that was made this instant may leave. */
  mayLead(nowMs: number): boolean {
    return nowMs >= this.#dueMs - LEAD_MS;
  }

  /** The running spurt goes on then, and not before: its timestamps know nothing of the time between. */
  goOnAt(dueMs: number): void {
    this.#dueMs = dueMs;
  }

  /** Take the timestamp of the frame that leaves now (unwrapped). */
  take(nowMs: number): number {
    if (this.startsSpurt(nowMs)) {
      if (this.#anchorMs === null) this.#anchorMs = nowMs;
      const frames = Math.round((nowMs - this.#anchorMs) / TICK_PERIOD_MS);
      this.#timestamp = Math.max(this.#timestamp, this.#anchorTimestamp + frames * OPUS_FRAME_TIMESTAMP_STEP);
      this.#dueMs = nowMs;
    } else if (this.#dueMs - nowMs > LEAD_MS / 2) {
      this.#dueMs -= CREEP_MS;
    }
    const timestamp = this.#timestamp;
    this.#timestamp += OPUS_FRAME_TIMESTAMP_STEP;
    this.#dueMs += TICK_PERIOD_MS;
    return timestamp;
  }
}
