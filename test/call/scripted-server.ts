/**
 * A small POP for the caller's tests: the real signaling protocol on HTTP and WebSocket, a real mediasoup router with
 * WebRTC transports, and behind it an agent that follows a script to the 20 ms, so that what a caller must measure is
 * known beforehand. It can also drop a caller's socket or lose its media.
 */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createDecoder, createEncoder } from 'libopus-wasm';
import { createWorker } from 'mediasoup';
import type {
  Consumer,
  DirectTransport,
  Producer,
  Router,
  WebRtcServer,
  WebRtcTransport,
  Worker,
} from 'mediasoup/types';
import { RtpHeader, RtpPacket } from 'werift-rtp';
import { type WebSocket, WebSocketServer } from 'ws';
import type { ClientEvent, SessionEnd } from '../../src/agent/client-events.ts';
import { requestFrameSchema, signalingRequests } from '../../src/signaling/protocol.ts';

const FRAME_MS = 20;
const AGENT_SSRC = 7_777;
/** RMS of a packet from which it is speech, full scale 32768. */
const VOICED_RMS = 164;

export interface AgentPort {
  /** Append Opus packets to what is being said. */
  say(packets: readonly Buffer[]): void;
  /** Forget what has not been said. */
  flush(): void;
  /** Milliseconds of audio that have not been said yet. */
  readonly queuedMs: number;
  send(event: ClientEvent): void;
  end(end: SessionEnd): void;
}

/** What an agent does: told of its start and of every packet of the caller. */
export interface Script {
  started?(agent: AgentPort): void;
  heard?(agent: AgentPort, payload: Buffer, voiced: boolean): void;
}

interface Session {
  id: string;
  token: string;
  generation: number;
  socket: WebSocket | null;
  send: WebRtcTransport | null;
  recv: WebRtcTransport | null;
  direct: DirectTransport | null;
  agentProducer: Producer | null;
  script: Script;
  queue: Buffer[];
  sequenceNumber: number;
  timestamp: number;
  ticker: NodeJS.Timeout | null;
  startedAtMs: number;
  sent: number;
}

/** Opus packets of a 440 Hz tone, or of silence. */
export async function opusPackets(durationMs: number, amplitude: number): Promise<Buffer[]> {
  const encoder = await createEncoder({ channels: 1, sampleRate: 48_000, frameSize: 960 });
  const packets: Buffer[] = [];
  for (let frame = 0; frame < durationMs / FRAME_MS; frame++) {
    const pcm = Int16Array.from({ length: 960 }, (_, k) =>
      Math.round(amplitude * Math.sin((2 * Math.PI * 440 * (frame * 960 + k)) / 48_000)),
    );
    packets.push(Buffer.from(encoder.encode(pcm)));
  }
  encoder.free();
  return packets;
}

export class ScriptedServer {
  readonly url: string;
  readonly sessions = new Map<string, Session>();
  readonly #http: Server;
  readonly #sockets: WebSocketServer;
  readonly #worker: Worker;
  readonly #router: Router;
  readonly #webRtcServer: WebRtcServer;
  readonly #makeScript: (agent: string) => Script | null;
  readonly #silence: Buffer;
  /** `keepMedia` of every resume as it came. */
  readonly resumes: boolean[] = [];

  static async start(makeScript: (agent: string) => Script | null): Promise<ScriptedServer> {
    const worker = await createWorker({ logLevel: 'error' });
    const router = await worker.createRouter({
      mediaCodecs: [
        {
          kind: 'audio',
          mimeType: 'audio/opus',
          clockRate: 48_000,
          channels: 2,
          preferredPayloadType: 100,
          parameters: { useinbandfec: 1 },
        },
      ],
    });
    const webRtcServer = await worker.createWebRtcServer({
      listenInfos: [{ protocol: 'udp', ip: '127.0.0.1', port: 0 }],
    });
    const silence = (await opusPackets(FRAME_MS, 0))[0]!;
    const http = createServer();
    await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
    return new ScriptedServer(http, worker, router, webRtcServer, makeScript, silence);
  }

