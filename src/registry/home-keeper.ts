/**
 * Keeps the homes of the sessions that this node holds: renews their leases, and tells when one is lost to a newer
 * epoch. Owns the renewals; who claims, takes over and releases is the session's business.
 */
import { EventEmitter } from 'node:events';
import type { Clock, Timer } from '../clock.ts';
import { AntipodeError } from '../errors.ts';
import type { Logger } from '../telemetry/index.ts';
import type { SessionHome } from './directory.ts';
import type { Registry } from './registry.ts';

export type HomeKeeperEvents = {
  /** Another core has the session at a newer epoch, or it was released: this one must fall silent. */
  fenced: [sessionId: string, error: AntipodeError];
  /** The registry had lost the home and has it again. */
  reclaimed: [sessionId: string];
};

export interface HomeKeeperOptions {
  registry: Pick<Registry, 'directory' | 'events'>;
  clock: Clock;
  log: Logger;
  /** @defaultValue 2000 */
  intervalMs?: number;
  /** @defaultValue 6000 */
  leaseMs?: number;
}

export const HOME_KEEPER_DEFAULTS = { intervalMs: 2_000, leaseMs: 6_000 } as const;

export class HomeKeeper extends EventEmitter<HomeKeeperEvents> {
  readonly leaseMs: number;
  readonly #options: HomeKeeperOptions;
  readonly #intervalMs: number;
  readonly #homes = new Map<string, SessionHome>();
  #timer: Timer | null = null;
  #failing = false;
  #closed = false;
  readonly #onChange = (): void => void this.renewAll();

  constructor(options: HomeKeeperOptions) {
    super();
    this.#options = options;
    this.#intervalMs = options.intervalMs ?? HOME_KEEPER_DEFAULTS.intervalMs;
    this.leaseMs = options.leaseMs ?? HOME_KEEPER_DEFAULTS.leaseMs;
    options.registry.events.on('connected', this.#onChange);
    options.registry.events.on('dataLost', this.#onChange);
  }

  /** Homes that are renewed. */
  get size(): number {
    return this.#homes.size;
  }

  /** From now on; again for a home that changed. The claim or take-over was made before. */
  keep(sessionId: string, home: SessionHome): void {
    if (this.#closed) return;
    this.#homes.set(sessionId, home);
    if (this.#timer === null) this.#schedule();
  }

  /** Renewed no more; nothing is released. */
  forget(sessionId: string): void {
    this.#homes.delete(sessionId);
  }

  /** Renews one now, such as after a change of it. Never rejects: what fails is tried again with the others. */
  async renew(sessionId: string): Promise<void> {
    const home = this.#homes.get(sessionId);
    if (home !== undefined) await this.#renew(sessionId, home);
  }

  /** Never rejects: what fails is counted and tried again. */
  async renewAll(): Promise<void> {
    const results = await Promise.all([...this.#homes].map(([sessionId, home]) => this.#renew(sessionId, home)));
    const failed = results.filter((result) => result === 'failed').length;
    if (failed > 0 && !this.#failing)
      this.#options.log.error({ failed }, 'leases of sessions were not renewed; trying on');
    if (failed === 0 && this.#failing)
      this.#options.log.info({ sessions: results.length }, 'leases of sessions are renewed again');
    this.#failing = failed > 0;
  }

  /** Idempotent. */
  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
    this.#homes.clear();
    this.#options.registry.events.off('connected', this.#onChange);
    this.#options.registry.events.off('dataLost', this.#onChange);
  }

  #schedule(): void {
    this.#timer = null;
    if (this.#closed || this.#homes.size === 0) return;
    this.#timer = this.#options.clock.setTimeout(() => {
      void this.renewAll().then(() => this.#schedule());
    }, this.#intervalMs);
  }

  async #renew(sessionId: string, home: SessionHome): Promise<'done' | 'failed'> {
    const { registry, log } = this.#options;
    try {
      const outcome = await registry.directory.renew(sessionId, home, this.leaseMs);
      if (outcome === 'reclaimed') this.emit('reclaimed', sessionId);
      return 'done';
    } catch (error) {
      if (error instanceof AntipodeError && ['ERR_REGISTRY_CONFLICT', 'ERR_SESSION_ENDED'].includes(error.code)) {
        if (this.#homes.get(sessionId) !== home) return 'done'; // kept anew, or forgotten, while we asked
        this.#homes.delete(sessionId);
        log.warn({ sessionId, epoch: home.epoch, reason: error.message }, 'a session has another home');
        this.emit('fenced', sessionId, error);
        return 'done';
      }
      log.debug({ sessionId, err: error }, 'the lease of a session was not renewed');
      return 'failed';
    }
  }
}
