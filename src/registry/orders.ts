/**
 * What operators order nodes to do: to drain, or to take sessions again. An order stands with the node that it was given
 * to, as long as that process lives, and reaches it with its announcements. Owns the words; the stores own the doing.
 */
import { AntipodeError } from '../errors.ts';
import type { NodeRecord, NodeSubscription } from './registry.ts';

export type NodeOrder = 'drain' | 'serve';

export interface NodeOrders {
  /**
   * Orders a node that is alive to drain, or to take sessions again.
   * @throws ERR_NOT_FOUND when no node of this id is alive; ERR_REGISTRY_UNAVAILABLE
   */
  drain(nodeId: string, on: boolean): Promise<void>;
  /**
   * Tells `listener` of the order that stands for the node `nodeId`, which this process announces, and of each other one.
   * Nothing when nobody ever gave one; data that the store lost is no order either.
   */
  watch(nodeId: string, listener: (order: NodeOrder) => void): NodeSubscription;
}

/** @throws ERR_NOT_FOUND */
export function demandNode(nodes: readonly NodeRecord[], nodeId: string): NodeRecord {
  const node = nodes.find((known) => known.nodeId === nodeId);
  if (node) return node;
  throw new AntipodeError('ERR_NOT_FOUND', `No node is called "${nodeId}" and is alive.`);
}
