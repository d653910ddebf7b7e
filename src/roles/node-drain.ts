/**
 * Whether a node drains: because somebody ordered it, by its HTTP port or by the registry, or because it is being
 * stopped. Owns that state and tells the registry of it; what a node does about it is its role's.
 */
import type { Announcer, NodeOrder, NodeOrders, NodeSubscription } from '../registry/index.ts';
import type { DrainPort } from '../signaling/index.ts';
import type { Logger } from '../telemetry/index.ts';
import { type DrainOptions, type DrainResult, drain, type Occupancy } from './drain.ts';

export interface NodeDrainOptions {
  occupancy: Occupancy;
  log: Logger;
  /** Told whenever it begins, also again, and when it is over. */
  apply(draining: boolean): void;
}

export class NodeDrain implements DrainPort {
  readonly #options: NodeDrainOptions;
  #announcer: Pick<Announcer, 'renew'> | null = null;
  #draining = false;
  #stopping = false;

  constructor(options: NodeDrainOptions) {
    this.#options = options;
  }

  get draining(): boolean {
    return this.#draining;
  }

  get sessions(): number {
    return this.#options.occupancy.sessions;
  }

  /** From now on the registry is told at once. */
  announcedBy(announcer: Pick<Announcer, 'renew'>): void {
    this.#announcer = announcer;
  }

  /** Carries out what the registry tells this node to do. */
  follow(orders: Pick<NodeOrders, 'watch'>, nodeId: string): NodeSubscription {
    return orders.watch(nodeId, (order: NodeOrder) => {
      this.#options.log.info({ order }, 'this node is ordered to drain or to serve');
      this.set(order === 'drain');
    });
  }

  /** Idempotent; told to drain again it tells the others again. @returns false when it is being stopped */
  set(draining: boolean): boolean {
    if (this.#stopping && !draining) return false;
    void this.#set(draining);
    return true;
  }

  /** Drains for good, and waits as `drain` does. */
  async stop(waiting: Omit<DrainOptions, 'occupancy' | 'log'>): Promise<DrainResult> {
    this.#stopping = true;
    const { occupancy, log } = this.#options;
    await this.#set(true);
    return drain({ ...waiting, occupancy, log });
  }

  async #set(draining: boolean): Promise<void> {
    const { log, apply, occupancy } = this.#options;
    const changes = draining !== this.#draining;
    this.#draining = draining;
    if (changes) log.info({ sessions: occupancy.sessions }, draining ? 'this node drains' : 'this node serves again');
    if (draining || changes) apply(draining);
    if (!changes) return;
    await this.#announcer
      ?.renew()
      .catch((error) => log.warn({ err: error }, 'the registry was not told of the drain yet'));
  }
}
