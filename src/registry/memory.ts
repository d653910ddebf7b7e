/** The registry of a single process: maps with leases by the given clock. Ended sessions are kept a while for GET. */
import type { Clock } from '../clock.ts';
import { AntipodeError } from '../errors.ts';
import type { NodeRecord, Registry, SessionRecord } from './registry.ts';

export interface MemoryRegistryOptions {
  clock: Clock;
  /** One-time ids kept at the most; the oldest go first, and none before its time unless this is reached. */
  maxOnceIds?: number;
}

const DEFAULT_MAX_ONCE_IDS = 100_000;

export class MemoryRegistry implements Registry {
  readonly #clock: Clock;
  readonly #maxOnceIds: number;
  readonly #nodes = new Map<string, { node: NodeRecord; untilMs: number }>();
  readonly #sessions = new Map<string, SessionRecord>();
  readonly #once = new Map<string, number>();

  constructor(options: MemoryRegistryOptions) {
    this.#clock = options.clock;
    this.#maxOnceIds = options.maxOnceIds ?? DEFAULT_MAX_ONCE_IDS;
  }

  async announce(node: NodeRecord, leaseMs: number): Promise<void> {
    this.#nodes.set(node.nodeId, { node: structuredClone(node), untilMs: this.#clock.now() + leaseMs });
  }

  async withdraw(nodeId: string): Promise<void> {
    this.#nodes.delete(nodeId);
  }

  async nodes(): Promise<NodeRecord[]> {
    const now = this.#clock.now();
    for (const [nodeId, entry] of this.#nodes) if (entry.untilMs <= now) this.#nodes.delete(nodeId);
    return [...this.#nodes.values()].map((entry) => structuredClone(entry.node));
  }

  async createSession(session: SessionRecord): Promise<void> {
    if (this.#sessions.has(session.sessionId)) {
      throw new AntipodeError('ERR_REGISTRY_CONFLICT', `Session ${session.sessionId} exists already.`);
    }
    this.#sessions.set(session.sessionId, structuredClone(session));
  }

  async session(sessionId: string): Promise<SessionRecord | null> {
    const session = this.#sessions.get(sessionId);
    return session ? structuredClone(session) : null;
  }

  async sessions(): Promise<SessionRecord[]> {
    return [...this.#sessions.values()].map((session) => structuredClone(session));
  }

  async updateSession(
    sessionId: string,
    epoch: number,
    change: Partial<Pick<SessionRecord, 'pop' | 'core' | 'epoch' | 'state' | 'end'>>,
  ): Promise<SessionRecord> {
    const session = this.#sessions.get(sessionId);
    if (!session) throw new AntipodeError('ERR_SESSION_UNKNOWN', `No session ${sessionId}.`);
    if (session.epoch !== epoch) {
      throw new AntipodeError(
        'ERR_REGISTRY_CONFLICT',
        `Session ${sessionId} is at epoch ${session.epoch}, not ${epoch}.`,
      );
    }
    Object.assign(session, structuredClone(change));
    return structuredClone(session);
  }

  async deleteSession(sessionId: string): Promise<void> {
    this.#sessions.delete(sessionId);
  }

  async claimOnce(id: string, expiresAtMs: number): Promise<boolean> {
    const now = this.#clock.date().getTime();
    const known = this.#once.get(id);
    if (known !== undefined && known > now) return false;
    if (this.#once.size >= this.#maxOnceIds) this.#forgetOnce(now);
    this.#once.set(id, expiresAtMs);
    return true;
  }

  #forgetOnce(now: number): void {
    for (const [id, expiresAtMs] of this.#once) if (expiresAtMs <= now) this.#once.delete(id);
    for (const id of this.#once.keys()) {
      if (this.#once.size < this.#maxOnceIds) break;
      this.#once.delete(id);
    }
  }

  async close(): Promise<void> {
    this.#nodes.clear();
    this.#sessions.clear();
    this.#once.clear();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
