/**
 * Sends a POP's callers to other POPs, a few at a time, so that those are not asked for all of them in the same moment.
 * Owns the pace; which POPs a caller may take is the session's, and the moving is the client's.
 */
import { type Clock, delay } from '../clock.ts';
import type { SessionBook } from './session-book.ts';
import type { SignalingMetrics } from './signaling-metrics.ts';

export interface CallersAwayOptions {
  book: Pick<SessionBook, 'liveIds' | 'sendAway'>;
  clock: Clock;
  metrics: Pick<SignalingMetrics, 'sentAway'>;
  /** The last one is told by then. */
  withinMs: number;
  /** For people. */
  reason: string;
  signal?: AbortSignal;
}

export interface SentAway {
  /** Clients that were told. Each leaves when another POP has its session. */
  readonly told: number;
  /** Callers for whom there is no other POP, or whose client was not connected. */
  readonly nowhere: number;
}

const STEP_MS = 100;
const MIN_GROUP = 5;

/** Resolves when every caller who is here, or joined meanwhile, was told. */
export async function sendCallersAway(options: CallersAwayOptions): Promise<SentAway> {
  const { book, clock, metrics, withinMs, reason, signal } = options;
  const asked = new Set<string>();
  let told = 0;
  const steps = Math.max(1, Math.floor(withinMs / STEP_MS));
  const groupSize = Math.max(MIN_GROUP, Math.ceil(book.liveIds.length / steps));
  for (;;) {
    const group = book.liveIds.filter((sessionId) => !asked.has(sessionId)).slice(0, groupSize);
    if (group.length === 0) return { told, nowhere: asked.size - told };
    for (const sessionId of group) {
      asked.add(sessionId);
      const sent = await book.sendAway(sessionId, reason);
      metrics.sentAway(sent ? 'told' : 'nowhere');
      if (sent) told += 1;
    }
    await delay(clock, STEP_MS, signal);
  }
}
