/**
 * The registry that nodes on different machines share: Redis, as one server, by Sentinels or as a Cluster. Owns the
 * parts' life and what happens around an outage; each part owns its keys.
 */
import { EventEmitter } from 'node:events';
import type { Clock } from '../../clock.ts';
import type { Logger, Registry as Metrics } from '../../telemetry/index.ts';
import type {
  NodeChange,
  NodePresence,
  NodeRecord,
  NodeSubscription,
  Registry,
  RegistryEvents,
  RegistryState,
  SessionRecord,
} from '../registry.ts';
import { type RegistryMetrics, registryMetrics } from '../registry-metrics.ts';
import type { SessionPage, SessionQuery } from '../session-list.ts';
import { RedisDirectory } from './directory.ts';
import { RecordReader } from './envelope.ts';
import { registryKeys } from './keys.ts';
import { RedisLink } from './link.ts';
import { RedisNodes } from './nodes.ts';
import { RedisOnce } from './once.ts';
import { RedisOrders } from './orders.ts';
import { RedisRooms } from './rooms.ts';
import { RedisSessions, type SessionChange } from './sessions.ts';
import type { RedisSettings } from './settings.ts';

export interface RedisRegistryOptions {
  settings: RedisSettings;
  clock: Clock;
  log: Logger;
  metrics: Metrics;
  /** In [0, 1). @defaultValue Math.random */
  random?: () => number;
  /** After an outage, nodes that had no chance to renew yet count as alive for this long. @defaultValue 3000 */
  graceMs?: number;
}

const DEFAULT_GRACE_MS = 3_000;

export class RedisRegistry implements Registry {
  readonly zone: string;
  readonly events = new EventEmitter<RegistryEvents>();
  readonly directory: RedisDirectory;
  readonly rooms: RedisRooms;
  readonly orders: RedisOrders;
  readonly #log: Logger;
  readonly #metrics: RegistryMetrics;
  readonly #link: RedisLink;
  readonly #nodes: RedisNodes;
  readonly #sessions: RedisSessions;
  readonly #once: RedisOnce;

  private constructor(options: RedisRegistryOptions, link: RedisLink, metrics: RegistryMetrics) {
    const { settings, clock, log } = options;
    const keys = registryKeys(settings.prefix);
    const reader = new RecordReader({ log, metrics });
    const shared = { link, keys, reader, clock, log, metrics };
    this.zone = settings.zone;
    this.#log = log;
    this.#metrics = metrics;
    this.#link = link;
    this.#nodes = new RedisNodes({
      ...shared,
      random: options.random ?? Math.random,
      graceMs: options.graceMs ?? DEFAULT_GRACE_MS,
      onDataLost: () => this.#onDataLost(),
      onOrder: (node, stored) => this.orders.announced(node, stored),
    });
    this.orders = new RedisOrders({ link, keys, log, nodes: () => this.#nodes.nodes() });
    this.#sessions = new RedisSessions(shared);
    this.#once = new RedisOnce(shared);
    this.rooms = new RedisRooms(shared);
    this.directory = new RedisDirectory({
      ...shared,
      zone: settings.zone,
      onReclaimed: (sessionId) => this.events.emit('reclaimed', sessionId),
    });
    link.on('up', () => {
      void this.#restore({ all: false });
      this.events.emit('connected');
    });
    link.on('down', (reason) => this.events.emit('disconnected', reason));
  }

  /**
   * Resolves when Redis answers and is fit to be a registry.
   * @throws ERR_REGISTRY_UNAVAILABLE | ERR_REGISTRY_REFUSED | ERR_REGISTRY_UNSUPPORTED
   */
  static async open(options: RedisRegistryOptions): Promise<RedisRegistry> {
    const metrics = registryMetrics(options.metrics);
    const random = options.random ?? Math.random;
    const { channel } = registryKeys(options.settings.prefix);
    const link = await RedisLink.open({ ...options, metrics, random, channel });
    return new RedisRegistry(options, link, metrics);
  }

  get state(): RegistryState {
    return { connected: this.#link.up, staleMs: this.#link.staleMs };
  }

  async announce(node: NodeRecord, leaseMs: number): Promise<void> {
    await this.#nodes.announce(node, leaseMs);
  }

  async withdraw(nodeId: string): Promise<void> {
    await this.#nodes.withdraw(nodeId);
  }

  nodes(): Promise<NodeRecord[]> {
    return this.#nodes.nodes();
  }

  presences(): Promise<NodePresence[]> {
    return this.#nodes.presences();
  }

  watch(listener: (change: NodeChange) => void): NodeSubscription {
    return this.#nodes.watch(listener);
  }

  createSession(session: SessionRecord): Promise<void> {
    return this.#sessions.create(session);
  }

  session(sessionId: string): Promise<SessionRecord | null> {
    return this.#sessions.get(sessionId);
  }

  sessions(): Promise<SessionRecord[]> {
    return this.#sessions.all();
  }

  listSessions(query: SessionQuery): Promise<SessionPage> {
    return this.#sessions.list(query);
  }

  updateSession(sessionId: string, epoch: number, change: SessionChange): Promise<SessionRecord> {
    return this.#sessions.update(sessionId, epoch, change);
  }

  deleteSession(sessionId: string): Promise<void> {
    return this.#sessions.delete(sessionId);
  }

  claimOnce(id: string, expiresAtMs: number): Promise<boolean> {
    return this.#once.claim(id, expiresAtMs);
  }

  async close(): Promise<void> {
    this.#nodes.close();
    this.orders.close();
    await this.#link.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #onDataLost(): void {
    this.#metrics.dataLost.inc();
    this.#log.error({ zone: this.zone }, 'the registry lost its data; writing anew what this process holds');
    void this.#restore({ all: true });
    this.events.emit('dataLost');
  }

  async #restore(how: { all: boolean }): Promise<void> {
    try {
      await this.#sessions.restoreAll();
      await this.#once.restore(how);
    } catch (error) {
      this.#log.warn({ err: error }, 'not all could be written to the registry; the next connection tries again');
    }
  }
}
