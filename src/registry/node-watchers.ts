/** Those who listen to changes of the nodes. Owns the list; a listener that throws is told to the log, not to others. */
import type { Logger } from '../telemetry/index.ts';
import type { NodeChange, NodeSubscription } from './registry.ts';

type NodeListener = (change: NodeChange) => void;

export class NodeWatchers {
  readonly #log: Logger;
  readonly #onEmpty: () => void;
  readonly #listeners = new Set<{ listener: NodeListener }>();

  constructor(options: { log: Logger; onEmpty: () => void }) {
    this.#log = options.log;
    this.#onEmpty = options.onEmpty;
  }

  get count(): number {
    return this.#listeners.size;
  }

  /** Tells `listener` of `present` before this returns. */
  add(listener: NodeListener, present: readonly NodeChange[]): NodeSubscription {
    const entry = { listener };
    this.#listeners.add(entry);
    for (const change of present) this.#tellOne(entry.listener, change);
    const close = () => {
      if (this.#listeners.delete(entry) && this.#listeners.size === 0) this.#onEmpty();
    };
    return { close, [Symbol.dispose]: close };
  }

  tell(changes: readonly NodeChange[]): void {
    for (const change of changes) for (const { listener } of [...this.#listeners]) this.#tellOne(listener, change);
  }

  clear(): void {
    this.#listeners.clear();
  }

  #tellOne(listener: NodeListener, change: NodeChange): void {
    try {
      listener({ ...change, node: structuredClone(change.node) });
    } catch (error) {
      this.#log.error({ err: error, nodeId: change.node.nodeId }, 'a listener to changes of the nodes failed');
    }
  }
}
