/** Sessions that have ended, kept a few minutes so that a late client and GET learn why; then forgotten. */
import type { SessionEnd } from '../agent/client-events.ts';
import type { Clock, Timer } from '../clock.ts';

/** How long an ended session can be asked about. */
export const ENDED_RETENTION_MS = 5 * 60_000;
/** Ended sessions kept at the most; the oldest go first. */
const MAX_ENDED = 5_000;

export interface EndedSessionsOptions {
  clock: Clock;
  /** Called once for each session whose time is over. */
  forget(sessionId: string): void;
}

export class EndedSessions {
  readonly #options: EndedSessionsOptions;
  /** In the order of their end. */
  readonly #ends = new Map<string, { end: SessionEnd; untilMs: number }>();
  #timer: Timer | null = null;

  constructor(options: EndedSessionsOptions) {
    this.#options = options;
  }

  has(sessionId: string): boolean {
    return this.#ends.has(sessionId);
  }

  endOf(sessionId: string): SessionEnd | null {
    return this.#ends.get(sessionId)?.end ?? null;
  }

  add(sessionId: string, end: SessionEnd): void {
    this.#ends.set(sessionId, { end, untilMs: this.#options.clock.now() + ENDED_RETENTION_MS });
    if (this.#ends.size > MAX_ENDED) this.#forgetOldest();
    this.#timer ??= this.#options.clock.setTimeout(() => this.#sweep(), ENDED_RETENTION_MS);
  }

  /** Stops forgetting. Idempotent. */
  close(): void {
    this.#timer?.cancel();
    this.#timer = null;
  }

  #sweep(): void {
    const now = this.#options.clock.now();
    this.#timer = null;
    for (const { untilMs } of this.#ends.values()) {
      if (untilMs > now) {
        this.#timer = this.#options.clock.setTimeout(() => this.#sweep(), untilMs - now);
        return;
      }
      this.#forgetOldest();
    }
  }

  #forgetOldest(): void {
    const oldest = this.#ends.keys().next().value;
    if (oldest === undefined) return;
    this.#ends.delete(oldest);
    this.#options.forget(oldest);
  }
}
