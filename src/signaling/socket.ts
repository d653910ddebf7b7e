/**
 * One signaling WebSocket: reads frames, counts what comes too fast, carries out what socket-state.ts decides, writes
 * answers and events. A slow, silent or unruly client costs its own socket; the session outlives it.
 */
import type { RawData, WebSocket } from 'ws';
import type { SessionEnd } from '../agent/client-events.ts';
import type { Clock, Timer } from '../clock.ts';
import type { Config } from '../config/index.ts';
import { AntipodeError, asAntipodeError } from '../errors.ts';
import type { Logger } from '../telemetry/index.ts';
import type { CallRequestFrame } from './call-requests.ts';
import type { CallerSession } from './caller-session.ts';
import { answerText, errorText, eventText, parseFrame, type Request } from './frames.ts';
import {
  CLOSE_CODES,
  type Grant,
  type JoinAnswer,
  type SignalingData,
  type SignalingEventData,
  type SignalingEventName,
} from './protocol.ts';
import { TokenBucket } from './rate-limit.ts';
import type { SessionSocket } from './session-socket.ts';
import type { SignalingMetrics, SocketCloseReason } from './signaling-metrics.ts';
import { FRESH_SOCKET, type SocketEffect, type SocketInput, type SocketState, transition } from './socket-state.ts';

/** A client that leaves more than this unread is cut off, bytes. */
const MAX_BUFFERED_BYTES = 1_048_576;
/** How long a closed socket may take for the closing handshake, ms. */
const CLOSE_GRACE_MS = 2_000;

/** Judges tokens: the session that one opens, and how. Rejects with the code that the client is told. */
export interface SessionDoor {
  admitJoin(data: SignalingData<'join'>): Promise<{ session: CallerSession; grants: readonly Grant[] }>;
  /** @param addressKey of the client */
  admitResume(
    data: SignalingData<'resume'>,
    addressKey: string,
  ): Promise<{ session: CallerSession; generation: number; grants: readonly Grant[] }>;
}

export interface SignalingSocketOptions {
  ws: WebSocket;
  /** Of the client, as limits count it. */
  addressKey: string;
  door: SessionDoor;
  limits: Pick<Config['limits'], 'joinTimeoutMs' | 'maxMessageBytes' | 'messagesPerSecond'>;
  clock: Clock;
  log: Logger;
  metrics: SignalingMetrics;
  onClosed(socket: SignalingSocket): void;
}

/** What an effect needs of the input that caused it. */
interface Context {
  id: number | null;
  error?: AntipodeError;
  request?: Request;
}

const NO_CONTEXT: Context = { id: null };

const ERROR_WORDS = {
  ERR_PROTOCOL_ORDER: 'Not now: join or resume comes first, and once.',
  ERR_PROTOCOL_FLOOD: 'Too many messages.',
  ERR_PROTOCOL_JOIN_TIMEOUT: 'No join or resume came in time.',
} as const;

const CLOSE_WORDS: Record<number, string> = {
  [CLOSE_CODES.sessionEnded]: 'session ended',
  [CLOSE_CODES.protocolError]: 'protocol error',
  [CLOSE_CODES.unauthorized]: 'token refused',
  [CLOSE_CODES.joinTimeout]: 'join timeout',
  [CLOSE_CODES.flood]: 'too many messages',
  [CLOSE_CODES.superseded]: 'another socket resumed this session',
  [CLOSE_CODES.shuttingDown]: 'server is shutting down',
};

export class SignalingSocket implements SessionSocket {
  readonly #options: SignalingSocketOptions;
  readonly #ws: WebSocket;
  readonly #bucket: TokenBucket;
  #state: SocketState = FRESH_SOCKET;
  #session: CallerSession | null = null;
  /** Id of the join or resume under way. */
  #enteringId = 0;
  #joinTimer: Timer | null = null;
  #graceTimer: Timer | null = null;
  #lastHeardMs: number;
  #lastSentSeq = 0;
  #closeReason: SocketCloseReason = 'peer';

