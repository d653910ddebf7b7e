/**
 * Running sessions that would be better at another core: asks placement again, one session after the other, and has
 * those move that gain enough, between turns. Off unless the policy says so. Owns how often a session is looked at and
 * how many move; what is better is placement's.
 */
import type { Clock, Timer } from '../clock.ts';
import { asAntipodeError } from '../errors.ts';
import type { PlacementService, PolicySource } from '../placement/index.ts';
import type { Logger } from '../telemetry/index.ts';
import type { SessionBook } from './session-book.ts';

export interface SessionReplacementOptions {
  book: Pick<SessionBook, 'running' | 'move'>;
  placement: Pick<PlacementService, 'better' | 'nodes'>;
  policy: PolicySource;
  clock: Clock;
  log: Logger;
}

/** Each session is looked at once in so long at the most: measured paths change slowly. */
const LOOK_EVERY_MS = 30_000;
/** The looks of all sessions are spread over that time in so many steps. */
const STEP_MS = 1_000;
/** For a pause between turns; a session that has none in that time is looked at again. */
const WITHIN_MS = 10_000;
const MINUTE_MS = 60_000;

export class SessionReplacement {
  readonly #options: SessionReplacementOptions;
  /** By session: when it was looked at last, and when it began here or moved. */
  readonly #known = new Map<string, { lookedAtMs: number; sinceMs: number }>();
  /** When sessions moved in the last minute. */
  #moves: number[] = [];
  #timer: Timer;
  #closed = false;

  constructor(options: SessionReplacementOptions) {
    this.#options = options;
    this.#timer = this.#wait();
  }

  /** Idempotent. */
  close(): void {
    this.#closed = true;
    this.#timer.cancel();
    this.#known.clear();
  }

  #wait(): Timer {
    return this.#options.clock.setTimeout(() => {
      this.#look()
        .catch((error: unknown) => this.#options.log.warn({ err: error }, 'running sessions were not placed again'))
        .finally(() => {
          if (!this.#closed) this.#timer = this.#wait();
        });
    }, STEP_MS);
  }

  /** Looks at those whose turn it is. */
  async #look(): Promise<void> {
    const { book, placement, policy, clock } = this.#options;
    if (policy.current.cores.move === null) return;
    const nowMs = clock.now();
    const running = book.running.filter(({ hasSeat }) => !hasSeat);
    this.#remember(running, nowMs);
    const due = running.filter(({ sessionId }) => nowMs - this.#known.get(sessionId)!.lookedAtMs >= LOOK_EVERY_MS);
    const most = Math.max(1, Math.ceil((running.length * STEP_MS) / LOOK_EVERY_MS));
    for (const { sessionId, ask, core } of due.slice(0, most)) {
      this.#known.get(sessionId)!.lookedAtMs = nowMs;
      const region = placement.nodes.find(({ nodeId }) => nodeId === core)?.region;
      if (region === undefined || !this.#mayMove(sessionId, nowMs)) continue;
      const better = await placement.better({ ...ask, current: { coreRegion: region, coreNode: core } });
      if (better === null || this.#closed) continue;
      void this.#move(sessionId, better);
    }
  }

  #remember(running: readonly { sessionId: string }[], nowMs: number): void {
    const present = new Set(running.map(({ sessionId }) => sessionId));
    for (const sessionId of this.#known.keys()) if (!present.has(sessionId)) this.#known.delete(sessionId);
    for (const sessionId of present) {
      if (!this.#known.has(sessionId)) this.#known.set(sessionId, { lookedAtMs: nowMs, sinceMs: nowMs });
    }
  }

  #mayMove(sessionId: string, nowMs: number): boolean {
    const rule = this.#options.policy.current.cores.move;
    if (rule === null) return false;
    this.#moves = this.#moves.filter((atMs) => nowMs - atMs < MINUTE_MS);
    const sinceMs = this.#known.get(sessionId)?.sinceMs ?? nowMs;
    return this.#moves.length < rule.maxPerMinute && nowMs - sinceMs >= rule.notWithinSeconds * 1_000;
  }

  async #move(sessionId: string, better: { coreNode: string; hereMs: number; thereMs: number }): Promise<void> {
    const { book, clock, log } = this.#options;
    const { coreNode: to, hereMs, thereMs } = better;
    const figures = { sessionId, to, hereMs: Math.round(hereMs), thereMs: Math.round(thereMs) };
    log.info(figures, 'a session would be better at another core');
    this.#moves.push(clock.now());
    try {
      await book.move(sessionId, { reason: 'placement', withinMs: WITHIN_MS, cut: false, to });
      const known = this.#known.get(sessionId);
      if (known) known.sinceMs = clock.now();
    } catch (error) {
      const { code, message } = asAntipodeError(error);
      log.info({ ...figures, code, message }, 'that session stays where it is');
    }
  }
}
