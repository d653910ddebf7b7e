/**
 * The nodes as a store that is elsewhere last told them, and what each new telling changed. Owns the memory and the
 * grace after an outage: a store that was away, or lost its data, is missing nodes that only had no chance to renew, so
 * nodes that were known before are kept until the grace ends.
 */
import type { NodeChange, NodeRecord } from './registry.ts';

/** A lease as the store tells it. */
export interface NodeLease {
  readonly nodeId: string;
  /** Changes with the record's content. */
  readonly etag: string;
  readonly remainingMs: number;
}

interface Entry {
  readonly etag: string;
  /** Null for a record that cannot be read here, such as one of a future version. */
  readonly node: NodeRecord | null;
  readonly text: string;
  /** By the local monotonic clock; null while the node is kept by grace alone. */
  readonly untilMs: number | null;
}

export class NodeView {
  readonly #entries = new Map<string, Entry>();
  #graceUntilMs = Number.NEGATIVE_INFINITY;

  /** Copies. */
  nodes(): NodeRecord[] {
    const readable = [...this.#entries.values()].filter(({ node }) => node !== null);
    // The record has been JSON before; reading it again costs a fraction of structuredClone.
    return readable.map(({ text }) => JSON.parse(text) as NodeRecord);
  }

  /** What was read of this node is still what the store has. */
  has(lease: NodeLease): boolean {
    return this.#entries.get(lease.nodeId)?.etag === lease.etag;
  }

  /** Nodes that are missing are kept until then. */
  graceUntil(nowMs: number): void {
    this.#graceUntilMs = nowMs;
  }

  /** When something may end: the soonest lease, or the grace; null when nothing waits. */
  get nextEndMs(): number | null {
    let nextMs: number | null = null;
    for (const { untilMs } of this.#entries.values()) {
      const endMs = untilMs ?? this.#graceUntilMs;
      if (nextMs === null || endMs < nextMs) nextMs = endMs;
    }
    return nextMs;
  }

  /**
   * @param leases all that the store has
   * @param records those of them that `has` did not know; null for one that cannot be read
   */
  apply(leases: readonly NodeLease[], records: ReadonlyMap<string, NodeRecord | null>, nowMs: number): NodeChange[] {
    const changes: NodeChange[] = [];
    const present = new Set<string>();
    for (const lease of leases) {
      const known = this.#entries.get(lease.nodeId);
      const read = records.get(lease.nodeId);
      if (read === undefined && !this.has(lease)) continue; // withdrawn between the two questions
      present.add(lease.nodeId);
      const node = read === undefined ? (known?.node ?? null) : read;
      const text = read === undefined ? (known?.text ?? '') : JSON.stringify(read);
      this.#entries.set(lease.nodeId, { etag: lease.etag, node, text, untilMs: nowMs + lease.remainingMs });
      const was = known?.node ?? null;
      if (node === null) {
        if (was !== null) changes.push({ kind: 'left', node: was });
      } else if (was === null) changes.push({ kind: 'joined', node });
      else if (known?.text !== text) changes.push({ kind: 'changed', node });
    }
    for (const [nodeId, entry] of this.#entries) {
      if (present.has(nodeId)) continue;
      if (nowMs < this.#graceUntilMs) {
        this.#entries.set(nodeId, { ...entry, untilMs: null });
        continue;
      }
      this.#entries.delete(nodeId);
      if (entry.node !== null) changes.push({ kind: 'left', node: entry.node });
    }
    return changes;
  }
}
