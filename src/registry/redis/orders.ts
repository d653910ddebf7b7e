/** The orders in Redis: a field a node, read with each of the node's announcements. */
import type { Logger } from '../../telemetry/index.ts';
import { OrderWatchers } from '../order-watchers.ts';
import { demandNode, type NodeOrder, type NodeOrders } from '../orders.ts';
import type { NodeRecord, NodeSubscription } from '../registry.ts';
import type { RegistryKeys } from './keys.ts';
import type { RedisLink } from './link.ts';

export interface RedisOrdersOptions {
  link: RedisLink;
  keys: RegistryKeys;
  log: Logger;
  nodes(): Promise<NodeRecord[]>;
}

export class RedisOrders implements NodeOrders {
  readonly #options: RedisOrdersOptions;
  readonly #watchers: OrderWatchers;

  constructor(options: RedisOrdersOptions) {
    this.#options = options;
    this.#watchers = new OrderWatchers(options.log);
  }

  async drain(nodeId: string, on: boolean): Promise<void> {
    const { link, keys, nodes } = this.#options;
    const { startedAt } = demandNode(await nodes(), nodeId);
    const order: NodeOrder = on ? 'drain' : 'serve';
    await link.command('order', (client) => client.hset(keys.orders, nodeId, `${order} ${startedAt}`));
  }

  watch(nodeId: string, listener: (order: NodeOrder) => void): NodeSubscription {
    return this.#watchers.add(nodeId, listener);
  }

  /** @param stored as it stands in Redis; for the process before this one it is no order */
  announced({ nodeId, startedAt }: NodeRecord, stored: string): void {
    const [order, given] = stored.split(' ');
    if (given === startedAt && (order === 'drain' || order === 'serve')) this.#watchers.tell(nodeId, order);
  }

  close(): void {
    this.#watchers.clear();
  }
}
