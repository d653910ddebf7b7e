/** Loss and lateness of a received RTP stream, from nothing but its headers and the clock (RFC 3550 numbering). */

/** A frame is late when it comes more than this much later after its predecessor than their timestamps say. */
export const LATE_MS = 10;
const TIMESTAMPS_PER_MS = 48;
const FRAME_MS = 20;
/** An agent that pauses for longer has ended what it said; a shorter pause cut it off in the middle. */
const PAUSE_MS = 1_000;

export interface ArrivalReport {
  received: number;
  /** Never came, between the first and the last that did. */
  lost: number;
  /** Came twice, or after a later one. */
  disordered: number;
  /** Later than LATE_MS by more than this process's own lag explains. */
  late: number;
  /** Later than LATE_MS, this process's own lag included: more than 30 ms after the frame before, for frames of 20 ms. */
  lateSeen: number;
  /** Greatest lateness, ms, own lag included. */
  worstMs: number;
}

export class Arrivals {
  #received = 0;
  #disordered = 0;
  #late = 0;
  #lateSeen = 0;
  #worstMs = 0;
  #first = 0;
  /** Extended by the wraps so far. */
  #highest = 0;
  #timestamp = 0;
  #atMs = 0;

  /**
   * @param marker the frame begins a spurt: after a pause it is measured against none before it, else by the hole that
   *   it comes after, which its timestamp hides
   * @param ownLagMs most that this frame may have waited unread in this process
   * @returns frames missing just before this one; negative when it is out of order or came twice
   */
  take(sequenceNumber: number, timestamp: number, nowMs: number, marker = false, ownLagMs = 0): number {
    if (this.#received === 0) {
      this.#received = 1;
      this.#first = sequenceNumber;
      this.#highest = sequenceNumber;
      this.#timestamp = timestamp;
      this.#atMs = nowMs;
      return 0;
    }
    const step = ((sequenceNumber - this.#highest) << 16) >> 16;
    if (step <= 0) {
      this.#disordered++;
      return -1;
    }
    this.#received++;
    this.#highest += step;
    const dueMs = this.#atMs + ((timestamp - this.#timestamp) | 0) / TIMESTAMPS_PER_MS;
    const holeMs = nowMs - this.#atMs - FRAME_MS;
    const lateMs = marker ? (holeMs > PAUSE_MS ? 0 : holeMs) : nowMs - dueMs;
    if (lateMs > LATE_MS) this.#lateSeen++;
    if (lateMs - ownLagMs > LATE_MS) this.#late++;
    this.#worstMs = Math.max(this.#worstMs, lateMs);
    this.#timestamp = timestamp;
    this.#atMs = nowMs;
    return step - 1;
  }

  report(): ArrivalReport {
    const expected = this.#received === 0 ? 0 : this.#highest - this.#first + 1;
    return {
      received: this.#received,
      lost: expected - this.#received,
      disordered: this.#disordered,
      late: this.#late,
      lateSeen: this.#lateSeen,
      worstMs: this.#worstMs,
    };
  }
}
