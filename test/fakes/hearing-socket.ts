/**
 * What fakes of streaming speech services share: a real WebSocket server on loopback that checks the key, counts what
 * comes, and misbehaves as it is told. The protocol is the fake's own.
 */
import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo } from 'node:net';
import { performance } from 'node:perf_hooks';
import type { Duplex } from 'node:stream';
import { type WebSocket, WebSocketServer } from 'ws';

export interface HearingFaults {
  /** Answer upgrades with this status. */
  refuse?: number;
  retryAfterSeconds?: number;
  /** Never answer an upgrade. */
  hang?: boolean;
  /** Take everything, say nothing. */
  silent?: boolean;
  /** Say so many things on a connection and nothing more. */
  silentAfter?: number;
  /** Drop the connection when it has taken so many samples; for the next `cuts` connections. */
  cutAfterSamples?: number;
  cuts?: number;
  /** Frames that make no sense before each good one. */
  garbage?: number;
  /** Which these are, in turns; otherwise half a message, a wrong shape and a binary frame. */
  garbageFrames?: readonly (string | Buffer)[];
  /** No good frames at all. */
  garbageOnly?: boolean;
  /** Before everything that it says. */
  latencyMs?: number;
}

export interface HearingDialog {
  message(data: Buffer, isBinary: boolean): void;
}

export class HearingPeer {
  readonly #socket: WebSocket;
  readonly #faults: HearingFaults;
  readonly #latency: () => number;
  readonly query: URLSearchParams;
  /** Messages under way, in order: none overtakes another. */
  readonly #underWay: { readonly dueMs: number; send(): void }[] = [];
  #sent = 0;
  #dropped = false;
  /** Samples taken. */
  samples = 0;

  constructor(socket: WebSocket, faults: HearingFaults, query: URLSearchParams, latency: () => number) {
    this.#socket = socket;
    this.#latency = latency;
    this.#faults = faults;
    this.query = query;
  }

