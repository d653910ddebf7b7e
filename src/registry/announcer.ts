/**
 * Keeps a node's record in the registry alive: announces it at once, then every `intervalMs` with a lease of three
 * intervals, so that a dead node is gone within the lease. It announces at once when the registry answers again or lost
 * its data, and less often, with jitter, while it does not answer. Owns the renewals, not the record.
 */
import type { Clock, Timer } from '../clock.ts';
import type { Logger } from '../telemetry/index.ts';
import type { NodeRecord, Registry } from './registry.ts';

export interface AnnouncerOptions {
  registry: Registry;
  clock: Clock;
  log: Logger;
  /** The record as it is now; asked at each renewal. */
  record: () => NodeRecord;
  /** @defaultValue 500 */
  intervalMs?: number;
  /** In [0, 1). @defaultValue Math.random */
  random?: () => number;
}

const DEFAULT_INTERVAL_MS = 500;
const LEASE_INTERVALS = 3;
/** The lease that every node of ours asks for. */
export const NODE_LEASE_MS = DEFAULT_INTERVAL_MS * LEASE_INTERVALS;

export class Announcer {
  readonly #options: AnnouncerOptions;
  readonly #intervalMs: number;
  #timer: Timer | null = null;
  #closed = false;
  #failing = false;

  private constructor(options: AnnouncerOptions) {
    this.#options = options;
    this.#intervalMs = options.intervalMs ?? DEFAULT_INTERVAL_MS;
  }

  /** Resolves once the record is there. */
  static async start(options: AnnouncerOptions): Promise<Announcer> {
    const announcer = new Announcer(options);
    await announcer.renew();
    announcer.#schedule();
    const { events } = options.registry;
    events.on('connected', announcer.#renewNow);
    events.on('dataLost', announcer.#renewNow);
    return announcer;
  }

  /** Announce now, for a change that should not wait. */
  async renew(): Promise<void> {
    if (this.#closed) return;
    await this.#options.registry.announce(this.#options.record(), this.#intervalMs * LEASE_INTERVALS);
  }

  #schedule(): void {
    if (this.#closed) return;
    const { clock, random = Math.random } = this.#options;
    const delayMs = this.#failing ? this.#intervalMs * (1 + random()) : this.#intervalMs;
    this.#timer?.cancel();
    this.#timer = clock.setTimeout(() => void this.#tick(), delayMs);
  }

  readonly #renewNow = (): void => {
    this.#timer?.cancel();
    void this.#tick();
  };

  async #tick(): Promise<void> {
    try {
      await this.renew();
      if (this.#failing) this.#options.log.info('registry answers again');
      this.#failing = false;
    } catch (error) {
      if (!this.#failing) this.#options.log.error({ err: error }, 'registry refuses our announcement; trying on');
      this.#failing = true;
    }
    this.#schedule();
  }

  /** Stop renewing and take the record out. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#timer?.cancel();
    const { events } = this.#options.registry;
    events.off('connected', this.#renewNow);
    events.off('dataLost', this.#renewNow);
    const { nodeId } = this.#options.record();
    try {
      await this.#options.registry.withdraw(nodeId);
    } catch (error) {
      this.#options.log.warn({ nodeId, err: error }, 'the registry was not told that this node leaves; its lease ends');
    }
  }
}
