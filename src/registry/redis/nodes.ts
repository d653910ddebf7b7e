/**
 * The nodes in Redis: announcing, reading and watching them. Readings are shared, fetch only the records that changed,
 * and while somebody watches come when something was published and when the soonest lease ends; never at an interval.
 */
import { createHash, randomUUID } from 'node:crypto';
import type { Clock, Timer } from '../../clock.ts';
import type { Logger } from '../../telemetry/index.ts';
import { type NodeLease, NodeView } from '../node-view.ts';
import { NodeWatchers } from '../node-watchers.ts';
import {
  type NodeChange,
  type NodePresence,
  type NodeRecord,
  type NodeSubscription,
  nodeRecordSchema,
} from '../registry.ts';
import type { RegistryMetrics } from '../registry-metrics.ts';
import { type RecordReader, sealRecord } from './envelope.ts';
import type { RegistryKeys } from './keys.ts';
import type { RedisLink } from './link.ts';

export interface RedisNodesOptions {
  link: RedisLink;
  keys: RegistryKeys;
  reader: RecordReader;
  clock: Clock;
  log: Logger;
  metrics: RegistryMetrics;
  random: () => number;
  /** Nodes that had no chance to renew are kept for this long after an outage or a loss of data. */
  graceMs: number;
  onDataLost: () => void;
  /** What stands for a node that this process announces, as it is stored; '' for nothing. */
  onOrder: (node: NodeRecord, stored: string) => void;
}

/** A reading a little after the end of a lease sees it ended. */
const AFTER_END_MS = 20;
const RETRY_MS = 250;
/** What may change with each renewal; it comes with the next reading, without being published. */
const VOLATILE = { load: null, measured: null };

export class RedisNodes {
  readonly #options: RedisNodesOptions;
  readonly #view = new NodeView();
  readonly #watchers: NodeWatchers;
  /** Each announced node's record without what is volatile: a change of it is published. */
  readonly #shapes = new Map<string, string>();
  #incarnation: string | null = null;
  #reading: Promise<void> | null = null;
  #readAgain = false;
  #hasRead = false;
  #timer: Timer | null = null;
  #closed = false;

