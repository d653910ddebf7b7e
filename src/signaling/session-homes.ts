/**
 * The homes of this POP's sessions in the registry's directory: claimed at the join, taken when a session comes from
 * another POP or goes to another core, renewed as long as they last, given back at the end. With a home stands the newest
 * resume token, so that another POP knows which one is good. Tells when somebody else has a session.
 */
import type { Clock } from '../clock.ts';
import { AntipodeError, asAntipodeError } from '../errors.ts';
import { HomeKeeper, type Registry, type SessionHome } from '../registry/index.ts';
import type { Logger } from '../telemetry/index.ts';
import type { LostCall } from './call-port.ts';

export interface SessionHomesOptions {
  nodeId: string;
  registry: Pick<Registry, 'directory' | 'zone' | 'events'>;
  clock: Clock;
  log: Logger;
  /** Another POP has the session: this one has it no more. */
  onFenced(sessionId: string): void;
}

/** Renewals tell a POP that was cut off that its session is elsewhere, and put back what the registry lost: no haste. */
const RENEW_EVERY_MS = 5_000;
const LEASE_MS = 15_000;

export class SessionHomes {
  readonly #options: SessionHomesOptions;
  readonly #keeper: HomeKeeper;
  readonly #homes = new Map<string, SessionHome>();

  constructor(options: SessionHomesOptions) {
    this.#options = options;
    this.#keeper = new HomeKeeper({ ...options, intervalMs: RENEW_EVERY_MS, leaseMs: LEASE_MS });
    this.#keeper.on('fenced', (sessionId) => {
      this.#homes.delete(sessionId);
      options.onFenced(sessionId);
    });
  }

  /** The session begins here. Waits for nothing: what the registry does not take now it is told with the next renewal. */
  claim(sessionId: string, core: string, epoch: number): void {
    const { nodeId: pop, registry, log } = this.#options;
    const home = { pop, core, epoch, zone: registry.zone, generation: 1 };
    this.#keep(sessionId, home);
    registry.directory
      .claim(sessionId, home, LEASE_MS)
      .catch((error) => log.warn({ sessionId, code: asAntipodeError(error).code }, "a session's home was not claimed"));
  }

  /** A resume token was used, and this is the number of the next one. */
  resumed(sessionId: string, generation: number): void {
    const home = this.#homes.get(sessionId);
    if (home === undefined) return;
    this.#keep(sessionId, { ...home, generation });
    void this.#keeper.renew(sessionId);
  }

  /**
   * The session is at `core` from now on. While the registry is out of reach the POP's own count holds, since nobody else
   * has the caller.
   * @returns its epoch
   * @throws ERR_REGISTRY_CONFLICT when somebody else has the session, ERR_SESSION_ENDED, ERR_REGISTRY_ZONE
   */
  async take({ sessionId, epoch }: Pick<LostCall, 'sessionId' | 'epoch'>, core: string): Promise<number> {
    try {
      return await this.#takeOver(sessionId, epoch, core, this.#homes.get(sessionId)?.generation);
    } catch (error) {
      if (asAntipodeError(error).code === 'ERR_REGISTRY_CONFLICT') void this.#lookForOther(sessionId);
      if (!(error instanceof AntipodeError) || error.code !== 'ERR_REGISTRY_UNAVAILABLE') throw error;
      this.#options.log.warn({ sessionId, epoch: epoch + 1 }, 'a session is taken over without the registry');
      this.#keepAt(sessionId, epoch + 1, core);
      return epoch + 1;
    }
  }

  /**
   * The session comes from another POP to this one, and stays at its core.
   * @param generation of the resume token that its caller gets for the one it showed
   * @returns its epoch
   * @throws as the directory's `takeOver`
   */
  adopt(sessionId: string, epoch: number, core: string, generation: number): Promise<number> {
    return this.#takeOver(sessionId, epoch, core, generation);
  }

  /** As `adopt`, by what the token says alone: the registry is out of reach, and is told when it is back. */
  adoptUnseen(sessionId: string, epoch: number, core: string, generation: number): number {
    this.#keepAt(sessionId, epoch + 1, core, generation);
    return epoch + 1;
  }

  /** The session has ended. */
  release(sessionId: string, epoch: number): void {
    const { registry, log } = this.#options;
    if (!this.forget(sessionId)) return;
    registry.directory
      .release(sessionId, epoch)
      .catch((error) =>
        log.warn({ sessionId, code: asAntipodeError(error).code }, "a session's home was not released"),
      );
  }

  /** Somebody else has the session: its home is none of ours. @returns false when it was not kept */
  forget(sessionId: string): boolean {
    this.#keeper.forget(sessionId);
    return this.#homes.delete(sessionId);
  }

  /** Idempotent. */
  close(): void {
    this.#keeper.close();
    this.#homes.clear();
  }

  async #takeOver(sessionId: string, epoch: number, core: string, generation: number | undefined): Promise<number> {
    const { nodeId: pop, registry } = this.#options;
    const next = { pop, core, zone: registry.zone, ...(generation !== undefined && { generation }) };
    const taken = await registry.directory.takeOver(sessionId, epoch, next, LEASE_MS);
    this.#keep(sessionId, taken);
    return taken.epoch;
  }

  /** A home that changed under our hands may be another POP's by now. */
  async #lookForOther(sessionId: string): Promise<void> {
    const { registry, nodeId, log, onFenced } = this.#options;
    try {
      const home = await registry.directory.get(sessionId);
      if (home !== null && home.pop !== nodeId && this.forget(sessionId)) onFenced(sessionId);
    } catch (error) {
      // The next renewal of the home tells the same.
      log.debug({ sessionId, code: asAntipodeError(error).code }, 'nobody says who has a session');
    }
  }

  #keepAt(sessionId: string, epoch: number, core: string, generation = this.#homes.get(sessionId)?.generation): void {
    const { nodeId: pop, registry } = this.#options;
    const home = { pop, core, epoch, zone: registry.zone, ...(generation !== undefined && { generation }) };
    this.#keep(sessionId, home);
  }

  #keep(sessionId: string, home: SessionHome): void {
    this.#homes.set(sessionId, home);
    this.#keeper.keep(sessionId, home);
  }
}
