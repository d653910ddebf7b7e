/**
 * The last seconds of the agent's voice as it left, for a POP that takes the place of one that was lost: what the former
 * one did not report as played is sent again, with the same timestamps and spacing. Owns the ring and the order; when a
 * packet may leave is the mouth's.
 */
import { TICK_PERIOD_MS } from './node-clock.ts';

/** A POP that falls silent is known to be away sooner than this. */
const KEPT_FRAMES = 3_000 / TICK_PERIOD_MS;
const TICKS_PER_MS = 48;

interface SentFrame {
  /** 48 kHz, unwrapped. */
  readonly timestamp: number;
  readonly packet: Buffer;
}

export class SentFrames {
  readonly #ring: SentFrame[] = [];
  #count = 0;
  /** What goes out again, in order. */
  #again: SentFrame[] = [];
  #dueMs = 0;

  /** @param packet nobody else writes to it */
  add(timestamp: number, packet: Buffer): void {
    this.#ring[this.#count % KEPT_FRAMES] = { timestamp, packet };
    this.#count += 1;
  }

  /** What was not played goes out again. @param played all before it was, 48 kHz, unwrapped @returns how many frames */
  rewind(played: number): number {
    const oldest = Math.max(0, this.#count - KEPT_FRAMES);
    const kept = Array.from({ length: this.#count - oldest }, (_, at) => this.#ring[(oldest + at) % KEPT_FRAMES]!);
    this.#again = kept.filter(({ timestamp }) => timestamp >= played);
    this.#dueMs = 0;
    return this.#again.length;
  }

  /** Whether some wait to go out again. */
  get waits(): boolean {
    return this.#again.length > 0;
  }

  /** Timestamp of the next of them, or null. */
  get timestamp(): number | null {
    return this.#again[0]?.timestamp ?? null;
  }

  /** When the next of them is due; long past before the first. */
  get dueMs(): number {
    return this.#dueMs;
  }

  /** The next of them, which leaves now. */
  take(nowMs: number): Buffer | null {
    const next = this.#again.shift();
    if (next === undefined) return null;
    const stepMs = ((this.timestamp ?? next.timestamp + TICK_PERIOD_MS * TICKS_PER_MS) - next.timestamp) / TICKS_PER_MS;
    const lateMs = nowMs - this.#dueMs;
    this.#dueMs = (lateMs > TICK_PERIOD_MS ? nowMs : this.#dueMs) + stepMs;
    return next.packet;
  }

  /** None goes out again, and what left before now never does: it was cut off. */
  forget(): void {
    this.#again = [];
    this.#ring.length = 0;
    this.#count = 0;
  }
}
