/**
 * A POP as a page sees one: REST, the signaling WebSocket and, when asked, real WebRTC that echoes the caller. A test
 * scripts what it refuses, what its agent says and when things break. It checks requests against the protocol's
 * schemas and keeps a record of them; it owns no session logic beyond that.
 */
import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { extname, join, normalize } from 'node:path';
import { type WebSocket, WebSocketServer } from 'ws';
import type { ClientEvent, SessionEnd } from '../../src/agent/client-events.ts';
import { delay, systemClock } from '../../src/clock.ts';
import { ERROR_CODES, type ErrorCode } from '../../src/errors.ts';
import {
  CLOSE_CODES,
  type CreateSessionRequest,
  createSessionRequestSchema,
  type Grant,
  type JoinAnswer,
  type OtherPop,
  type Participant,
  type PlacementView,
  type PopList,
  requestFrameSchema,
  type SignalingMethod,
  signalingRequests,
} from '../../src/signaling/protocol.ts';
import { contentSecurityPolicy } from '../../src/signaling/security-headers.ts';
import { FakeMedia, OFFERED_WITHOUT_MEDIA } from './fake-media.ts';

export interface FakePopOptions {
  /** Folder of the built page; null serves none. */
  pageDir?: string | null;
  /** Real media by a mediasoup worker (MEDIASOUP_WORKER_BIN, or mediasoup's own); else the transports lead nowhere. */
  media?: boolean;
  resumeWindowMs?: number;
}

export interface Refusal {
  code: ErrorCode;
  message?: string;
  /** Seconds. */
  retryAfter?: number;
}

export interface RecordedRequest {
  method: SignalingMethod;
  data: unknown;
}

export const FAKE_AGENTS = [
  {
    name: 'front-desk',
    title: 'Front desk',
    description: 'Tells the time, takes a booking, counts to thirty so that you can interrupt it.',
    notices: [
      {
        level: 'info' as const,
        code: 'keyless-grammar',
        text: 'No speech service is configured, so this agent understands a fixed set of sentences, like the examples.',
      },
    ],
    examples: ['What time is it?', 'I would like to book a table for two people', 'Count to thirty', 'Goodbye'],
    open: true,
  },
  {
    name: 'echo',
    title: 'Echo',
    description: 'Says back what you say. Good for hearing how far away you are.',
    notices: [],
    examples: ['Anything at all'],
    open: true,
  },
];

export const FAKE_PLACEMENT: PlacementView = {
  pop: { nodeId: 'pop-syd-1', region: 'ap-southeast-2' },
  core: { nodeId: 'core-iad-2', region: 'us-east-1' },
  caller: { country: 'AU', city: 'Sydney', how: 'address looked up in geoip-lite' },
  reason: 'The speech and language services answer from us-east-1: one long haul beats three.',
  prediction: {
    predictedMs: { p50: 1_624.4, p95: 2_412 },
    parts: { callerPop: 18, popCore: 201.4, stt: 253, llm: 552, tts: 100, endpointing: 500 },
    sources: { callerPop: 'distance', popCore: 'matrix', 'llm path': 'matrix', llm: 'catalogue' },
    endpoints: { llm: { id: 'openai@us', region: 'us-east-1' } },
    alternatives: [
      {
        core: 'ap-southeast-2',
        predictedMs: { p50: 2_004.4, p95: 2_800 },
        parts: { callerPop: 18, popCore: 4.4, stt: 450, llm: 732, tts: 300, endpointing: 500 },
        excluded: null,
      },
      {
        core: 'eu-central-1',
        predictedMs: null,
        parts: {},
        excluded: 'eu-central-1 is outside the pin "us" (request)',
      },
    ],
    pins: [{ places: ['us', 'au'], from: 'request' }],
  },
};

const TYPES: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.svg': 'image/svg+xml',
};

