/** A POP's signaling on a real port with a fake edge behind it and a clock that stands still. */
import { afterEach } from 'vitest';
import { type Config, configSchema } from '../../../src/config/index.ts';
import { type AiEndpoint, DEFAULT_POLICY, fixedPolicy, type PolicySource } from '../../../src/placement/index.ts';
import { MemoryRegistry, type NodeRecord, type NodeStores } from '../../../src/registry/index.ts';
import {
  type CreateSessionAnswer,
  type DrainPort,
  type Readiness,
  SignalingServer,
} from '../../../src/signaling/index.ts';
import { createMetrics, silentLogger } from '../../../src/telemetry/index.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { coreRecord } from '../../support/nodes.ts';
import { FakeEdge } from './fake-edge.ts';
import { TestClient } from './test-client.ts';

export const API_KEY = 'test-key-0123456789abcdef';
export const SECRET = new TextEncoder().encode('a secret of the tests, longer than 32 bytes');
const LEASE_MS = 1e9;

export interface PopOptions {
  config?: Record<string, Record<string, unknown>>;
  nodes?: NodeRecord[];
  /** Another POP, whose registry and clock this one has too. */
  beside?: Pop;
  /** @defaultValue pop-1 */
  nodeId?: string;
  /** Of tokens. @defaultValue SECRET */
  secret?: Uint8Array;
  pageDir?: string | null;
  policy?: PolicySource;
  endpoints?: readonly AiEndpoint[];
  /** Of the POP. @defaultValue local */
  region?: string;
  /** Where the POP keeps what it writes down. @defaultValue in its region */
  stores?: NodeStores;
  readiness?: () => Promise<Readiness>;
  onSessionCount?: (sessions: number) => void;
  drain?: DrainPort;
}

export interface RestAnswer {
  status: number;
  headers: Headers;
  // biome-ignore lint/suspicious/noExplicitAny: tests read into answers of many shapes
  body: any;
}

export class Pop {
  readonly server: SignalingServer;
  readonly edge: FakeEdge;
  readonly clock: FakeClock;
  readonly registry: MemoryRegistry;
  readonly config: Config;
  readonly metrics: ReturnType<typeof createMetrics>;
  readonly #clients: TestClient[] = [];

  constructor(parts: Pick<Pop, 'server' | 'edge' | 'clock' | 'registry' | 'config' | 'metrics'>) {
    this.server = parts.server;
    this.edge = parts.edge;
    this.clock = parts.clock;
    this.registry = parts.registry;
    this.config = parts.config;
    this.metrics = parts.metrics;
  }

  get signalingUrl(): string {
    return `${this.server.url.replace('http', 'ws')}/v1/signaling`;
  }

  async rest(method: string, path: string, init: { body?: unknown; headers?: Record<string, string> } = {}) {
    const raw = typeof init.body === 'string';
    const response = await fetch(`${this.server.url}${path}`, {
      method,
      headers: { ...(init.body === undefined ? {} : { 'content-type': 'application/json' }), ...init.headers },
      body: init.body === undefined ? null : raw ? (init.body as string) : JSON.stringify(init.body),
    });
    const text = await response.text();
    const json = response.headers.get('content-type')?.includes('json');
    return { status: response.status, headers: response.headers, body: json ? JSON.parse(text) : text } as RestAnswer;
  }

  async create(body: Record<string, unknown> = { agent: 'echo' }): Promise<CreateSessionAnswer> {
    const answer = await this.rest('POST', '/v1/sessions', { body, headers: { authorization: `Bearer ${API_KEY}` } });
    if (answer.status !== 201) throw new Error(`POST /v1/sessions: ${JSON.stringify(answer.body)}`);
    return answer.body;
  }

  client(options: ConstructorParameters<typeof TestClient>[1] = {}): Promise<TestClient> {
    const client = new TestClient(this.signalingUrl, options);
    this.#clients.push(client);
    return client.open();
  }

  /** A client in a session of its own. */
  async joined(options: ConstructorParameters<typeof TestClient>[1] = {}) {
    const session = await this.create();
    const client = await this.client(options);
    const answer = await client.join(session.token);
    return { session, client, answer, call: this.edge.callOf(session.sessionId) };
  }

  /** Lets time pass and the sockets' traffic settle. */
  async pass(ms: number): Promise<void> {
    this.clock.advance(ms);
    await settle();
  }

  /** The value of a metric under these labels, 0 when it has none. */
  async metric(name: string, labels: Record<string, string> = {}): Promise<number> {
    const metric = await this.metrics.getSingleMetric(name)?.get();
    const fits = (value: { labels: object }) =>
      Object.entries(labels).every(([key, wanted]) => (value.labels as Record<string, unknown>)[key] === wanted);
    return metric?.values.find(fits)?.value ?? 0;
  }

  async close(): Promise<void> {
    for (const client of this.#clients) client.ws.terminate();
    await this.server.close({ code: 'node-shutdown', reason: 'The test is over.' });
  }
}

/** Turns of the event loop, so that what was sent over loopback has arrived. */
export async function settle(): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, 20));
}

/** Resolves once `holds` answers true; the test's own timeout is the limit. */
export async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 2));
}

const running: Pop[] = [];
afterEach(async () => {
  for (const pop of running.splice(0)) await pop.close();
});

export async function startPop(options: PopOptions = {}): Promise<Pop> {
  const clock = options.beside?.clock ?? new FakeClock();
  const edge = new FakeEdge();
  const registry = options.beside?.registry ?? new MemoryRegistry({ clock });
  const metrics = createMetrics({ processMetrics: false });
  const { http, auth, limits } = options.config ?? {};
  const config = configSchema.parse({
    http: { host: '127.0.0.1', port: 0, ...http },
    auth: { apiKeys: [API_KEY], ...auth },
    limits,
  });
  for (const node of options.nodes ?? (options.beside ? [] : [coreRecord()])) await registry.announce(node, LEASE_MS);
  const server = await SignalingServer.start({
    config,
    nodeId: options.nodeId ?? 'pop-1',
    region: options.region ?? 'local',
    ...(options.stores && { stores: options.stores }),
    edge,
    registry,
    policy: options.policy ?? fixedPolicy(DEFAULT_POLICY, clock),
    endpoints: () => options.endpoints ?? [],
    clock,
    log: silentLogger,
    metrics,
    tokenSecret: options.secret ?? SECRET,
    pageDir: options.pageDir ?? null,
    readiness: options.readiness ?? (async () => ({ ok: true, parts: { core: true } })),
    ...(options.drain && { drain: options.drain }),
    ...(options.onSessionCount && { onSessionCount: options.onSessionCount }),
  });
  const pop = new Pop({ server, edge, clock, registry, config, metrics });
  running.push(pop);
  return pop;
}
