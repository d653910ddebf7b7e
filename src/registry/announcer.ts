/**
 * Keeps a node's record in the registry alive: announces it at once, then every `intervalMs` with a lease of four
 * intervals, so that a dead node is gone within the lease. Owns the renewals, not the record.
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
}

export class Announcer {
  readonly #options: AnnouncerOptions;
  readonly #intervalMs: number;
  #timer: Timer | null = null;
  #closed = false;
  #failing = false;

  private constructor(options: AnnouncerOptions) {
    this.#options = options;
    this.#intervalMs = options.intervalMs ?? 500;
  }

  /** Resolves once the record is there. */
  static async start(options: AnnouncerOptions): Promise<Announcer> {
    const announcer = new Announcer(options);
    await announcer.renew();
    announcer.#schedule();
    return announcer;
  }

  /** Announce now, for a change that should not wait. */
  async renew(): Promise<void> {
    if (this.#closed) return;
    await this.#options.registry.announce(this.#options.record(), this.#intervalMs * 4);
  }

  #schedule(): void {
    if (this.#closed) return;
    this.#timer = this.#options.clock.setTimeout(() => void this.#tick(), this.#intervalMs);
  }

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
    await this.#options.registry.withdraw(this.#options.record().nodeId);
  }
}