export class FakePop {
  /** Every valid signaling request, in the order of arrival. */
  readonly requests: RecordedRequest[] = [];
  agents: readonly (typeof FAKE_AGENTS)[number][] = FAKE_AGENTS;
  placement: PlacementView = FAKE_PLACEMENT;
  /** Answers to REST and signaling requests, instead of the right ones. */
  readonly refusals = new Map<SignalingMethod | 'agents' | 'create', Refusal>();
  /** Requests of these methods are never answered. */
  readonly silent = new Set<SignalingMethod>();
  /** What answers tell of other POPs. */
  elsewhere: OtherPop[] = [];
  /** The POP that had the session before: its newest resume token opens it here. */
  takesFrom: FakePop | null = null;
  /** Beside a refusal of `create`: another POP to ask. */
  createElsewhere: string | null = null;
  /** Who is in the room; the first is the caller. Null: the caller has no seat. */
  participants: Participant[] | null = null;
  /** What the token of a session grants, as its claims say. */
  grants: Grant[] = [];
  /** New sockets are cut at once. */
  refuseSockets = false;
  sessionTtlMs = 120_000;
  sessionsCreated = 0;
  /** What `GET /v1/pops` tells beside this POP. */
  otherPops: PopList['pops'] = [];
  /** Where requests for a session with probes are sent on to. */
  sendOnTo: string | null = null;
  /** What sessions were asked for with. */
  readonly asked: CreateSessionRequest[] = [];
  /** Requests of `GET /v1/pops` and `GET /v1/probe`. */
  popsAsked = 0;
  probesAsked = 0;
  /** Before a probe or a list of POPs is answered, ms. */
  probeDelayMs = 0;
  popsDelayMs = 0;
  probeStatus = 204;
  readonly media: FakeMedia | null;

  readonly #http: Server;
  readonly #sockets: WebSocketServer;
  readonly #connections = new Set<Socket>();
  readonly #options: Required<FakePopOptions>;
  #current: WebSocket | null = null;
  #resumeToken = '';