  constructor(options: RedisNodesOptions) {
    this.#options = options;
    this.#watchers = new NodeWatchers({ log: options.log, onEmpty: () => this.#timer?.cancel() });
    options.link.on('up', () => this.#startGrace());
    options.link.on('told', () => this.#watchers.count > 0 && this.#readSoon());
    options.link.on('down', () => this.#timer?.cancel());
  }

  /** @throws ERR_REGISTRY_UNAVAILABLE */
  async announce(node: NodeRecord, leaseMs: number): Promise<void> {
    const { link, keys } = this.#options;
    const record = sealRecord(node);
    const shape = JSON.stringify({ ...node, ...VOLATILE });
    const publish = this.#shapes.get(node.nodeId) !== shape;
    const answer = await link
      .script(
        'antipodeAnnounce',
        [keys.records, keys.etags, keys.leases, keys.incarnation, keys.orders],
        [node.nodeId, record, etagOf(record), String(leaseMs), publish ? '1' : '0', keys.channel, randomUUID()],
      )
      .catch((error: unknown) => {
        this.#options.metrics.renewalsFailed.inc({ kind: 'node' });
        throw error;
      });
    this.#shapes.set(node.nodeId, shape);
    const [incarnation, order] = (answer as unknown[]).map(String);
    this.#noteIncarnation(incarnation ?? '');
    this.#options.onOrder(node, order ?? '');
  }

  /** @throws ERR_REGISTRY_UNAVAILABLE */
  async withdraw(nodeId: string): Promise<void> {
    const { link, keys } = this.#options;
    this.#shapes.delete(nodeId);
    await link.script('antipodeWithdraw', [keys.records, keys.etags, keys.leases, keys.orders], [nodeId, keys.channel]);
  }

  /** @throws ERR_REGISTRY_UNAVAILABLE when there never was a reading */
  async nodes(): Promise<NodeRecord[]> {
    try {
      await this.#read();
    } catch (error) {
      if (!this.#hasRead) throw error;
    }
    return this.#view.nodes();
  }

  /** @throws ERR_REGISTRY_UNAVAILABLE */
  async presences(): Promise<NodePresence[]> {
    const { link, keys, reader } = this.#options;
    const fields = (await link.script('antipodePresences', [keys.records, keys.leases], [])) as unknown[];
    const presences: NodePresence[] = [];
    for (let at = 0; at + 2 < fields.length; at += 3) {
      const nodeId = String(fields[at]);
      const node = reader.read('node', nodeId, String(fields[at + 1]), nodeRecordSchema)?.record;
      if (node?.nodeId === nodeId) presences.push({ node, leaseMs: Number(fields[at + 2]) });
    }
    return presences;
  }

  watch(listener: (change: NodeChange) => void): NodeSubscription {
    const present = this.#view.nodes().map((node): NodeChange => ({ kind: 'joined', node }));
    const subscription = this.#watchers.add(listener, present);
    this.#readSoon();
    return subscription;
  }

  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
    this.#watchers.clear();
  }

  /** A reading that begins now or later than now. */
  #readSoon(): void {
    if (this.#closed || !this.#options.link.up) return;
    if (this.#reading !== null) {
      this.#readAgain = true;
      return;
    }
    this.#read().catch(() => this.#schedule(RETRY_MS * (1 + this.#options.random()))); // counted and logged by the link
  }

  /** One at a time: who comes later shares the one under way. */
  #read(): Promise<void> {
    this.#reading ??= this.#readOnce().finally(() => {
      this.#reading = null;
      if (!this.#readAgain) return;
      this.#readAgain = false;
      this.#readSoon();
    });
    return this.#reading;
  }

  async #readOnce(): Promise<void> {
    const { link, keys, clock } = this.#options;
    const answer = await link.script('antipodeLeases', [keys.etags, keys.leases, keys.incarnation], []);
    const [incarnation = '', ...fields] = (answer as unknown[]).map(String);
    this.#noteIncarnation(incarnation);
    const leases: NodeLease[] = [];
    for (let at = 0; at + 2 < fields.length; at += 3) {
      leases.push({ nodeId: fields[at]!, etag: fields[at + 1]!, remainingMs: Number(fields[at + 2]) });
    }
    const readAtMs = clock.now();
    const records = await this.#records(leases.filter((lease) => !this.#view.has(lease)));
    if (this.#closed) return;
    this.#hasRead = true;
    this.#watchers.tell(this.#view.apply(leases, records, readAtMs));
    const endMs = this.#view.nextEndMs;
    if (endMs !== null) this.#schedule(Math.max(0, endMs - clock.now()) + AFTER_END_MS);
  }

  async #records(leases: readonly NodeLease[]): Promise<Map<string, NodeRecord | null>> {
    const { link, keys, reader } = this.#options;
    const records = new Map<string, NodeRecord | null>();
    if (leases.length === 0) return records;
    const ids = leases.map(({ nodeId }) => nodeId);
    const texts = await link.command('records', (client) => client.hmget(keys.records, ...ids));
    for (const [index, nodeId] of ids.entries()) {
      const text = texts[index];
      if (text === null || text === undefined) continue;
      const record = reader.read('node', nodeId, text, nodeRecordSchema)?.record ?? null;
      const known = record === null || record.nodeId === nodeId;
      records.set(nodeId, known ? record : reader.skip('node', nodeId, 'invalid', 'the id of another node'));
    }
    return records;
  }

  #schedule(delayMs: number): void {
    this.#timer?.cancel();
    this.#timer = null;
    if (this.#closed || this.#watchers.count === 0 || !this.#options.link.up) return;
    this.#timer = this.#options.clock.setTimeout(() => this.#readSoon(), delayMs);
  }

  #noteIncarnation(incarnation: string): void {
    const known = this.#incarnation;
    this.#incarnation = incarnation;
    if (known === null || known === '' || known === incarnation) return;
    this.#startGrace();
    this.#options.onDataLost();
  }

  #startGrace(): void {
    this.#view.graceUntil(this.#options.clock.now() + this.#options.graceMs);
  }
}

function etagOf(record: string): string {
  return createHash('sha256').update(record).digest('base64url').slice(0, 22);
}
