/** What is told of a call that got another core, or was to get one: one line of the log, one count, its gap. */
import type { Logger } from '../telemetry/index.ts';
import type { EdgeMetrics } from './edge-metrics.ts';
import type { HandOverReason } from './hand-over.ts';
import type { TakeOverReason } from './take-over.ts';

/**
 * `resumed`: another core goes on with what was known; `restarted`: it began anew; `failed`: nobody took the call.
 * Of one that was to move while its core lives: `moved`; `stayed`: it goes on where it was; `lost-core`: the core was
 * lost meanwhile, and a take-over follows.
 */
export type MoveOutcome = 'resumed' | 'restarted' | 'failed' | 'moved' | 'stayed' | 'lost-core';

export interface MoveReport {
  from: string;
  to: string | null;
  reason: HandOverReason | TakeOverReason;
  epoch: number;
  gapMs: number | null;
  atTurnBoundary: boolean;
  outcome: MoveOutcome;
  /** Why it did not come about. */
  code?: string;
  message?: string;
}

type MoveMetrics = Pick<EdgeMetrics, 'takeOvers' | 'takeOverGap' | 'handOvers' | 'handOverGap'>;

export function reportMove(report: MoveReport, { log, metrics }: { log: Logger; metrics: MoveMetrics }): void {
  const { reason, outcome, gapMs } = report;
  const living = reason === 'drain' || reason === 'order' || reason === 'placement';
  if (living) metrics.handOvers.inc({ reason, outcome });
  else metrics.takeOvers.inc({ reason, outcome });
  if (gapMs !== null) {
    if (living) metrics.handOverGap.observe({ reason }, gapMs / 1_000);
    else metrics.takeOverGap.observe(gapMs / 1_000);
  }
  const line = { event: 'hand-over', ...report, gapMs: gapMs === null ? null : Math.round(gapMs) };
  if (outcome === 'failed') log.error(line, 'no other core took a call');
  else if (outcome === 'stayed') log.warn(line, 'a call did not move');
  else if (outcome === 'lost-core') log.warn(line, 'the core of a call was lost while the call was to move');
  else log.info(line, 'another core has a call');
}