  private constructor(options: Required<FakePopOptions>, media: FakeMedia | null) {
    this.#options = options;
    this.media = media;
    this.#http = createServer((request, response) => {
      this.#serve(request, response).catch((error) => response.writeHead(500).end(String(error)));
    });
    this.#http.on('connection', (socket) => {
      this.#connections.add(socket);
      socket.on('close', () => this.#connections.delete(socket));
    });
    this.#sockets = new WebSocketServer({ server: this.#http, path: '/v1/signaling' });
    this.#sockets.on('connection', (socket) => this.#accept(socket));
  }

  static async start(options: FakePopOptions = {}): Promise<FakePop> {
    const complete = { pageDir: null, media: false, resumeWindowMs: 30_000, ...options };
    const media = complete.media ? await FakeMedia.start() : null;
    const pop = new FakePop(complete, media);
    await new Promise<void>((resolve) => pop.#http.listen(0, '127.0.0.1', resolve));
    return pop;
  }

  get port(): number {
    return (this.#http.address() as AddressInfo).port;
  }

  /** `http://localhost:PORT`, a secure context for browsers. */
  get url(): string {
    return `http://localhost:${this.port}`;
  }

  get signalingUrl(): string {
    return `ws://127.0.0.1:${this.port}/v1/signaling`;
  }

  /** The newest that it handed out. */
  get resumeToken(): string {
    return this.#resumeToken;
  }

  /** As other POPs tell of it. */
  get asOther(): OtherPop {
    const { nodeId: pop, region } = this.placement.pop;
    return { pop, region, signalingUrl: this.signalingUrl };
  }

  /** Sockets that are open now. */
  get socketCount(): number {
    return this.#sockets.clients.size;
  }

  /** Something that the agent tells. */
  tell(event: ClientEvent): void {
    this.sendRaw({ event: 'agent', data: event });
  }

  /** Somebody of the room. */
  tellOf(notice: 'participant-joined' | 'participant-changed' | 'participant-left', participant: Participant): void {
    this.sendRaw({ event: notice, data: participant });
  }

  end(end: SessionEnd): void {
    this.sendRaw({ event: 'session-ended', data: end });
    this.#current?.close(CLOSE_CODES.sessionEnded);
  }

  loseMedia(): void {
    this.sendRaw({ event: 'media-lost', data: { code: 'ERR_MEDIA_WORKER_DIED', reason: 'The media worker died.' } });
  }

  sendRaw(frame: unknown): void {
    this.#current?.send(typeof frame === 'string' ? frame : JSON.stringify(frame));
  }

  /** Cut the caller's socket as a network would, or with a close code. */
  drop(closeCode?: number): void {
    if (closeCode === undefined) this.#current?.terminate();
    else this.#current?.close(closeCode);
    this.#current = null;
  }

  count(method: SignalingMethod): number {
    return this.requests.filter((request) => request.method === method).length;
  }

  /** Data of the newest request of a method. */
  last(method: SignalingMethod): unknown {
    return this.requests.findLast((request) => request.method === method)?.data;
  }

  async close(): Promise<void> {
    for (const client of this.#sockets.clients) client.terminate();
    for (const connection of this.#connections) connection.destroy();
    await new Promise<void>((resolve) => this.#http.close(() => resolve()));
    await this.media?.close();
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = new URL(request.url ?? '/', this.url).pathname;
    if (path === '/v1/agents') {
      if (!this.#refused(response, 'agents')) sendJson(response, 200, { agents: this.agents });
      return;
    }
    if (path === '/v1/pops') {
      this.popsAsked += 1;
      await delay(systemClock, this.popsDelayMs);
      const own = { pop: 'pop-syd-1', region: 'ap-southeast-2', probeUrl: `${this.url}/v1/probe`, expectedMs: 18 };
      sendJson(response, 200, { pops: [own, ...this.otherPops], probeWithinMs: 150 } satisfies PopList);
      return;
    }
    if (path === '/v1/probe') {
      this.probesAsked += 1;
      await delay(systemClock, this.probeDelayMs);
      response.writeHead(this.probeStatus, { 'access-control-allow-origin': '*', 'timing-allow-origin': '*' }).end();
      return;
    }
    if (path === '/v1/sessions' && request.method === 'POST') {
      await this.#create(request, response);
      return;
    }
    await this.#servePage(path, response);
  }

  async #create(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = createSessionRequestSchema.parse(JSON.parse(Buffer.concat(chunks).toString()));
    this.asked.push(body);
    if (this.sendOnTo !== null && body.probes !== undefined) {
      response.writeHead(307, { location: this.sendOnTo }).end();
      return;
    }
    if (this.#refused(response, 'create')) return;
    if (!this.agents.some((agent) => agent.name === body.agent)) {
      sendRefusal(response, { code: 'ERR_AGENT_UNKNOWN' });
      return;
    }
    this.sessionsCreated += 1;
    sendJson(response, 201, {
      sessionId: 's-1',
      room: 'r-1',
      signalingUrl: this.signalingUrl,
      token: this.#token(body.agent),
      iceServers: [],
      expiresAt: new Date(Date.now() + this.sessionTtlMs).toISOString(),
      placement: this.placement,
    });
  }

  #refused(response: ServerResponse, what: 'agents' | 'create'): boolean {
    const refusal = this.refusals.get(what);
    const elsewhere = what === 'create' && this.createElsewhere ? { sessionsUrl: this.createElsewhere } : null;
    if (refusal) sendRefusal(response, refusal, elsewhere);
    return refusal !== undefined;
  }

  async #servePage(path: string, response: ServerResponse): Promise<void> {
    const { pageDir } = this.#options;
    if (pageDir === null) {
      response.writeHead(404).end();
      return;
    }
    const file = join(pageDir, normalize(path === '/' ? '/index.html' : path));
    const body = await readFile(file).catch(() => null);
    if (body === null) {
      response.writeHead(404).end();
      return;
    }
    response.setHeader('Content-Security-Policy', contentSecurityPolicy(`ws://127.0.0.1:${this.port}`));
    response.writeHead(200, { 'content-type': TYPES[extname(file)] ?? 'application/octet-stream' }).end(body);
  }

  #accept(socket: WebSocket): void {
    if (this.refuseSockets) {
      socket.terminate();
      return;
    }
    socket.on('message', (raw) => {
      this.#handle(socket, String(raw)).catch((error: Error) => socket.close(CLOSE_CODES.protocolError, error.message));
    });
  }

  async #handle(socket: WebSocket, raw: string): Promise<void> {
    const frame = requestFrameSchema.parse(JSON.parse(raw));
    const method = frame.method as SignalingMethod;
    const data = signalingRequests[method].data.parse(frame.data);
    this.requests.push({ method, data });
    if (this.silent.has(method)) return;
    const refusal = this.refusals.get(method);
    try {
      if (refusal) throw new RefusedError(refusal);
      const answer = await this.#answer(socket, method, data);
      socket.send(JSON.stringify({ id: frame.id, ok: true, data: answer }));
    } catch (error) {
      const refused = error instanceof RefusedError ? error.refusal : { code: 'ERR_INTERNAL' as const };
      socket.send(JSON.stringify({ id: frame.id, ok: false, error: wireError(refused) }));
    }
  }

  async #answer(socket: WebSocket, method: SignalingMethod, data: unknown): Promise<unknown> {
    switch (method) {
      case 'join': {
        const { token } = data as { token: string };
        this.#current = socket;
        return this.#joinAnswer(token.split('.')[0]!.split(':')[1] ?? '', true);
      }
      case 'resume': {
        const { resumeToken, keepMedia } = data as { resumeToken: string; keepMedia: boolean };
        if (resumeToken === this.takesFrom?.resumeToken) {
          this.#current = socket;
          return { ...(await this.#joinAnswer('front-desk', true)), adopted: true };
        }
        if (resumeToken !== this.#resumeToken) throw new RefusedError({ code: 'ERR_TOKEN_INVALID' });
        const previous = this.#current;
        this.#current = socket;
        if (previous !== socket) previous?.close(CLOSE_CODES.superseded);
        const alive = this.media === null || this.media.alive;
        return this.#joinAnswer('front-desk', !(keepMedia && alive));
      }
      case 'consume':
        return this.media?.consume(data as never) ?? CONSUMED_WITHOUT_MEDIA;
      case 'produce':
        return this.media?.produce(data as never) ?? { producerId: 'p-1' };
      case 'connectTransport':
        await this.media?.connectTransport(data as never);
        return {};
      case 'restartIce':
        return this.media?.restartIce(data as never) ?? { iceParameters: OFFERED_WITHOUT_MEDIA.iceParameters };
      case 'ping':
        return { serverTime: new Date().toISOString() };
      case 'message':
      case 'mute':
      case 'remove':
      case 'leave':
        return {};
    }
  }

  /** Shaped as a JWT when it has something to say. */
  #token(agent: string): string {
    if (this.grants.length === 0) return `join:${agent}`;
    return `join:${agent}.${Buffer.from(JSON.stringify({ grants: this.grants })).toString('base64url')}.`;
  }

  async #joinAnswer(agentName: string, newMedia: boolean): Promise<JoinAnswer> {
    const agent = this.agents.find((entry) => entry.name === agentName) ?? this.agents[0]!;
    const offered = newMedia ? ((await this.media?.offer()) ?? [OFFERED_WITHOUT_MEDIA, OFFERED_WITHOUT_MEDIA]) : null;
    this.#resumeToken = randomUUID();
    return {
      version: 1,
      sessionId: 's-1',
      room: 'r-1',
      agent,
      resumeToken: this.#resumeToken,
      resumeWindowMs: this.#options.resumeWindowMs,
      mediaKept: offered === null,
      routerRtpCapabilities: (this.media?.routerRtpCapabilities ?? {
        codecs: CODECS,
      }) as JoinAnswer['routerRtpCapabilities'],
      sendTransport: offered?.[0] ?? null,
      recvTransport: offered?.[1] ?? null,
      iceServers: [],
      placement: this.placement,
      ...(this.participants && {
        participant: { participantId: this.participants[0]!.participantId },
        participants: this.participants,
      }),
      ...(this.elsewhere.length > 0 && { elsewhere: this.elsewhere }),
    };
  }
}

class RefusedError extends Error {
  readonly refusal: Refusal;

  constructor(refusal: Refusal) {
    super(refusal.code);
    this.refusal = refusal;
  }
}

const CODECS = [
  { kind: 'audio' as const, mimeType: 'audio/opus', preferredPayloadType: 100, clockRate: 48_000, channels: 2 },
];

const CONSUMED_WITHOUT_MEDIA = {
  consumerId: 'c-1',
  producerId: 'p-2',
  kind: 'audio',
  rtpParameters: { codecs: [{ mimeType: 'audio/opus', payloadType: 100, clockRate: 48_000, channels: 2 }] },
};

function wireError(refusal: Refusal): { code: string; message: string; retryable: boolean } {
  const { code, message = `Refused by the script: ${refusal.code}.` } = refusal;
  return { code, message, retryable: ERROR_CODES[code].retryable };
}

function sendRefusal(response: ServerResponse, refusal: Refusal, elsewhere: object | null = null): void {
  if (refusal.retryAfter !== undefined) response.setHeader('Retry-After', String(refusal.retryAfter));
  sendJson(response, ERROR_CODES[refusal.code].status, {
    error: wireError(refusal),
    ...(elsewhere && { elsewhere }),
  });
}

function sendJson(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}
