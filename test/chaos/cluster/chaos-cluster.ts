/**
 * A deployment as an operator starts one: Redis, POPs and cores as processes of `antipode`, each on its host, and the AI
 * services that they are configured with. Owns them all and their folder; what happens to them is a scenario's.
 */
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, statfs, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Redis } from 'ioredis';
import { stringify } from 'yaml';
import { runtimeFlags } from '../../../scripts/setup/runtime-flags.mjs';
import { type LedgerEntry, ledgerSchema } from '../services/ledger.ts';
import type { ServicesAddresses } from '../services/process.ts';
import type { ChaosHost, ChaosNetwork } from './chaos-network.ts';
import { ChaosProcess } from './chaos-process.ts';

export const API_KEY = 'a-key-of-the-chaos-runs';
export const AGENT = 'counter';
const CHAOS_DIR = join(import.meta.dirname, '..');
const POLL_MS = 50;
const SMALL_DISK = '4m';
const run = promisify(execFile);

export interface ChaosClusterOptions {
  network: ChaosNetwork;
  seed: number;
  /** Most calls that a node takes. */
  calls: number;
  /** Where the output of all processes stays; null: it goes with the run. */
  keepLogs: string | null;
}

export interface ChaosNode {
  readonly nodeId: string;
  readonly role: 'edge' | 'core';
  readonly host: ChaosHost;
  process: ChaosProcess;
  /** Base URL of its HTTP port. */
  url: string;
}

export interface NodeSettings {
  /** Deeply merged into its configuration file. */
  config?: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  environment?: Readonly<Record<string, string>>;
  /** It writes its log itself, to the disk that its state is on, which is small: `fillDisk`. */
  logsToDisk?: boolean;
}

export class ChaosCluster implements AsyncDisposable {
  readonly network: ChaosNetwork;
  readonly nodes = new Map<string, ChaosNode>();
  /** Output of each process, `NAME.log`. */
  readonly logDir: string;
  readonly #options: ChaosClusterOptions;
  readonly #dir: string;
  readonly #redisHost: ChaosHost;
  readonly #services: ChaosProcess;
  readonly #addresses: ServicesAddresses;
  #redis: ChaosProcess | null = null;
  /** A small disk of its own. */
  #disk: string | null = null;
  #mounting: Promise<string> | null = null;

  private constructor(
    options: ChaosClusterOptions,
    dir: string,
    logDir: string,
    redisHost: ChaosHost,
    services: ChaosProcess,
    addresses: ServicesAddresses,
  ) {
    this.network = options.network;
    this.#options = options;
    this.#dir = dir;
    this.logDir = logDir;
    this.#redisHost = redisHost;
    this.#services = services;
    this.#addresses = addresses;
  }

  static async start(options: ChaosClusterOptions): Promise<ChaosCluster> {
    const { network, seed, keepLogs } = options;
    const dir = await mkdtemp(join(tmpdir(), 'antipode-chaos-'));
    const logDir = keepLogs ?? join(dir, 'logs');
    await mkdir(logDir, { recursive: true });
    const [redisHost, servicesHost] = [await network.host('redis'), await network.host('services')];
    const services = new ChaosProcess({
      ...{ name: 'services', host: servicesHost, logDir, ready: /^\{.*\}\n/ },
      command: [process.execPath, join(CHAOS_DIR, 'services/process.ts'), servicesHost.ip, String(seed)],
    });
    try {
      const addresses = JSON.parse((await services.ready)[0]) as ServicesAddresses;
      const cluster = new ChaosCluster(options, dir, logDir, redisHost, services, addresses);
      await cluster.startRedis();
      return cluster;
    } catch (error) {
      await services[Symbol.asyncDispose]();
      await rm(dir, { recursive: true, force: true });
      throw error;
    }
  }

  get redisHost(): ChaosHost {
    return this.#redisHost;
  }