  private constructor(
    http: Server,
    worker: Worker,
    router: Router,
    webRtcServer: WebRtcServer,
    makeScript: (agent: string) => Script | null,
    silence: Buffer,
  ) {
    this.#http = http;
    this.#worker = worker;
    this.#router = router;
    this.#webRtcServer = webRtcServer;
    this.#makeScript = makeScript;
    this.#silence = silence;
    this.url = `http://127.0.0.1:${(http.address() as AddressInfo).port}`;
    this.#sockets = new WebSocketServer({ server: http });
    this.#sockets.on('connection', (socket) => this.#onSocket(socket));
    http.on('request', (request, response) => {
      let body = '';
      request.on('data', (chunk: Buffer) => {
        body += chunk.toString();
      });
      request.on('end', () => {
        const [status, answer] = this.#createSession(JSON.parse(body).agent);
        response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(answer));
      });
    });
  }

  /** Cut a session's socket off without a goodbye. */
  dropSocket(session: Session): void {
    session.socket?.terminate();
  }

  /** As when a media worker dies: the transports are gone and the client is told. */
  loseMedia(session: Session): void {
    session.send?.close();
    session.recv?.close();
    session.send = null;
    session.recv = null;
    session.socket?.send(JSON.stringify({ event: 'media-lost', data: { code: 'ERR_MEDIA_WORKER_DIED', reason: '-' } }));
  }

  close(): void {
    for (const session of this.sessions.values()) if (session.ticker) clearInterval(session.ticker);
    for (const socket of this.#sockets.clients) socket.terminate();
    this.#sockets.close();
    this.#http.close();
    this.#http.closeAllConnections();
    this.#worker.close();
  }

  #createSession(agent: string): [number, unknown] {
    const script = this.#makeScript(agent);
    if (!script) {
      return [404, { error: { code: 'ERR_AGENT_UNKNOWN', message: `No agent ${agent}.`, retryable: false } }];
    }
    const id = `s${this.sessions.size + 1}`;
    this.sessions.set(id, {
      id,
      token: `token-${id}`,
      generation: 1,
      socket: null,
      send: null,
      recv: null,
      direct: null,
      agentProducer: null,
      script,
      queue: [],
      sequenceNumber: 0,
      timestamp: 0,
      ticker: null,
      startedAtMs: 0,
      sent: 0,
    });
    const answer = {
      sessionId: id,
      room: id,
      signalingUrl: this.url.replace('http', 'ws'),
      token: `token-${id}`,
      iceServers: [],
      expiresAt: new Date(Date.now() + 60_000).toISOString(),
      placement: this.#placement(),
    };
    return [201, answer];
  }

  #placement() {
    const node = { nodeId: 'local', region: 'local' };
    return { pop: node, core: node, caller: { country: null, city: null, how: 'test' }, reason: 'test' };
  }

  #onSocket(socket: WebSocket): void {
    let session: Session | null = null;
    socket.on('message', async (text) => {
      const { id, method, data } = requestFrameSchema.parse(JSON.parse(text.toString()));
      try {
        if (method === 'join' || method === 'resume') session = this.#enter(socket, method, data);
        if (!session) throw new Error('join first');
        socket.send(JSON.stringify({ id, ok: true, data: await this.#handle(session, method, data) }));
      } catch (error) {
        const message = error instanceof Error ? error.message : String(error);
        socket.send(JSON.stringify({ id, ok: false, error: { code: 'ERR_TOKEN_INVALID', message, retryable: false } }));
        socket.close(4002);
      }
    });
  }

  #enter(socket: WebSocket, method: 'join' | 'resume', data: unknown): Session {
    const token =
      method === 'join'
        ? signalingRequests.join.data.parse(data).token
        : signalingRequests.resume.data.parse(data).resumeToken;
    const session = [...this.sessions.values()].find(
      (one) => token === (method === 'join' ? one.token : `resume-${one.id}-${one.generation}`),
    );
    if (!session) throw new Error('no such token');
    session.socket = socket;
    session.generation++;
    return session;
  }

  async #handle(session: Session, method: string, data: unknown): Promise<unknown> {
    switch (method) {
      case 'join':
        return this.#joinAnswer(session, false);
      case 'resume': {
        const { keepMedia } = signalingRequests.resume.data.parse(data);
        this.resumes.push(keepMedia);
        return this.#joinAnswer(session, keepMedia && session.send !== null);
      }
      case 'connectTransport': {
        const { transportId, dtlsParameters } = signalingRequests.connectTransport.data.parse(data);
        const transport = [session.send, session.recv].find((one) => one?.id === transportId);
        await transport!.connect({ dtlsParameters });
        return {};
      }
      case 'produce': {
        const { rtpParameters } = signalingRequests.produce.data.parse(data);
        const producer = await session.send!.produce({ kind: 'audio', rtpParameters: rtpParameters as never });
        await this.#listen(session, producer);
        return { producerId: producer.id };
      }
      case 'consume': {
        const { rtpCapabilities } = signalingRequests.consume.data.parse(data);
        const producer = await this.#agentProducer(session);
        const consumer = await session.recv!.consume({
          producerId: producer.id,
          rtpCapabilities: rtpCapabilities as never,
        });
        this.#startAgent(session);
        const { id: consumerId, producerId, rtpParameters } = consumer;
        return { consumerId, producerId, kind: 'audio', rtpParameters };
      }
      case 'ping':
        return { serverTime: new Date().toISOString() };
      case 'leave':
        if (session.ticker) clearInterval(session.ticker);
        return {};
      default:
        throw new Error(`no ${method} here`);
    }
  }

  async #joinAnswer(session: Session, mediaKept: boolean) {
    if (!mediaKept) {
      session.send = await this.#router.createWebRtcTransport({ webRtcServer: this.#webRtcServer });
      session.recv = await this.#router.createWebRtcTransport({ webRtcServer: this.#webRtcServer });
    }
    return {
      version: 1,
      sessionId: session.id,
      room: session.id,
      agent: { name: 'scripted', title: '', description: '', notices: [], examples: [] },
      resumeToken: `resume-${session.id}-${session.generation}`,
      resumeWindowMs: 5_000,
      mediaKept,
      routerRtpCapabilities: this.#router.rtpCapabilities,
      sendTransport: mediaKept ? null : offered(session.send!),
      recvTransport: mediaKept ? null : offered(session.recv!),
      iceServers: [],
      placement: this.#placement(),
    };
  }

  async #direct(session: Session): Promise<DirectTransport> {
    session.direct ??= await this.#router.createDirectTransport();
    return session.direct;
  }

  async #agentProducer(session: Session): Promise<Producer> {
    session.agentProducer ??= await (await this.#direct(session)).produce({
      kind: 'audio',
      rtpParameters: {
        codecs: [{ mimeType: 'audio/opus', payloadType: 100, clockRate: 48_000, channels: 2 }],
        encodings: [{ ssrc: AGENT_SSRC }],
      },
    });
    return session.agentProducer;
  }

  async #listen(session: Session, producer: Producer): Promise<void> {
    const direct = await this.#direct(session);
    const consumer: Consumer = await direct.consume({
      producerId: producer.id,
      rtpCapabilities: this.#router.rtpCapabilities,
    });
    const decoder = await createDecoder({ channels: 1, sampleRate: 16_000 });
    consumer.observer.once('close', () => decoder.free());
    consumer.on('rtp', (packet) => {
      const { payload } = RtpPacket.deSerialize(packet);
      const pcm = decoder.decode(payload);
      const energy = pcm.reduce((sum, sample) => sum + sample * sample, 0);
      session.script.heard?.(this.#port(session), payload, energy > VOICED_RMS * VOICED_RMS * pcm.length);
    });
  }

  #startAgent(session: Session): void {
    if (session.ticker) return;
    session.startedAtMs = performance.now();
    session.ticker = setInterval(() => {
      while (session.startedAtMs + session.sent * FRAME_MS <= performance.now()) this.#sendFrame(session);
    }, 5);
    session.script.started?.(this.#port(session));
  }

  #sendFrame(session: Session): void {
    const header = new RtpHeader({
      payloadType: 100,
      sequenceNumber: session.sequenceNumber,
      timestamp: session.timestamp,
      ssrc: AGENT_SSRC,
      marker: false,
    });
    session.agentProducer!.send(new RtpPacket(header, session.queue.shift() ?? this.#silence).serialize());
    session.sequenceNumber = (session.sequenceNumber + 1) & 0xffff;
    session.timestamp = (session.timestamp + 960) >>> 0;
    session.sent++;
  }

  #port(session: Session): AgentPort {
    return {
      say: (packets) => session.queue.push(...packets),
      flush: () => {
        session.queue.length = 0;
      },
      queuedMs: session.queue.length * FRAME_MS,
      send: (event) => session.socket?.send(JSON.stringify({ event: 'agent', data: event })),
      end: (end) => session.socket?.send(JSON.stringify({ event: 'session-ended', data: end })),
    };
  }
}

function offered(transport: WebRtcTransport) {
  const { id: transportId, iceParameters, iceCandidates, dtlsParameters } = transport;
  return { transportId, iceParameters, iceCandidates, dtlsParameters };
}
