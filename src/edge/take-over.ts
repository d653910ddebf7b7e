/**
 * How a call gets another core when its own is lost: who is asked, what the new core is told, and for how long it is tried.
 * Owns the tries; what is attached and fenced is call-route.ts.
 */
import type { JournalState } from '../agent/journal/index.ts';
import type { Confinement } from '../agent/types.ts';
import { type Clock, delay } from '../clock.ts';
import { type AntipodeError, asAntipodeError } from '../errors.ts';
import type { CoreAddress } from './core-links.ts';

export type TakeOverReason = 'core-lost' | 'core-shutdown';

/** What is asked for. */
export interface TakeOverRequest {
  sessionId: string;
  /** The epoch of the core that is lost, or of a later one that was tried. */
  epoch: number;
  reason: TakeOverReason;
  /** Cores that are lost or did not take the call, by node id. */
  excludedCores: readonly string[];
}

/** Who is to have the call. */
export interface Successor {
  core: CoreAddress;
  /** At least one more than the one that was given. */
  epoch: number;
  confinement: Confinement | null;
}

/** @throws what says that there is nobody, now or at all */
export type FindSuccessor = (request: TakeOverRequest) => Promise<Successor>;

/** What a core is told of a call that it goes on with. */
export interface Resume {
  journal: JournalState;
  playedTimestamp: number | null;
}

/** A call is given up when nobody has taken it by then. */
export const TAKE_OVER_TIMEOUT_MS = 10_000;
const RETRY_MS = 100;
/** Bytes of a journal in one control frame of 256 KiB, beside everything else. */
const MAX_RESUME_BYTES = 180_000;

export interface TakeOverTries {
  /** Asked first: the core that was to be left and may still have the call. Absent: it is gone. */
  first?: () => Promise<Successor>;
  request: Omit<TakeOverRequest, 'excludedCores' | 'epoch'>;
  find: FindSuccessor;
  /** Epoch of the newest core that was tried. */
  epoch(): number;
  lostCore: string;
  /** Puts the call there. */
  attach(successor: Successor): Promise<void>;
  clock: Clock;
  /** Ends the tries. */
  signal: AbortSignal;
  onFailed(core: string | null, error: AntipodeError): void;
}

/** Tries one core after another. @throws the last failure when the time is over; the signal's reason */
export async function takeOver(tries: TakeOverTries): Promise<void> {
  const { request, find, clock, signal } = tries;
  const untilMs = clock.now() + TAKE_OVER_TIMEOUT_MS;
  let excluded = new Set([tries.lostCore]);
  let { first } = tries;
  for (;;) {
    let core: string | null = null;
    try {
      const own = first;
      first = undefined;
      const asked = { ...request, epoch: tries.epoch(), excludedCores: [...excluded] };
      const successor = await (own ? own() : find(asked));
      signal.throwIfAborted();
      core = successor.core.nodeId;
      await tries.attach(successor);
      return;
    } catch (error) {
      signal.throwIfAborted();
      const failure = asAntipodeError(error);
      tries.onFailed(core, failure);
      // The media of the call is being replaced: that is not the core's fault.
      if (core !== null && failure.code !== 'ERR_MEDIA_WORKER_DIED') excluded.add(core);
      // Nobody is left: those that failed may be back, the lost one among them.
      else if (core === null) excluded = new Set();
      if (clock.now() >= untilMs) throw failure;
    }
    await delay(clock, RETRY_MS, signal);
  }
}

/** The oldest of a context goes where all of it is too long for one control frame. */
export function fitted(journal: JournalState): JournalState {
  let fits = journal;
  while (Buffer.byteLength(JSON.stringify(fits)) > MAX_RESUME_BYTES && fits.context.length > 0) {
    fits = { ...fits, context: fits.context.slice(Math.ceil(fits.context.length / 4)) };
  }
  return fits;
}