  /** Empty: it keeps nothing on disk. */
  async startRedis(): Promise<void> {
    const { ip, httpPort } = this.#redisHost;
    const redis = new ChaosProcess({
      ...{ name: 'redis', host: this.#redisHost, logDir: this.logDir, ready: /eady to accept connections/ },
      command: [
        ...['redis-server', '--port', String(httpPort), '--bind', ip, '--protected-mode', 'no'],
        ...['--save', '', '--appendonly', 'no', '--dir', this.#dir],
      ],
    });
    this.#redis = redis;
    await redis.ready;
  }

  async killRedis(): Promise<void> {
    this.#redis?.signal('SIGKILL');
    await this.#redis?.exited;
    await this.#redis?.[Symbol.asyncDispose]();
    this.#redis = null;
  }

  signalRedis(name: NodeJS.Signals): void {
    this.#redis?.signal(name);
  }

  /** All that it holds is gone. */
  async flushRedis(): Promise<void> {
    const redis = new Redis(this.#redisUrl, { lazyConnect: true, maxRetriesPerRequest: 1 });
    try {
      await redis.connect();
      await redis.flushall();
    } finally {
      redis.disconnect();
    }
  }

  /** Start a node, or one that was before again on its host. Resolves when it listens. */
  async startNode(role: 'edge' | 'core', nodeId: string, settings: NodeSettings = {}): Promise<ChaosNode> {
    if (settings.logsToDisk === true) await this.#smallDisk();
    const known = this.nodes.get(nodeId);
    if (known) await known.process[Symbol.asyncDispose]();
    const host = known?.host ?? (await this.network.host(nodeId));
    const file = join(this.#dir, `${nodeId}.yaml`);
    await writeFile(file, stringify(merge(this.#configOf(role, nodeId, host), settings.config ?? {})));
    const process_ = new ChaosProcess({
      ...{ name: nodeId, host, logDir: this.logDir, ready: /is listening on (http:\/\/[^\s/]+)/ },
      command: [process.execPath, ...runtimeFlags(), 'src/main.ts', role, '--config', file],
      environment: { ...this.#addresses.environment, ...settings.environment },
      ...(settings.logsToDisk === true && { logDir: await this.#smallDisk(), writesItself: true }),
    });
    const node: ChaosNode = known ?? { nodeId, role, host, process: process_, url: '' };
    node.process = process_;
    this.nodes.set(nodeId, node);
    node.url = (await process_.ready)[1]!;
    return node;
  }

  node(nodeId: string): ChaosNode {
    const node = this.nodes.get(nodeId);
    if (node === undefined) throw new Error(`there is no node ${nodeId}`);
    return node;
  }

  /** Resolves when `pop` would place sessions on exactly these nodes besides itself. */
  async untilKnown(pop: ChaosNode, nodeIds: readonly string[], signal: AbortSignal): Promise<void> {
    const wanted = [...nodeIds].sort().join(' ');
    for (;;) {
      if ((await this.#openNodes(pop)).join(' ') === wanted) return;
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
      signal.throwIfAborted();
    }
  }

  /**
   * Nothing more can be written where the nodes keep their state and write their logs.
   * @returns KiB that were left
   */
  async fillDisk(): Promise<number> {
    const disk = await this.#smallDisk();
    const { bavail, bsize } = await statfs(disk);
    await writeFile(join(disk, 'full'), Buffer.alloc(bavail * bsize));
    return Math.round((bavail * bsize) / 1_024);
  }

  async ledger(): Promise<Record<string, LedgerEntry>> {
    return ledgerSchema.parse(await (await fetch(this.#addresses.ledgerUrl)).json());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // What is cut would make nodes wait for one another.
    await Promise.all([...this.nodes.values()].map(({ process }) => process[Symbol.asyncDispose]()));
    await this.#redis?.[Symbol.asyncDispose]();
    await this.#services[Symbol.asyncDispose]();
    if (this.#disk !== null) {
      if (this.#options.keepLogs !== null) await run('sh', ['-c', 'cp "$0"/*.log "$1"', this.#disk, this.logDir]);
      // Lazily: a media worker of a killed node may still be on its way out.
      await run('umount', ['-l', this.#disk]);
    }
    await rm(this.#dir, { recursive: true, force: true });
  }

  /** A tmpfs that only this process's namespace sees; made once. */
  #smallDisk(): Promise<string> {
    this.#mounting ??= (async () => {
      const disk = join(this.#dir, 'disk');
      await mkdir(disk);
      await run('mount', ['-t', 'tmpfs', '-o', `size=${SMALL_DISK}`, 'tmpfs', disk]);
      this.#disk = disk;
      return disk;
    })();
    return this.#mounting;
  }

  get #redisUrl(): string {
    return `redis://${this.#redisHost.ip}:${this.#redisHost.httpPort}`;
  }

  async #openNodes(pop: ChaosNode): Promise<string[]> {
    const response = await fetch(`${pop.url}/v1/world`, { headers: { authorization: `Bearer ${API_KEY}` } });
    const { nodes } = (await response.json()) as { nodes: { nodeId: string; draining: boolean }[] };
    const open = nodes.filter(({ nodeId, draining }) => !draining && nodeId !== pop.nodeId);
    return open.map(({ nodeId }) => nodeId).sort();
  }

  #configOf(role: 'edge' | 'core', nodeId: string, host: ChaosHost): Record<string, Record<string, unknown>> {
    const { calls } = this.#options;
    return {
      node: { id: nodeId },
      http: { host: host.ip, port: host.httpPort },
      auth: { apiKeys: [API_KEY] },
      backbone: { listenIp: host.ip, announcedAddress: host.announced, ports: host.backbonePorts },
      registry: { kind: 'redis', url: this.#redisUrl },
      limits: {
        maxSessions: Math.max(20, 2 * calls),
        sessionsPerMinutePerAddress: 6_000,
        sessionsPerMinutePerKey: 6_000,
      },
      services: { stt: ['deepgram/nova-3'], llm: ['openai/gpt-4.1'], tts: ['cartesia/sonic-3#a-voice'] },
      stateDir: (this.#disk ?? join(this.#dir, 'state')) as never,
      ...(role === 'edge'
        ? { edge: { mediaPort: host.mediaPort, listenIp: host.ip } }
        : {
            core: {
              ...{ controlHost: host.ip, controlPort: host.controlPort },
              ...{ agentsDir: join(CHAOS_DIR, 'agents'), capacity: Math.max(20, 2 * calls) },
            },
          }),
    };
  }
}

function merge(
  base: Record<string, Record<string, unknown>>,
  more: Readonly<Record<string, Readonly<Record<string, unknown>>>>,
): Record<string, unknown> {
  const merged: Record<string, unknown> = { ...base };
  for (const [section, settings] of Object.entries(more)) merged[section] = { ...base[section], ...settings };
  return merged;
}
