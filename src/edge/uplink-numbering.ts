/**
 * Turns the numbers that a caller's packets carry into our own: one packet number that never goes back and one
 * timestamp line, across changes of SSRC, restarts of the client and jumps that no network makes. Owns the arithmetic
 * alone; what was seen before is the ring's to say.
 */
import { OPUS_CLOCK_RATE, OPUS_FRAME_TIMESTAMP_STEP, seqDelta, tsDelta } from '../backbone/index.ts';

/** A jump ahead beyond this is a restart, not loss (RFC 3550 A.1, MAX_DROPOUT). */
const MAX_DROPOUT_PACKETS = 3_000;
/** A jump back beyond this is a restart, not reordering. */
const MAX_MISORDER_PACKETS = 1_000;
/** How far a caller's timestamps may run from the time that passed before we go by our clock. */
const MAX_TIMESTAMP_STRAY_MS = 10_000;
const TICKS_PER_MS = OPUS_CLOCK_RATE / 1_000;

export class UplinkNumbering {
  /** Our number of the packet that `accept` took last. */
  number = 0;
  /** Our timestamp of it, 32 bits. */
  timestamp: number;
  /** Times that a caller's numbering was joined to ours anew, the first included. */
  segments = 0;

  #ssrc = -1;
  #highestSeq = 0;
  #highestNumber: number;
  /** First number of the present joint: what is older belongs to a line that can't be told any more. */
  #anchorNumber = 0;
  #timestampOffset = 0;
  #lastSourceTimestamp = 0;
  #lastTimestamp: number;
  #lastAtMs = 0;

  /**
   * @param firstNumber number of the first packet, at least 1
   * @param firstTimestamp timestamp of the first packet, 32 bits
   */
  constructor(firstNumber: number, firstTimestamp: number) {
    this.#highestNumber = firstNumber - 1;
    this.#lastTimestamp = firstTimestamp;
    this.timestamp = firstTimestamp;
  }

  /**
   * Places a packet and sets `number` and `timestamp`. A packet that is lost leaves a hole in the numbers, one that
   * comes late gets the number of its hole.
   * @returns false when the packet is from before the present joint and has no place
   */
  accept(ssrc: number, seq: number, timestamp: number, nowMs: number): boolean {
    const delta = seqDelta(seq, this.#highestSeq);
    if (ssrc !== this.#ssrc || delta > MAX_DROPOUT_PACKETS || delta < -MAX_MISORDER_PACKETS) {
      this.#join(this.#highestNumber + 1, timestamp, nowMs);
      this.#ssrc = ssrc;
    } else if (delta > 0) {
      const number = this.#highestNumber + delta;
      const step = tsDelta(timestamp, this.#lastSourceTimestamp);
      const strayMs = Math.abs(step / TICKS_PER_MS - (nowMs - this.#lastAtMs));
      if (step <= 0 || strayMs > MAX_TIMESTAMP_STRAY_MS) this.#join(number, timestamp, nowMs);
      else this.#place(number, timestamp);
    } else {
      const number = this.#highestNumber + delta;
      if (number < this.#anchorNumber) return false;
      this.#place(number, timestamp);
      return true;
    }
    this.#highestSeq = seq;
    this.#highestNumber = this.number;
    this.#lastSourceTimestamp = timestamp;
    this.#lastTimestamp = this.timestamp;
    this.#lastAtMs = nowMs;
    return true;
  }

  #place(number: number, timestamp: number): void {
    this.number = number;
    this.timestamp = (timestamp + this.#timestampOffset) >>> 0;
  }

  /** Joins a new numbering to ours: the timestamp goes on by the time that passed, in whole frames and at least one. */
  #join(number: number, timestamp: number, nowMs: number): void {
    let target = this.#lastTimestamp;
    if (this.segments > 0) {
      const frames = Math.round(((nowMs - this.#lastAtMs) * TICKS_PER_MS) / OPUS_FRAME_TIMESTAMP_STEP);
      target += Math.max(1, frames) * OPUS_FRAME_TIMESTAMP_STEP;
    }
    this.segments += 1;
    this.#anchorNumber = number;
    this.#timestampOffset = (target - timestamp) | 0;
    this.#place(number, timestamp);
  }
}