  /** Count audio; false when the connection was dropped for it. */
  took(samples: number): boolean {
    if (this.#dropped) return false;
    this.samples += samples;
    const { cutAfterSamples, cuts = 0 } = this.#faults;
    if (cutAfterSamples === undefined || cuts === 0 || this.samples < cutAfterSamples) return true;
    // Frames that had already come are still told after this, and are no further cut.
    this.#dropped = true;
    this.#faults.cuts = cuts - 1;
    this.#socket.terminate();
    return false;
  }

  /** What is waited for at the end of a turn: it takes the service's latency. */
  answer(message: unknown): void {
    this.#say(message, this.#latency());
  }

  send(message: unknown): void {
    this.#say(message, 0);
  }

  #say(message: unknown, latencyMs: number): void {
    const { silent, silentAfter = Number.POSITIVE_INFINITY, garbage = 0, garbageOnly, garbageFrames } = this.#faults;
    if (this.#dropped || silent || this.#sent++ >= silentAfter) return;
    const frames = garbageFrames ?? ['{"type": "Resu', '{"type": 7}', Buffer.of(1, 2)];
    for (let count = garbage; count > 0; count--) this.#socket.send(frames[count % frames.length]!);
    if (garbageOnly) return;
    const frame = Buffer.isBuffer(message) ? message : JSON.stringify(message);
    this.#after(latencyMs + (this.#faults.latencyMs ?? 0), () => this.#socket.send(frame));
  }

  /** Once what was said before it is out; a service that says nothing more does not say goodbye either. */
  close(code: number): void {
    const { silent, silentAfter = Number.POSITIVE_INFINITY } = this.#faults;
    if (silent || this.#sent >= silentAfter) return;
    this.#after(0, () => this.#socket.close(code));
  }

  #after(delayMs: number, send: () => void): void {
    if (delayMs === 0 && this.#underWay.length === 0) {
      send();
      return;
    }
    const dueMs = Math.max(performance.now() + delayMs, this.#underWay.at(-1)?.dueMs ?? 0);
    if (this.#underWay.push({ dueMs, send }) === 1) this.#wait();
  }

  #wait(): void {
    const first = this.#underWay[0];
    if (first === undefined) return;
    setTimeout(
      () => {
        this.#underWay.shift();
        if (this.#socket.readyState === this.#socket.OPEN) first.send();
        this.#wait();
      },
      Math.max(0, first.dueMs - performance.now()),
    );
  }
}

export interface HearingServerOptions {
  /** What the header must be; null where the key comes in another way. */
  authorization: string | null;
  /** @defaultValue `authorization` */
  keyHeader?: string;
  /** In its place, where the key is in neither header; `url` is that of the server with what was asked for. */
  allows?(url: URL, headers: IncomingHttpHeaders): boolean;
  /** The status for a key that is wrong. @defaultValue 401 */
  deniesWith?: number;
  /** What the service answers to requests that are no upgrade; refusals and hanging are the server's. */
  answers?(request: IncomingMessage, body: string): { readonly status: number; readonly json: unknown };
  /** Before an answer at the end of a turn, drawn for each, ms. */
  latency?: () => number;
  routes: Readonly<Record<string, (peer: HearingPeer) => HearingDialog>>;
}

export class HearingServer {
  readonly faults: HearingFaults = {};
  /** Of every upgrade that was asked for. */
  readonly requests: { url: URL; headers: IncomingHttpHeaders }[] = [];
  readonly #server: Server;
  readonly #sockets = new WebSocketServer({ noServer: true });
  readonly #streams = new Set<Duplex>();

  private constructor(options: HearingServerOptions) {
    this.#server = createServer((request, response) => void this.#answer(request, response, options));
    this.#server.on('connection', (stream) => {
      this.#streams.add(stream);
      stream.on('close', () => this.#streams.delete(stream));
    });
    this.#server.on('upgrade', (request, stream, head) => {
      this.#streams.add(stream);
      stream.on('close', () => this.#streams.delete(stream));
      stream.on('error', () => {});
      const url = new URL(request.url ?? '', this.url);
      this.requests.push({ url, headers: request.headers });
      const route = options.routes[url.pathname];
      if (this.faults.hang) return;
      const given = request.headers[options.keyHeader ?? 'authorization'];
      const allowed =
        options.allows?.(url, request.headers) ?? (options.authorization === null || given === options.authorization);
      const status = this.faults.refuse ?? (allowed ? (route ? 101 : 404) : (options.deniesWith ?? 401));
      if (status !== 101 || route === undefined) {
        const retry = this.faults.retryAfterSeconds;
        const wait = retry === undefined ? '' : `retry-after: ${retry}\r\n`;
        stream.end(`HTTP/1.1 ${status} Refused\r\n${wait}connection: close\r\ncontent-length: 0\r\n\r\n`);
        return;
      }
      this.#sockets.handleUpgrade(request, stream, head, (socket) => {
        const dialog = route(new HearingPeer(socket, this.faults, url.searchParams, options.latency ?? (() => 0)));
        socket.on('message', (data, isBinary) => dialog.message(data as Buffer, isBinary));
        socket.on('error', () => {});
      });
    });
  }

  async #answer(request: IncomingMessage, response: ServerResponse, options: HearingServerOptions): Promise<void> {
    if (this.faults.hang) return;
    let body = '';
    for await (const chunk of request) body += chunk;
    const { refuse, retryAfterSeconds: retry } = this.faults;
    const answer = options.answers?.(request, body) ?? { status: 404, json: null };
    if (retry !== undefined) response.setHeader('retry-after', retry);
    response.setHeader('content-type', 'application/json');
    response.writeHead(refuse ?? answer.status).end(JSON.stringify(refuse === undefined ? answer.json : null));
  }

  static async start(options: HearingServerOptions): Promise<HearingServer> {
    const server = new HearingServer(options);
    await new Promise<void>((resolve) => server.#server.listen(0, '127.0.0.1', resolve));
    return server;
  }

  get url(): string {
    return `ws://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Connections that are open. */
  get openCount(): number {
    return this.#sockets.clients.size;
  }

  /** Take no more bytes off the wires that are open. */
  deafen(): void {
    for (const socket of this.#sockets.clients) socket.pause();
  }

  /** Drop every connection, as a network does. */
  dropAll(): void {
    for (const socket of this.#sockets.clients) socket.terminate();
  }

  async close(): Promise<void> {
    if (!this.#server.listening) return;
    for (const stream of this.#streams) stream.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
