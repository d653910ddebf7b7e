/** Sends the callers of a POP that drains to others, and once more those that are left. Owns when; how is signaling's. */
import { type Clock, delay } from '../clock.ts';
import type { SignalingServer } from '../signaling/index.ts';
import type { Logger } from '../telemetry/index.ts';

export interface CallersAwayOptions {
  signaling: Pick<SignalingServer, 'sendCallersAway' | 'sessionCount'>;
  /** All were told by then. */
  withinMs: number;
  clock: Clock;
  log: Logger;
}

export class CallersAway {
  readonly #options: CallersAwayOptions;
  #running: AbortController | null = null;

  constructor(options: CallersAwayOptions) {
    this.#options = options;
  }

  /** Begun again, it begins anew. */
  begin(): void {
    this.end();
    const running = new AbortController();
    this.#running = running;
    const { log } = this.#options;
    this.#send(running.signal).catch((error) => {
      if (!running.signal.aborted) log.error({ err: error }, 'callers were not told to come back by another POP');
    });
  }

  /** They may stay. Idempotent. */
  end(): void {
    this.#running?.abort(new Error('The POP takes sessions again, or ends.'));
    this.#running = null;
  }

  async #send(signal: AbortSignal): Promise<void> {
    const { signaling, withinMs, clock, log } = this.#options;
    for (const attempt of [1, 2]) {
      const { told, nowhere } = await signaling.sendCallersAway({ withinMs, signal });
      log.info({ attempt, told, nowhere }, 'callers are told to come back by another POP');
      await delay(clock, withinMs, signal);
      if (signaling.sessionCount === 0) return;
    }
  }
}
