/**
 * Watches whether a caller's media comes about, and whether one that is gone comes back, and calls time when it does
 * not. Owns the two timers; what the media does is told to it.
 */
import type { Clock, Timer } from '../clock.ts';
import type { CallerMedia } from './caller-media.ts';
import type { EdgeMetrics } from './edge-metrics.ts';

export interface MediaWatchOptions {
  /** The caller's media must be up by then, at the start and after a renewal. */
  mediaConnectTimeoutMs: number;
  /** A caller whose media is gone may come back within this time. */
  resumeWindowMs: number;
  clock: Clock;
  metrics: EdgeMetrics;
  /** Time is up, for a reason in words for people. */
  onTimeout: (reason: string) => void;
}

export class MediaWatch {
  readonly #options: MediaWatchOptions;
  #connectTimer: Timer | null = null;
  #lostTimer: Timer | null = null;
  #deadCounted = false;

  constructor(options: MediaWatchOptions) {
    this.#options = options;
  }

  /** New transports were or are being offered. */
  awaitConnection(): void {
    const { clock, metrics, mediaConnectTimeoutMs, onTimeout } = this.#options;
    this.close();
    this.#deadCounted = false;
    this.#connectTimer = clock.setTimeout(() => {
      metrics.mediaFailures.inc({ reason: 'timeout' });
      onTimeout(`The caller's media did not connect in ${mediaConnectTimeoutMs / 1_000} s.`);
    }, mediaConnectTimeoutMs);
  }

  /** The transports of this caller changed their state. */
  observe(media: Pick<CallerMedia, 'connected' | 'lost' | 'dead'>): void {
    if (media.connected) this.close();
    else if (media.lost) {
      if (media.dead && this.#connectTimer && !this.#deadCounted) {
        this.#deadCounted = true;
        this.#options.metrics.mediaFailures.inc({ reason: 'dtls' });
      }
      this.lost();
    }
  }

  /** The caller's media is gone; the time to come back runs from the first call. */
  lost(): void {
    const { clock, resumeWindowMs, onTimeout } = this.#options;
    this.#lostTimer ??= clock.setTimeout(
      () => onTimeout("The caller's media was lost and did not come back."),
      resumeWindowMs,
    );
  }

  /** Waits for nothing. Idempotent. */
  close(): void {
    this.#connectTimer?.cancel();
    this.#connectTimer = null;
    this.#lostTimer?.cancel();
    this.#lostTimer = null;
  }
}
