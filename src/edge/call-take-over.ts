/**
 * A call whose core is lost goes to another one: fenced off from the former at once, and put on one core after another
 * until one takes it. Owns the steps; when a core is lost is call-route.ts, who is asked and for how long take-over.ts.
 */
import type { Clock } from '../clock.ts';
import { asAntipodeError } from '../errors.ts';
import type { Logger } from '../telemetry/index.ts';
import type { CallPlace } from './call-place.ts';
import type { CallSplice } from './call-splice.ts';
import type { EdgeMetrics } from './edge-metrics.ts';
import type { CallJournal } from './journal.ts';
import { reportMove } from './move-report.ts';
import { type FindSuccessor, type Successor, type TakeOverReason, takeOver } from './take-over.ts';

export interface CallTakeOverOptions {
  sessionId: string;
  reason: TakeOverReason;
  place: CallPlace;
  splice: CallSplice;
  find: FindSuccessor;
  /** The former core lives, and is asked first whether it has the call again; null: it is gone. */
  again: (() => Promise<Successor>) | null;
  /** When the channel to the former core went down; null when it did not. */
  downAtMs: number | null;
  isReady(): boolean;
  clock: Clock;
  log: Logger;
  metrics: EdgeMetrics;
  /** The call ended. */
  signal: AbortSignal;
}

/**
 * The former core is not heard any more from this call on, whatever it still says.
 * @returns how long the call was without an agent, once another core has it
 * @throws the last failure; the signal's reason
 */
export async function takeCallOver(options: CallTakeOverOptions): Promise<{ gapMs: number }> {
  const { sessionId, reason, place, splice, find, again, downAtMs, clock, log, signal } = options;
  // An agent in the middle of an answer was gone from its last frame on.
  const speaking = (place.journal.state?.reply?.utterance ?? null) !== null;
  const goneAtMs = (speaking ? splice.writer.lastWrittenAtMs : null) ?? downAtMs ?? clock.now();
  const from = place.core;
  const { resume, journal } = place.journal.following(splice.writer.played?.timestamp ?? null);
  place.leave(journal, { knows: reason === 'core-shutdown' && again === null });
  splice.unroute();
  splice.writer.bind(place.epoch);
  log.warn({ core: from.nodeId, reason, journal: resume !== null }, 'a call looks for another core');
  const report = { from: from.nodeId, reason, atTurnBoundary: false };
  try {
    await takeOver({
      ...(again && { first: again }),
      request: { sessionId, reason },
      find,
      epoch: () => place.epoch - 1,
      lostCore: from.nodeId,
      attach: (next) => attachTo(next, journal, options),
      clock,
      signal,
      onFailed: (core, error) =>
        log.warn({ core, code: error.code, message: error.message }, 'a core did not take a call'),
    });
  } catch (error) {
    if (!signal.aborted) {
      const { code, message } = asAntipodeError(error);
      const how = { to: null, epoch: place.epoch, gapMs: null, outcome: 'failed', code, message } as const;
      reportMove({ ...report, ...how }, options);
    }
    throw error;
  }
  const gapMs = Math.max(0, clock.now() - goneAtMs);
  const outcome = resume ? 'resumed' : 'restarted';
  reportMove({ ...report, to: place.core.nodeId, epoch: place.epoch, gapMs, outcome }, options);
  return { gapMs };
}

/** @param before what every core that is tried is told, is the same */
async function attachTo(
  { core, epoch, confinement }: Successor,
  before: CallJournal,
  { place, splice, isReady, signal }: CallTakeOverOptions,
): Promise<void> {
  place.epoch = Math.max(epoch, place.epoch);
  try {
    const reached = await place.reach(core);
    signal.throwIfAborted();
    const { resume, journal } = before.following(null);
    const seat = place.seatAt(reached, journal, { epoch: place.epoch, counts: true });
    place.take(seat);
    await seat.attach(reached.pipe, { confinement, resume });
    if (isReady()) await seat.ready();
  } catch (error) {
    splice.unroute();
    place.leave(before, { knows: false });
    throw error;
  }
}