  constructor(options: SignalingSocketOptions) {
    const { ws, clock, limits } = options;
    this.#options = options;
    this.#ws = ws;
    this.#lastHeardMs = clock.now();
    const rate = limits.messagesPerSecond;
    this.#bucket = new TokenBucket({ clock, ratePerSecond: rate, burst: rate * 2 });
    this.#awaitJoin();
    ws.on('message', (data, isBinary) => this.#onMessage(data, isBinary));
    ws.on('ping', () => this.#counted());
    ws.on('pong', (data) => this.#onPong(data));
    ws.on('error', (error) => this.#onError(error));
    ws.on('close', () => this.#onClose());
  }

  get addressKey(): string {
    return this.#options.addressKey;
  }

  enter(answer: JoinAnswer): boolean {
    if (this.#state.phase !== 'entering') return false;
    this.#send(answerText(this.#enteringId, answer));
    this.#apply({ type: 'entered' }, NO_CONTEXT);
    return this.#ws.readyState === this.#ws.OPEN;
  }

  sendEvent<E extends SignalingEventName>(event: E, data: SignalingEventData<E>): void {
    this.#send(eventText(event, data));
  }

  sendEntry(seq: number, text: string): void {
    this.#lastSentSeq = seq;
    this.#send(text);
  }

  supersede(): void {
    this.#apply({ type: 'superseded' }, NO_CONTEXT);
  }

  finish(end: SessionEnd, shuttingDown: boolean): void {
    if (this.#state.phase === 'closed') return;
    this.sendEvent('session-ended', end);
    this.#apply({ type: 'ended', shuttingDown }, NO_CONTEXT);
  }

  /** Closes a socket that speaks for no session, because the server stops. */
  shutDown(): void {
    this.#apply({ type: 'ended', shuttingDown: true }, NO_CONTEXT);
  }

  /** Sends a ping that, once answered, confirms the events before it; cuts a socket that was silent too long. */
  keepAlive(silenceLimitMs: number | null): void {
    if (silenceLimitMs !== null && this.#options.clock.now() - this.#lastHeardMs > silenceLimitMs) {
      this.#cut('silent');
      return;
    }
    if (this.#ws.readyState === this.#ws.OPEN) this.#ws.ping(String(this.#lastSentSeq));
  }

  /** Ends the TCP connection without a handshake. */
  terminate(): void {
    this.#ws.terminate();
  }

  #awaitJoin(): void {
    const { clock, limits } = this.#options;
    this.#joinTimer?.cancel();
    this.#joinTimer = clock.setTimeout(() => this.#apply({ type: 'join-timeout' }, NO_CONTEXT), limits.joinTimeoutMs);
  }

  #onMessage(data: RawData, isBinary: boolean): void {
    if (!this.#counted()) return;
    const atMs = this.#options.clock.now();
    const parsed = parseFrame(data, isBinary, this.#options.limits.maxMessageBytes);
    if ('bad' in parsed) this.#apply({ type: 'bad-frame', code: parsed.bad.error.code, atMs }, parsed.bad);
    else {
      const { request } = parsed;
      this.#apply({ type: 'request', method: request.method, atMs }, { id: request.id, request });
    }
  }

  /** Counts one message or ping; false when it was one too many, or comes after the end. */
  #counted(): boolean {
    if (this.#state.phase === 'closed') return false;
    this.#lastHeardMs = this.#options.clock.now();
    if (this.#bucket.take()) return true;
    this.#apply({ type: 'flood' }, NO_CONTEXT);
    return false;
  }

  #onPong(data: Buffer): void {
    if (!this.#counted()) return;
    const seq = Number(data.toString('latin1'));
    if (Number.isSafeInteger(seq) && seq > 0) this.#session?.confirmed(this, Math.min(seq, this.#lastSentSeq));
  }

  #onError(error: Error): void {
    const { metrics, log } = this.#options;
    const code =
      (error as { code?: string }).code === 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH'
        ? 'ERR_REQUEST_TOO_LARGE'
        : 'ERR_PROTOCOL_MALFORMED';
    metrics.socketError(code);
    log.debug({ code, reason: error.message }, 'signaling socket failed');
  }

  #onClose(): void {
    this.#joinTimer?.cancel();
    this.#graceTimer?.cancel();
    this.#apply({ type: 'closed' }, NO_CONTEXT);
    this.#session?.socketGone(this);
    this.#options.metrics.socketClosed(this.#closeReason);
    this.#options.onClosed(this);
  }

  #apply(input: SocketInput, context: Context): void {
    const { state, effects } = transition(this.#state, input);
    this.#state = state;
    if (state.phase !== 'fresh') this.#joinTimer?.cancel();
    for (const effect of effects) this.#carryOut(effect, context);
  }

  #carryOut(effect: SocketEffect, context: Context): void {
    switch (effect.type) {
      case 'enter':
        void this.#enter(context.request as Extract<Request, { method: 'join' | 'resume' }>);
        return;
      case 'handle':
        void this.#handle(context.request as CallRequestFrame);
        return;
      case 'refuse':
        this.#refuse(context.id, effect.code === null ? context.error! : ownError(effect.code));
        return;
      case 'await-join':
        this.#awaitJoin();
        return;
      case 'close':
        this.#close(effect.closeCode);
    }
  }

  async #enter(request: Extract<Request, { method: 'join' | 'resume' }>): Promise<void> {
    this.#enteringId = request.id;
    const { door } = this.#options;
    try {
      if (request.method === 'join') {
        const { session, grants } = await door.admitJoin(request.data);
        this.#session = session;
        await session.join(this, grants);
      } else {
        const { session, generation, grants } = await door.admitResume(request.data, this.addressKey);
        this.#session = session;
        await session.resume(this, generation, request.data.keepMedia, grants);
      }
    } catch (cause) {
      const error = this.#ours(cause, request.method);
      const final = request.method === 'join' || !error.retryable;
      this.#apply({ type: 'refused', code: error.code, final }, { id: request.id, error });
    }
  }

  async #handle(request: CallRequestFrame): Promise<void> {
    const session = this.#session;
    if (!session) return;
    try {
      const answer = await session.request(request);
      this.#send(answerText(request.id, answer));
      if (request.method === 'leave') session.end({ code: 'caller-left', reason: 'The caller left.' });
    } catch (cause) {
      this.#refuse(request.id, this.#ours(cause, request.method));
    }
  }

  #ours(cause: unknown, method: string): AntipodeError {
    const error = asAntipodeError(cause);
    if (error.code === 'ERR_INTERNAL') this.#options.log.error({ err: cause, method }, 'a signaling request failed');
    return error;
  }

  #refuse(id: number | null, error: AntipodeError): void {
    this.#options.metrics.socketError(error.code);
    this.#options.log.debug({ code: error.code, sessionId: this.#session?.sessionId }, 'signaling error');
    this.#send(errorText(id, error));
  }

  #send(text: string): void {
    if (this.#ws.readyState !== this.#ws.OPEN) return;
    this.#ws.send(text);
    if (this.#ws.bufferedAmount > MAX_BUFFERED_BYTES) this.#cut('slow');
  }

  #close(closeCode: number): void {
    this.#closeReason = 'ours';
    this.#ws.close(closeCode, CLOSE_WORDS[closeCode]);
    this.#graceTimer = this.#options.clock.setTimeout(() => this.#ws.terminate(), CLOSE_GRACE_MS);
    this.#session?.socketGone(this);
  }

  #cut(reason: SocketCloseReason): void {
    this.#closeReason = reason;
    this.#apply({ type: 'closed' }, NO_CONTEXT);
    this.#session?.socketGone(this);
    this.#ws.terminate();
  }
}

function ownError(code: AntipodeError['code']): AntipodeError {
  return new AntipodeError(code, ERROR_WORDS[code as keyof typeof ERROR_WORDS] ?? 'Refused.');
}
