/** The nodes of this process that listen to their orders, and what each was told last. */
import type { Logger } from '../telemetry/index.ts';
import type { NodeOrder } from './orders.ts';
import type { NodeSubscription } from './registry.ts';

interface Watcher {
  readonly nodeId: string;
  readonly listener: (order: NodeOrder) => void;
  told: NodeOrder | null;
}

export class OrderWatchers {
  readonly #log: Logger;
  readonly #watchers = new Set<Watcher>();

  constructor(log: Logger) {
    this.#log = log;
  }

  add(nodeId: string, listener: Watcher['listener']): NodeSubscription {
    const watcher: Watcher = { nodeId, listener, told: null };
    this.#watchers.add(watcher);
    const close = () => void this.#watchers.delete(watcher);
    return { close, [Symbol.dispose]: close };
  }

  /** This order stands for a node; who knows it already is not told again. */
  tell(nodeId: string, order: NodeOrder): void {
    for (const watcher of [...this.#watchers]) {
      if (watcher.nodeId !== nodeId || watcher.told === order) continue;
      watcher.told = order;
      try {
        watcher.listener(order);
      } catch (error) {
        this.#log.error({ err: error, nodeId, order }, 'an order to a node was not carried out');
      }
    }
  }

  clear(): void {
    this.#watchers.clear();
  }
}
