/**
 * How late the mouth's frames arrive, against the schedule that they set themselves: in what is said at one go, frame n
 * is due n x 20 ms after frame 0, and the most punctual frame so far says when frame 0 was due. A stall in mid-speech so
 * counts in full, whatever timestamp the sender gave to what came after it. Only a pause of a second begins anew.
 */
const FRAME_MS = 20;
const PAUSE_MS = 1_000;

export class FrameLateness {
  #received = 0;
  #disordered = 0;
  #first = 0;
  #last = 0;
  #atMs = Number.NEGATIVE_INFINITY;
  /** Arrival less schedule of the most punctual frame. */
  #baseMs = 0;

  /**
   * @param number of the frame, counted on without a hole
   * @returns how late it is, ms; null when it came twice or after a later one
   */
  take(number: number, atMs: number): number | null {
    if (this.#received > 0 && number <= this.#last) {
      this.#disordered += 1;
      return null;
    }
    if (this.#received === 0) this.#first = number;
    const offsetMs = atMs - number * FRAME_MS;
    const begins = atMs - this.#atMs > PAUSE_MS;
    this.#baseMs = begins ? offsetMs : Math.min(this.#baseMs, offsetMs);
    this.#received += 1;
    this.#last = number;
    this.#atMs = atMs;
    return offsetMs - this.#baseMs;
  }

  get received(): number {
    return this.#received;
  }

  get disordered(): number {
    return this.#disordered;
  }

  /** Never came, between the first and the last that did. */
  get lost(): number {
    return this.#received === 0 ? 0 : this.#last - this.#first + 1 - this.#received;
  }
}
