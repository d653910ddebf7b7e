/**
 * The HTTP door of a POP before a core under load: the real signaling server and placement over a registry that is told
 * what the core announces. Its sessions carry no media: who is let in is offered to the core by the fake POP.
 */

import { systemClock as clock } from '../../src/clock.ts';
import { configSchema } from '../../src/config/index.ts';
import { AntipodeError } from '../../src/errors.ts';
import { DEFAULT_POLICY, fixedPolicy } from '../../src/placement/index.ts';
import { MemoryRegistry, type NodeRecord } from '../../src/registry/index.ts';
import { SignalingServer } from '../../src/signaling/index.ts';
import { createMetrics, silentLogger as log } from '../../src/telemetry/index.ts';

const API_KEY = 'bench-key-0123456789abcdef';
const LEASE_MS = 60_000;
const END = { code: 'node-shutdown', reason: 'The benchmark is over.' } as const;

export interface Answered {
  status: number;
  /** Until the answer's body was read. */
  tookMs: number;
  /** From Retry-After. */
  retryAfterMs: number | null;
  /** Another POP was named. */
  elsewhere: boolean;
  /** Null: refused. */
  sessionId: string | null;
}

export class OfferedDoor implements AsyncDisposable {
  readonly #registry: MemoryRegistry;
  readonly #server: SignalingServer;
  readonly #agent: string;

  private constructor(registry: MemoryRegistry, server: SignalingServer, agent: string) {
    this.#registry = registry;
    this.#server = server;
    this.#agent = agent;
  }

  static async start(agent: string): Promise<OfferedDoor> {
    const registry = new MemoryRegistry({ clock });
    const config = configSchema.parse({
      http: { host: '127.0.0.1', port: 0 },
      auth: { apiKeys: [API_KEY], joinTokenTtlSeconds: 3_600 },
      limits: { maxSessions: 10_000, sessionsPerMinutePerAddress: 1_000_000, sessionsPerMinutePerKey: 1_000_000 },
    });
    const server = await SignalingServer.start({
      config,
      nodeId: 'bench-door',
      region: 'local',
      edge: {
        routerRtpCapabilities: { codecs: [] },
        roomRtpCapabilities: { codecs: [] },
        room: () => undefined,
        paths: () => [],
        openCall: async () => {
          throw new AntipodeError('ERR_MEDIA_STATE', 'This door carries no media.');
        },
      },
      registry,
      policy: fixedPolicy(DEFAULT_POLICY, clock),
      endpoints: () => [],
      clock,
      log,
      metrics: createMetrics({ processMetrics: false }),
      tokenSecret: new TextEncoder().encode('a secret of the benchmark, longer than 32 bytes'),
      pageDir: null,
      readiness: async () => ({ ok: true, parts: {} }),
    });
    return new OfferedDoor(registry, server, agent);
  }

  /** What the core announces of itself, and that there is another POP. */
  async announce(capacity: NodeRecord['capacity'], sessions: number): Promise<void> {
    const core = nodeOf('core', 'bench-core', capacity, sessions);
    const name = this.#agent;
    const agents = [{ name, title: name, description: '', notices: [], examples: [] }];
    await this.#registry.announce({ ...core, agents }, LEASE_MS);
    await this.#registry.announce(nodeOf('pop', 'bench-other-pop', { sessions: 1_000 }, 0, 'ap-southeast-1'), LEASE_MS);
  }

  async ask(): Promise<Answered> {
    const askedMs = performance.now();
    const response = await fetch(`${this.#server.url}/v1/sessions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${API_KEY}`, 'content-type': 'application/json' },
      body: JSON.stringify({ agent: this.#agent }),
    });
    const body = (await response.json()) as { elsewhere?: object; sessionId?: string };
    const retryAfter = response.headers.get('retry-after');
    return {
      status: response.status,
      tookMs: performance.now() - askedMs,
      retryAfterMs: retryAfter === null ? null : Number(retryAfter) * 1_000,
      elsewhere: body.elsewhere !== undefined,
      sessionId: body.sessionId ?? null,
    };
  }

  /** Its core did not take it. */
  async end(sessionId: string): Promise<void> {
    const headers = { authorization: `Bearer ${API_KEY}` };
    await fetch(`${this.#server.url}/v1/sessions/${sessionId}`, { method: 'DELETE', headers });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.close(END);
    await this.#registry.close();
  }
}

function nodeOf(
  role: 'pop' | 'core',
  nodeId: string,
  capacity: NodeRecord['capacity'],
  sessions: number,
  region = 'local',
): NodeRecord {
  return {
    nodeId,
    role,
    region,
    control: role === 'core' ? { host: '127.0.0.1', port: 1 } : null,
    signalingUrl: role === 'pop' ? 'https://other.example' : null,
    agents: [],
    capacity,
    load: { sessions },
    draining: false,
    startedAt: new Date().toISOString(),
  };
}
