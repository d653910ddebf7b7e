/** The orders of a single process. */
import type { Logger } from '../telemetry/index.ts';
import { OrderWatchers } from './order-watchers.ts';
import { demandNode, type NodeOrder, type NodeOrders } from './orders.ts';
import type { NodeRecord, NodeSubscription } from './registry.ts';

export class MemoryOrders implements NodeOrders {
  readonly #nodes: () => Promise<NodeRecord[]>;
  readonly #watchers: OrderWatchers;
  /** By node: the order and the process that it was given to. */
  readonly #orders = new Map<string, { order: NodeOrder; startedAt: string }>();

  constructor(options: { nodes: () => Promise<NodeRecord[]>; log: Logger }) {
    this.#nodes = options.nodes;
    this.#watchers = new OrderWatchers(options.log);
  }

  async drain(nodeId: string, on: boolean): Promise<void> {
    const { startedAt } = demandNode(await this.#nodes(), nodeId);
    const order = on ? 'drain' : 'serve';
    this.#orders.set(nodeId, { order, startedAt });
    this.#watchers.tell(nodeId, order);
  }

  watch(nodeId: string, listener: (order: NodeOrder) => void): NodeSubscription {
    return this.#watchers.add(nodeId, listener);
  }

  /** The node says that it is alive. */
  announced({ nodeId, startedAt }: NodeRecord): void {
    const known = this.#orders.get(nodeId);
    if (known?.startedAt === startedAt) this.#watchers.tell(nodeId, known.order);
    else this.#orders.delete(nodeId);
  }

  withdrawn(nodeId: string): void {
    this.#orders.delete(nodeId);
  }

  clear(): void {
    this.#orders.clear();
    this.#watchers.clear();
  }
}
