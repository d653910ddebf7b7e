/**
 * The beat of all microphones of a process: calls every listener once per 10 ms on a grid that does not drift, and
 * keeps account of how late it was, which tells whether this process still measures its calls or itself.
 */
import type { Clock, Timer } from '../clock.ts';
import { MICROPHONE_FRAME_MS } from './clip.ts';

/** After a longer stall the beats that were missed are dropped: a burst of them would only be queued elsewhere. */
const MAX_CATCH_UP_FRAMES = 20;
/** Lateness is counted in bins of this many milliseconds... */
const BIN_MS = 0.25;
/** ...up to this many milliseconds; the last bin holds everything beyond. */
const MAX_BIN_MS = 250;

export class FramePacer {
  readonly #clock: Clock;
  readonly #listeners = new Set<(dueAtMs: number) => void>();
  #timer: Timer | null = null;
  #nextDueMs = 0;
  #beats = 0;
  readonly #lateBins = new Uint32Array(MAX_BIN_MS / BIN_MS + 1);

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Call `listener` on every beat until the returned function is called. The first one starts the grid. */
  add(listener: (dueAtMs: number) => void): () => void {
    this.#listeners.add(listener);
    if (!this.#timer) {
      this.#nextDueMs = this.#clock.now() + MICROPHONE_FRAME_MS;
      this.#arm();
    }
    return () => {
      this.#listeners.delete(listener);
      if (this.#listeners.size > 0) return;
      this.#timer?.cancel();
      this.#timer = null;
    };
  }

  /** Milliseconds of lateness that `share` (0..1) of all beats stayed within; null before the first beat. */
  latenessMs(share: number): number | null {
    if (this.#beats === 0) return null;
    let seen = 0;
    for (let bin = 0; bin < this.#lateBins.length; bin++) {
      seen += this.#lateBins[bin]!;
      if (seen >= share * this.#beats) return (bin + 1) * BIN_MS;
    }
    return MAX_BIN_MS;
  }

  #arm(): void {
    const delayMs = Math.max(0, this.#nextDueMs - this.#clock.now());
    this.#timer = this.#clock.setTimeout(() => this.#beat(), delayMs);
  }

  #beat(): void {
    const now = this.#clock.now();
    if (now - this.#nextDueMs > MAX_CATCH_UP_FRAMES * MICROPHONE_FRAME_MS) {
      this.#count(now - this.#nextDueMs);
      this.#nextDueMs = now;
    }
    while (this.#nextDueMs <= now) {
      this.#count(now - this.#nextDueMs);
      for (const listener of this.#listeners) listener(this.#nextDueMs);
      this.#nextDueMs += MICROPHONE_FRAME_MS;
    }
    if (this.#listeners.size > 0) this.#arm();
    else this.#timer = null;
  }

  #count(lateMs: number): void {
    this.#beats++;
    const bin = Math.min(this.#lateBins.length - 1, Math.floor(lateMs / BIN_MS));
    this.#lateBins[bin] = this.#lateBins[bin]! + 1;
  }
}
