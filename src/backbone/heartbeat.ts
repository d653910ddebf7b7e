/**
 * Beats of one side of a control channel: asks the peer at a fixed interval, measures the round trip, and tells when
 * the peer has been silent for too long. Owns no socket.
 */
import type { Clock, Timer } from '../clock.ts';
import { RecentRtt, type RttSpread } from './recent-rtt.ts';
import { type Silence, Suspicion } from './suspicion.ts';

export interface HeartbeatOptions {
  clock: Clock;
  intervalMs: number;
  /** Silence that makes a peer count as gone; noticed at the next beat. */
  timeoutMs: number;
  /** Silence that makes it suspected, at the least; more where the path is slow. @defaultValue timeoutMs */
  suspectAfterMs?: number;
  ping(beat: number): void;
  onTimeout(): void;
  onSilence?(silence: Silence): void;
}

/** Weight of a new round trip in the smoothed one: 1/8, as TCP's (RFC 6298). */
const SMOOTHING = 0.125;
/** And of its distance from that in the smoothed deviation: 1/4, likewise. */
const DEVIATION_SMOOTHING = 0.25;
/** Beats whose answer is still waited for. */
const MAX_UNANSWERED = 32;

export class Heartbeat {
  readonly #options: HeartbeatOptions;
  readonly #sentAt = new Map<number, number>();
  #beat = 0;
  #silentBeats = 0;
  #heard = true;
  #smoothedMs: number | null = null;
  #deviationMs = 0;
  #minMs: number | null = null;
  readonly #recent = new RecentRtt();
  readonly #suspicion: Suspicion | null;
  #timer: Timer;
  #closed = false;

  constructor(options: HeartbeatOptions) {
    this.#options = options;
    const { clock, intervalMs, timeoutMs, suspectAfterMs, onSilence } = options;
    this.#suspicion =
      suspectAfterMs === undefined || onSilence === undefined
        ? null
        : new Suspicion({
            ...{ clock, intervalMs, timeoutMs, suspectAfterMs },
            path: () =>
              this.#smoothedMs === null ? null : { rttMs: this.#smoothedMs, deviationMs: this.#deviationMs },
            onChange: onSilence,
          });
    this.#timer = options.clock.setTimeout(() => this.#tick(), options.intervalMs);
    this.#ping();
  }

  /** Smoothed round trip, or null before the first answer. */
  get rttMs(): number | null {
    return this.#smoothedMs;
  }

  /** Shortest round trip of this connection: the path without the waiting in either process. */
  get minRttMs(): number | null {
    return this.#minMs;
  }

  /** How the last round trips are spread; null before there are enough. */
  get spread(): RttSpread | null {
    return this.#recent.spread;
  }

  /** Anything came from the peer. */
  heard(): void {
    this.#heard = true;
    this.#suspicion?.heard();
  }

  /** The peer has been silent for so long that it may be gone. */
  get suspected(): boolean {
    return this.#suspicion?.suspected ?? false;
  }

  /** The peer answered `beat`; false when it was never asked, or answered before. */
  pong(beat: number): boolean {
    const sentAtMs = this.#sentAt.get(beat);
    if (sentAtMs === undefined) return false;
    this.#sentAt.delete(beat);
    const rttMs = this.#options.clock.now() - sentAtMs;
    if (this.#smoothedMs === null) {
      this.#smoothedMs = rttMs;
      this.#deviationMs = rttMs / 2;
    } else {
      this.#deviationMs += DEVIATION_SMOOTHING * (Math.abs(rttMs - this.#smoothedMs) - this.#deviationMs);
      this.#smoothedMs += SMOOTHING * (rttMs - this.#smoothedMs);
    }
    this.#minMs = this.#minMs === null ? rttMs : Math.min(this.#minMs, rttMs);
    this.#recent.add(rttMs);
    return true;
  }

  /** Idempotent. */
  close(): void {
    this.#closed = true;
    this.#timer.cancel();
    this.#suspicion?.close();
    this.#sentAt.clear();
  }

  /**
   * Silence is counted in beats and not read off the clock: a process that was itself stalled for seconds finds what
   * the peer said meanwhile in its socket before the next beat, and must not take the peer for gone.
   */
  #tick(): void {
    this.#silentBeats = this.#heard ? 0 : this.#silentBeats + 1;
    this.#heard = false;
    if (this.#silentBeats * this.#options.intervalMs >= this.#options.timeoutMs) {
      this.close();
      this.#options.onTimeout();
      return;
    }
    this.#timer = this.#options.clock.setTimeout(() => this.#tick(), this.#options.intervalMs);
    this.#ping();
  }

  #ping(): void {
    this.#beat += 1;
    this.#sentAt.set(this.#beat, this.#options.clock.now());
    if (this.#sentAt.size > MAX_UNANSWERED) this.#sentAt.delete(this.#beat - MAX_UNANSWERED);
    if (!this.#closed) this.#options.ping(this.#beat);
  }
}
