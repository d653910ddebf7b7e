/**
 * When the silence of a peer is long enough to doubt that it lives, and when it has been heard again: sooner than it
 * counts as gone, never for a slow path, and never for a stall of this process itself. Owns one timer and no socket.
 */
import type { Clock, Timer } from '../clock.ts';

/** `uneasy`: worth a look by another way; `suspected`: it may be gone; `heard`: it was not. */
export type Silence = 'uneasy' | 'suspected' | 'heard';

/** Round trips of the path, ms, as RFC 6298 keeps them. */
export interface PathTimes {
  readonly rttMs: number;
  readonly deviationMs: number;
}

export interface SuspicionOptions {
  clock: Clock;
  /** The peer speaks at least this often. */
  intervalMs: number;
  suspectAfterMs: number;
  /** Never later than this. */
  timeoutMs: number;
  /** Null before anything was measured. */
  path(): PathTimes | null;
  onChange(silence: Silence): void;
}

/** Of the silence that makes a peer suspected. */
const UNEASY_SHARE = 0.6;
/** A timer that is this late was held up by this process. */
const STALL_MS = 50;
/** What the peer said may lie in the socket: it is read before the peer is judged. */
const READ_MS = 20;
/**
 * After a stall of our own, which may have been one of the whole machine or of both, the peer has as long again to say
 * something, and so many of its intervals at the most.
 */
const PARDON_INTERVALS = 2;

/**
 * Silence that makes a peer suspected, ms. One beat may be lost and sent again by TCP: a beat's interval each for that
 * and for the one that was just missed, and twice the longest usual round trip.
 */
export function suspectLimitMs(
  options: Pick<SuspicionOptions, 'intervalMs' | 'suspectAfterMs' | 'timeoutMs'>,
  path: PathTimes | null,
): number {
  const { intervalMs, suspectAfterMs, timeoutMs } = options;
  const slowMs = path === null ? 0 : 2 * intervalMs + 2 * (path.rttMs + 4 * path.deviationMs);
  return Math.min(timeoutMs, Math.max(suspectAfterMs, slowMs));
}

export class Suspicion {
  readonly #options: SuspicionOptions;
  #heardAtMs: number;
  #stage: 'calm' | 'uneasy' | 'suspected' = 'calm';
  /** The silence was long enough; the socket is being read once more. */
  #confirming = false;
  #timer: Timer | null = null;
  #dueMs = 0;
  #closed = false;

  constructor(options: SuspicionOptions) {
    this.#options = options;
    this.#heardAtMs = options.clock.now();
    this.#arm(this.#limitMs);
  }

  get suspected(): boolean {
    return this.#stage === 'suspected';
  }

  /** Anything came from the peer. */
  heard(): void {
    this.#heardAtMs = this.#options.clock.now();
    this.#confirming = false;
    if (this.#stage === 'calm' || this.#closed) return;
    this.#stage = 'calm';
    this.#arm(this.#limitMs);
    this.#options.onChange('heard');
  }

  /** Idempotent. */
  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
  }

  /** Until the next stage. */
  get #limitMs(): number {
    const limitMs = suspectLimitMs(this.#options, this.#options.path());
    return this.#stage === 'calm' ? limitMs * UNEASY_SHARE : limitMs;
  }

  #arm(delayMs: number): void {
    this.#timer?.cancel();
    if (this.#closed) return;
    this.#dueMs = this.#options.clock.now() + delayMs;
    this.#timer = this.#options.clock.setTimeout(() => this.#look(), delayMs);
  }

  #look(): void {
    const { clock, intervalMs, onChange } = this.#options;
    const nowMs = clock.now();
    const limitMs = this.#limitMs;
    const stallMs = nowMs - this.#dueMs;
    if (stallMs > STALL_MS) {
      const pardonedMs = nowMs - limitMs + Math.min(stallMs, PARDON_INTERVALS * intervalMs);
      this.#heardAtMs = Math.max(this.#heardAtMs, Math.min(nowMs, pardonedMs));
      this.#confirming = false;
    }
    const leftMs = this.#heardAtMs + limitMs - nowMs;
    if (leftMs > 0) {
      this.#confirming = false;
      this.#arm(leftMs);
      return;
    }
    if (!this.#confirming) {
      this.#confirming = true;
      this.#arm(READ_MS);
      return;
    }
    this.#confirming = false;
    this.#stage = this.#stage === 'calm' ? 'uneasy' : 'suspected';
    const stage = this.#stage;
    if (stage === 'uneasy') this.#arm(this.#heardAtMs + this.#limitMs - nowMs);
    onChange(stage);
  }
}
