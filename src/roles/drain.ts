/**
 * Leaving without cutting calls short: a node that takes nothing new any more waits until its sessions have ended, up
 * to a bound. Owns the waiting; what the node tells others and refuses meanwhile is node-drain.ts and its role's.
 */
import { type Clock, delay } from '../clock.ts';
import type { Logger } from '../telemetry/index.ts';

/** How many sessions there are, told by whoever has them, and when there are none. */
export class Occupancy {
  #sessions = 0;
  #emptied = Promise.withResolvers<void>();

  constructor() {
    this.#emptied.resolve();
  }

  get sessions(): number {
    return this.#sessions;
  }

  /** Resolves while there are none. */
  get emptied(): Promise<void> {
    return this.#emptied.promise;
  }

  /** There are this many now. */
  readonly changed = (sessions: number): void => {
    if (this.#sessions === 0 && sessions > 0) this.#emptied = Promise.withResolvers<void>();
    this.#sessions = sessions;
    if (sessions === 0) this.#emptied.resolve();
  };
}

/** Why the waiting is over. */
export type DrainResult = 'empty' | 'timeout' | 'cut-short';

export interface DrainOptions {
  occupancy: Occupancy;
  /** Others may not have heard yet and send sessions: it lasts at least this long, within `timeoutMs`. */
  settleMs: number;
  timeoutMs: number;
  clock: Clock;
  log: Logger;
  /** Ends the waiting. */
  signal: AbortSignal;
}

/** Never rejects for a reason of its own. */
export async function drain(options: DrainOptions): Promise<DrainResult> {
  const { occupancy, settleMs, timeoutMs, clock, log, signal } = options;
  const startedMs = clock.now();
  log.info({ sessions: occupancy.sessions, timeoutMs }, 'draining: no new sessions; waiting for those that run');
  const over = new AbortController();
  const until = AbortSignal.any([signal, over.signal]);
  const cut = Promise.withResolvers<DrainResult>();
  signal.addEventListener('abort', () => cut.resolve('cut-short'), { once: true, signal: over.signal });
  if (signal.aborted) cut.resolve('cut-short');
  const never = new Promise<never>(() => undefined);
  const after = (ms: number) => delay(clock, ms, until).catch(() => never);
  const result = await Promise.race([
    cut.promise,
    after(timeoutMs).then((): DrainResult => 'timeout'),
    after(Math.min(settleMs, timeoutMs)).then(() => whenEmpty(occupancy)),
  ]);
  over.abort();
  const figures = { result, sessions: occupancy.sessions, seconds: (clock.now() - startedMs) / 1_000 };
  if (result === 'empty') log.info(figures, 'drained: no session is left');
  else log.warn(figures, 'the drain is over; the sessions that are left end now');
  return result;
}

/** A session may have come in the moment between the last one's end and now. */
async function whenEmpty(occupancy: Occupancy): Promise<DrainResult> {
  do await occupancy.emptied;
  while (occupancy.sessions > 0);
  return 'empty';
}
