/**
 * The homes of sessions in the registry's directory, as far as take-overs change them. A POP alone decides who has its
 * callers, so a home is taken and given back, and not renewed.
 */
import { AntipodeError, asAntipodeError } from '../errors.ts';
import type { Registry, SessionHome } from '../registry/index.ts';
import type { Logger } from '../telemetry/index.ts';
import type { LostCall } from './call-port.ts';

export interface SessionHomesOptions {
  nodeId: string;
  registry: Pick<Registry, 'directory' | 'zone'>;
  log: Logger;
}

const LEASE_MS = 6_000;

export class SessionHomes {
  readonly #options: SessionHomesOptions;

  constructor(options: SessionHomesOptions) {
    this.#options = options;
  }

  /**
   * The session is at `core` from now on. While the registry is out of reach the POP's own count holds, since nobody else
   * has the caller.
   * @returns its epoch
   * @throws ERR_REGISTRY_CONFLICT when somebody else has the session, ERR_SESSION_ENDED, ERR_REGISTRY_ZONE
   */
  async take({ sessionId, epoch }: LostCall, core: string): Promise<number> {
    const { nodeId, registry, log } = this.#options;
    const home: Omit<SessionHome, 'epoch'> = { pop: nodeId, core, zone: registry.zone };
    try {
      return (await registry.directory.takeOver(sessionId, epoch, home, LEASE_MS)).epoch;
    } catch (error) {
      if (!(error instanceof AntipodeError) || error.code !== 'ERR_REGISTRY_UNAVAILABLE') throw error;
      log.warn({ sessionId, epoch: epoch + 1 }, 'a session is taken over without the registry');
      return epoch + 1;
    }
  }

  /** The session has ended. One that was never taken over has no home here. */
  release(sessionId: string, epoch: number): void {
    if (epoch === 1) return;
    const { registry, log } = this.#options;
    registry.directory
      .release(sessionId, epoch)
      .catch((error) =>
        log.warn({ sessionId, code: asAntipodeError(error).code }, "a session's home was not released"),
      );
  }
}
