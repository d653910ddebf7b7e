/**
 * Cores that want to be left: each of their calls here moves to another core, as often as it takes and the time allows.
 * Owns which cores drain and the tries; how a call moves is hand-over.ts, and how many at once is the core's to say.
 */
import { type Clock, delay } from '../clock.ts';
import { asAntipodeError } from '../errors.ts';
import type { Logger } from '../telemetry/index.ts';
import type { HandedOver, HandOverRequest } from './hand-over.ts';

/** A call as it is needed here. */
export interface LeavingCall {
  readonly sessionId: string;
  /** Node id of its core. */
  readonly coreId: string;
  readonly end: unknown;
  handOver(request: HandOverRequest): Promise<HandedOver>;
}

export interface DrainedCoresOptions {
  /** Those that run here. */
  calls(): Iterable<LeavingCall>;
  clock: Clock;
  log: Logger;
}

interface Drain {
  untilMs: number;
  readonly over: AbortController;
}

/** Kept for the end of a sentence and the move itself. */
const MOVE_MS = 2_500;
/** After a try that failed. */
const RETRY_MS = 1_000;

export class DrainedCores {
  readonly #options: DrainedCoresOptions;
  readonly #drains = new Map<string, Drain>();
  /** Calls that are on their way. */
  readonly #leaving = new Set<LeavingCall>();

  constructor(options: DrainedCoresOptions) {
    this.#options = options;
  }

  /** A core says that its sessions are to be elsewhere within this time; null: that it takes sessions again. */
  told(core: string, withinMs: number | null): void {
    const known = this.#drains.get(core);
    if (withinMs === null) {
      known?.over.abort(new Error('The core takes sessions again.'));
      this.#drains.delete(core);
      return;
    }
    const { calls, clock, log } = this.#options;
    const untilMs = clock.now() + withinMs;
    if (known) known.untilMs = untilMs;
    else this.#drains.set(core, { untilMs, over: new AbortController() });
    const here = [...calls()].filter((call) => call.coreId === core);
    log.info({ core, calls: here.length, withinMs }, 'a core drains: its calls move');
    for (const call of here) this.#leave(call, core);
  }

  /** A call has opened, perhaps at a core that drains. */
  opened(call: LeavingCall): void {
    if (this.#drains.has(call.coreId)) this.#leave(call, call.coreId);
  }

  /** The core is gone, or was never asked for again. */
  forget(core: string): void {
    this.told(core, null);
  }

  /** Idempotent. */
  close(): void {
    for (const core of [...this.#drains.keys()]) this.forget(core);
  }

  #leave(call: LeavingCall, core: string): void {
    const drain = this.#drains.get(core);
    if (!drain || this.#leaving.has(call)) return;
    this.#leaving.add(call);
    void this.#tryAll(call, core, drain).finally(() => this.#leaving.delete(call));
  }

  async #tryAll(call: LeavingCall, core: string, drain: Drain): Promise<void> {
    const { clock, log } = this.#options;
    const { signal } = drain.over;
    const isThere = () => call.coreId === core && call.end === null && !signal.aborted;
    for (;;) {
      const withinMs = Math.max(0, Math.round(drain.untilMs - clock.now() - MOVE_MS));
      try {
        await call.handOver({ reason: 'drain', withinMs, cut: true });
        return;
      } catch (error) {
        if (!isThere()) return;
        const { code, message } = asAntipodeError(error);
        if (clock.now() + RETRY_MS > drain.untilMs) {
          const { sessionId } = call;
          log.warn({ sessionId, core, code, message }, 'a call stays at a core that drains: no other takes it');
          return;
        }
      }
      await delay(clock, RETRY_MS, signal).catch(() => {});
      if (!isThere()) return;
    }
  }
}
