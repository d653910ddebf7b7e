/** The registry of a single process: maps with leases by the given clock. Ended sessions are kept a while for GET. */
import { EventEmitter } from 'node:events';
import type { Clock, Timer } from '../clock.ts';
import { AntipodeError } from '../errors.ts';
import { type Logger, silentLogger } from '../telemetry/index.ts';
import { MemoryDirectory } from './memory-directory.ts';
import { MemoryOrders } from './memory-orders.ts';
import { NodeWatchers } from './node-watchers.ts';
import { OnceLedger } from './once-ledger.ts';
import {
  LOST_NODES_MS,
  type NodeChange,
  type NodePresence,
  type NodeRecord,
  type NodeSubscription,
  type Registry,
  type RegistryEvents,
  type RegistryState,
  type SessionRecord,
} from './registry.ts';
import { RoomLedger } from './room-ledger.ts';
import { pageOfOwn, readCursor, type SessionPage, type SessionQuery } from './session-list.ts';

export interface MemoryRegistryOptions {
  clock: Clock;
  log?: Logger;
  /** @defaultValue 'local' */
  zone?: string;
  /** One-time ids kept at the most; the oldest go first, and none before its time unless this is reached. */
  maxOnceIds?: number;
}

export class MemoryRegistry implements Registry {
  readonly zone: string;
  readonly state: RegistryState = { connected: true, staleMs: 0 };
  readonly events = new EventEmitter<RegistryEvents>();
  readonly directory: MemoryDirectory;
  readonly rooms: RoomLedger;
  readonly orders: MemoryOrders;
  readonly #clock: Clock;
  readonly #nodes = new Map<string, { node: NodeRecord; text: string; untilMs: number }>();
  /** Whose lease ran out. */
  readonly #lost = new Map<string, { node: NodeRecord; untilMs: number }>();
  readonly #sessions = new Map<string, SessionRecord>();
  readonly #once: OnceLedger;
  readonly #watchers: NodeWatchers;
  #leaseTimer: Timer | null = null;

  constructor(options: MemoryRegistryOptions) {
    this.#clock = options.clock;
    this.zone = options.zone ?? 'local';
    this.#once = new OnceLedger(options.maxOnceIds);
    this.#watchers = new NodeWatchers({
      log: options.log ?? silentLogger,
      onEmpty: () => this.#leaseTimer?.cancel(),
    });
    this.rooms = new RoomLedger(this.#clock);
    this.orders = new MemoryOrders({ nodes: () => this.nodes(), log: options.log ?? silentLogger });
    this.directory = new MemoryDirectory({
      clock: this.#clock,
      zone: this.zone,
      onReclaimed: (sessionId) => this.events.emit('reclaimed', sessionId),
    });
  }

  async announce(node: NodeRecord, leaseMs: number): Promise<void> {
    const known = this.#nodes.get(node.nodeId);
    const text = JSON.stringify(node);
    const copy = structuredClone(node);
    this.#nodes.set(node.nodeId, { node: copy, text, untilMs: this.#clock.now() + leaseMs });
    this.#lost.delete(node.nodeId);
    if (known?.text !== text) this.#watchers.tell([{ kind: known ? 'changed' : 'joined', node: copy }]);
    this.#scheduleExpiry();
    this.orders.announced(node);
  }

  async withdraw(nodeId: string): Promise<void> {
    this.orders.withdrawn(nodeId);
    this.#lost.delete(nodeId);
    const known = this.#nodes.get(nodeId);
    if (!known) return;
    this.#nodes.delete(nodeId);
    this.#watchers.tell([{ kind: 'left', node: known.node }]);
    this.#scheduleExpiry();
  }

  async nodes(): Promise<NodeRecord[]> {
    this.#expire();
    return [...this.#nodes.values()].map((entry) => structuredClone(entry.node));
  }

  async presences(): Promise<NodePresence[]> {
    this.#expire();
    const nowMs = this.#clock.now();
    for (const [nodeId, { untilMs }] of this.#lost) if (untilMs + LOST_NODES_MS <= nowMs) this.#lost.delete(nodeId);
    const entries = [...this.#nodes.values(), ...this.#lost.values()];
    return entries.map(({ node, untilMs }) => ({ node: structuredClone(node), leaseMs: untilMs - nowMs }));
  }

  watch(listener: (change: NodeChange) => void): NodeSubscription {
    this.#expire();
    const present = [...this.#nodes.values()].map(({ node }): NodeChange => ({ kind: 'joined', node }));
    const subscription = this.#watchers.add(listener, present);
    this.#scheduleExpiry();
    return subscription;
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

  async listSessions(query: SessionQuery): Promise<SessionPage> {
    const cursor = query.cursor === undefined ? null : readCursor(query.cursor);
    return pageOfOwn(this.#sessions.values(), query, cursor?.[0] === 'own' ? cursor[1] : '');
  }

  async updateSession(
    sessionId: string,
    epoch: number,
    change: Partial<Pick<SessionRecord, 'pop' | 'core' | 'zone' | 'epoch' | 'state' | 'end' | 'placement'>>,
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
    return this.#once.claim(id, expiresAtMs, this.#clock.date().getTime());
  }

  async close(): Promise<void> {
    this.#leaseTimer?.cancel();
    this.#watchers.clear();
    this.#nodes.clear();
    this.#lost.clear();
    this.#sessions.clear();
    this.#once.clear();
    this.directory.clear();
    this.orders.clear();
    this.rooms.clear();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #expire(): void {
    const now = this.#clock.now();
    const left: NodeChange[] = [];
    for (const [nodeId, entry] of this.#nodes) {
      if (entry.untilMs > now) continue;
      this.#nodes.delete(nodeId);
      this.#lost.set(nodeId, entry);
      left.push({ kind: 'left', node: entry.node });
    }
    this.#watchers.tell(left);
  }

  /** Wakes up at the end of the soonest lease, while somebody watches. */
  #scheduleExpiry(): void {
    this.#leaseTimer?.cancel();
    this.#leaseTimer = null;
    if (this.#watchers.count === 0 || this.#nodes.size === 0) return;
    const soonestMs = Math.min(...[...this.#nodes.values()].map(({ untilMs }) => untilMs));
    this.#leaseTimer = this.#clock.setTimeout(() => {
      this.#expire();
      this.#scheduleExpiry();
    }, soonestMs - this.#clock.now());
  }
}
