/** A core's control server with handlers that write down what they hear, POPs to dial it, and bare sockets to abuse it. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as tlsConnect } from 'node:tls';
import { WebSocket } from 'ws';
import {
  ControlClient,
  type ControlClientOptions,
  ControlServer,
  type ControlServerOptions,
  type CoreHandlers,
  type DevelopmentCa,
  ensureDevelopmentCa,
  type HandledPopRequestMethod,
  type NodeIdentity,
  type NodeRole,
  type PopPeer,
  type PopRequestAnswer,
  type PopRequestData,
} from '../../../src/backbone/index.ts';
import { type Clock, systemClock } from '../../../src/clock.ts';
import { createMetrics, type Registry, silentLogger } from '../../../src/telemetry/index.ts';

export async function temporaryCa(): Promise<DevelopmentCa> {
  const dir = await mkdtemp(join(tmpdir(), 'antipode-pki-'));
  try {
    return await ensureDevelopmentCa(dir);
  } finally {
    await rm(dir, { recursive: true });
  }
}

type RequestHandler = (peer: PopPeer, method: HandledPopRequestMethod, data: unknown) => Promise<unknown>;

/** Answers with `answer`, and keeps everything that it heard, in order, as lines. */
export class Recorder implements CoreHandlers {
  readonly heard: string[] = [];
  readonly peers: PopPeer[] = [];
  answer: RequestHandler = async () => ({});
  #waiting: { line: string; resolve: () => void }[] = [];

  request<M extends HandledPopRequestMethod>(
    peer: PopPeer,
    method: M,
    data: PopRequestData<M>,
  ): Promise<PopRequestAnswer<M>> {
    this.note(`request ${method} ${sessionOf(data)}`);
    return this.answer(peer, method, data) as Promise<PopRequestAnswer<M>>;
  }

  event(_peer: PopPeer, event: string, data: unknown): void {
    this.note(`event ${event} ${sessionOf(data)}`);
  }

  peerOpened(peer: PopPeer): void {
    this.peers.push(peer);
    this.note(`opened ${peer.nodeId} ${peer.region}`);
  }

  peerClosed(peer: PopPeer, reason: Error & { code?: string }): void {
    this.note(`closed ${peer.nodeId} ${reason.code}`);
  }

  note(line: string): void {
    this.heard.push(line);
    this.#waiting = this.#waiting.filter((one) => {
      if (one.line !== line) return true;
      one.resolve();
      return false;
    });
  }

  /** Resolves when `line` was heard `times` times in all. */
  async until(line: string, times = 1): Promise<void> {
    while (this.heard.filter((one) => one === line).length < times) {
      await new Promise<void>((resolve) => this.#waiting.push({ line, resolve }));
    }
  }
}

function sessionOf(data: unknown): string {
  const { sessionId, pipeId } = data as { sessionId?: string; pipeId?: string };
  return sessionId ?? pipeId ?? '';
}

export class Backbone implements AsyncDisposable {
  readonly ca: DevelopmentCa;
  readonly server: ControlServer;
  readonly handlers: Recorder;
  readonly metrics: Registry;
  readonly #clock: Clock;
  readonly #clients: ControlClient[] = [];
  readonly #sockets: WebSocket[] = [];

  private constructor(ca: DevelopmentCa, server: ControlServer, handlers: Recorder, metrics: Registry, clock: Clock) {
    this.ca = ca;
    this.server = server;
    this.handlers = handlers;
    this.metrics = metrics;
    this.#clock = clock;
  }

  static async start(options: Partial<ControlServerOptions> = {}, ca?: DevelopmentCa): Promise<Backbone> {
    const authority = ca ?? (await temporaryCa());
    const handlers = new Recorder();
    const metrics = createMetrics({ processMetrics: false });
    const clock = options.clock ?? systemClock;
    const server = await ControlServer.listen({
      host: '127.0.0.1',
      port: 0,
      identity: await authority.issue({ nodeId: 'core-1', role: 'core' }),
      region: 'home',
      clock,
      log: silentLogger,
      metrics,
      handlers,
      ...options,
    });
    return new Backbone(authority, server, handlers, metrics, clock);
  }

  async dial(options: Partial<ControlClientOptions> & { nodeId?: string } = {}): Promise<ControlClient> {
    const { nodeId = 'pop-1', ...rest } = options;
    const client = await ControlClient.connect({
      host: '127.0.0.1',
      port: this.server.port,
      expectNodeId: 'core-1',
      identity: await this.ca.issue({ nodeId, role: 'pop' }),
      region: 'away',
      clock: this.#clock,
      log: silentLogger,
      metrics: this.metrics,
      requestTimeoutMs: 5_000,
      random: () => 1,
      ...rest,
    });
    this.#clients.push(client);
    return client;
  }

  /** An open WebSocket with a POP's certificate that has said nothing yet. */
  async bare(nodeId = 'pop-1', role: NodeRole = 'pop'): Promise<WebSocket> {
    const socket = bareSocket(this.server.port, await this.ca.issue({ nodeId, role }));
    this.#sockets.push(socket);
    await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject));
    return socket;
  }

  /** As `bare`, and hello was answered. */
  async greeted(nodeId = 'pop-1'): Promise<WebSocket> {
    const socket = await this.bare(nodeId);
    const answered = nextMessage(socket);
    socket.send(JSON.stringify(hello(nodeId)));
    await answered;
    return socket;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const client of this.#clients) client.close();
    for (const socket of this.#sockets) socket.terminate();
    await this.server.close();
  }
}

export function bareSocket(port: number, identity: NodeIdentity): WebSocket {
  const socket = new WebSocket(`wss://127.0.0.1:${port}/`, {
    createConnection: () =>
      tlsConnect({
        host: '127.0.0.1',
        port,
        ca: identity.caPem,
        cert: identity.certPem,
        key: identity.keyPem,
        checkServerIdentity: () => undefined,
      }),
  });
  socket.on('error', () => {});
  return socket;
}

export function hello(nodeId = 'pop-1', version = 1) {
  return { id: 1, method: 'hello', data: { version, nodeId, region: 'away' } };
}

export function nextMessage(socket: WebSocket): Promise<Record<string, unknown>> {
  return new Promise((resolve) => socket.once('message', (data) => resolve(JSON.parse(data.toString()))));
}

export function closing(socket: WebSocket): Promise<{ code: number; reason: string }> {
  return new Promise((resolve) => {
    socket.once('close', (code, reason) => resolve({ code, reason: reason.toString() }));
  });
}

export const ready = (sessionId: string) => ({ sessionId, epoch: 1 });
export const played = (sessionId: string) => ({ sessionId, epoch: 1, timestamp: 960, frames: 1 });
export const flush = (sessionId: string) => ({ sessionId, epoch: 1, beforeTimestamp: 960 });
