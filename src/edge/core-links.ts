/** The POP's links to its cores, one for each core's control address; opens that are under way are shared. */
import type { ControlAddress } from '../backbone/index.ts';
import { AntipodeError } from '../errors.ts';
import { CoreLink, type CoreLinkOptions } from './core-link.ts';

/** A core and where its control channel listens. */
export interface CoreAddress {
  nodeId: string;
  host: string;
  port: number;
  /** Where it has several, the preferred one first; host and port are the first one's then. */
  addresses?: readonly ControlAddress[] | undefined;
}

export type CoreLinksOptions = Omit<CoreLinkOptions, 'coreNodeId' | 'host' | 'port' | 'addresses' | 'onIdle'>;

export class CoreLinks {
  readonly #options: CoreLinksOptions;
  readonly #opening = new Map<string, Promise<CoreLink>>();
  readonly #open = new Map<string, CoreLink>();
  #closed = false;

  constructor(options: CoreLinksOptions) {
    this.#options = options;
  }

  /** Links that are open. */
  get all(): CoreLink[] {
    return [...this.#open.values()];
  }

  /** @throws ERR_SHUTTING_DOWN, ERR_BACKBONE_TIMEOUT while the core is suspected, as CoreLink.open */
  to(core: CoreAddress): Promise<CoreLink> {
    if (this.#closed) return Promise.reject(shuttingDown());
    const key = JSON.stringify([core.nodeId, core.host, core.port, core.addresses]);
    const present = this.#open.get(key);
    if (present?.suspected) return Promise.reject(silent(core.nodeId));
    if (present?.usable) return Promise.resolve(present);
    const under = this.#opening.get(key);
    if (under) return under;
    const opening = this.#openLink(key, core).finally(() => this.#opening.delete(key));
    this.#opening.set(key, opening);
    return opening;
  }

  /** Idempotent. */
  close(): void {
    this.#closed = true;
    for (const link of this.all) link.close();
    this.#open.clear();
  }

  async #openLink(key: string, core: CoreAddress): Promise<CoreLink> {
    const { nodeId: coreNodeId, host, port, addresses } = core;
    const onIdle = () => {
      if (this.#open.get(key) === link) this.#open.delete(key);
    };
    const link: CoreLink = await CoreLink.open({ ...this.#options, coreNodeId, host, port, addresses, onIdle });
    if (this.#closed) {
      link.close();
      throw shuttingDown();
    }
    this.#open.set(key, link);
    return link;
  }
}

function shuttingDown(): AntipodeError {
  return new AntipodeError('ERR_SHUTTING_DOWN', 'This POP is shutting down.');
}

/** Whoever asks has no time to wait for it. */
function silent(nodeId: string): AntipodeError {
  return new AntipodeError('ERR_BACKBONE_TIMEOUT', `Core ${nodeId} has fallen silent.`);
}
