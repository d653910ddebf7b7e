/**
 * A caller's side of the signaling protocol: asks for a session, joins it, and comes back by the resume token when the
 * WebSocket drops, until the session ends or the resume window has passed. Knows no media: whoever owns it says whether
 * there is any to keep.
 */
import { EventEmitter } from 'node:events';
import WebSocket from 'ws';
import type { ClientEvent, SessionEnd } from '../agent/client-events.ts';
import { type Clock, delay, type Timer } from '../clock.ts';
import { AntipodeError, asAntipodeError, ERROR_CODES, type ErrorCode } from '../errors.ts';
import {
  CLOSE_CODES,
  type JoinAnswer,
  SIGNALING_VERSION,
  type SignalingAnswer,
  type SignalingData,
  type SignalingMethod,
  serverFrameSchema,
  signalingEvents,
  signalingRequests,
} from '../signaling/protocol.ts';

const MAX_FRAME_BYTES = 1024 * 1024;
const RESUME_BACKOFF_MS = [0, 250, 500, 1_000, 2_000];

export interface SignalingClientOptions {
  /** `signalingUrl` of the session. */
  url: string;
  clock: Clock;
  requestTimeoutMs: number;
  /** Whether there is media that a resumed session should go on with. */
  keepMedia(): boolean;
}

export interface SignalingClientEvents {
  agent: [ClientEvent];
  /** The POP lost this call's media: `renew()` is the way back. */
  mediaLost: [];
  /** The session was taken up again on a new socket. */
  resumed: [JoinAnswer];
  /** The server ended the session. */
  ended: [SessionEnd];
  /** The session can't be reached any more. */
  lost: [AntipodeError];
}

interface Pending {
  resolve(data: unknown): void;
  reject(error: AntipodeError): void;
  timer: Timer;
}

interface WireWords {
  code: string;
  message: string;
  path?: string;
}

/** Close codes after which coming back is of no use. */
const FINAL_CLOSE_CODES: ReadonlySet<number> = new Set([
  CLOSE_CODES.sessionEnded,
  CLOSE_CODES.protocolError,
  CLOSE_CODES.unauthorized,
  CLOSE_CODES.superseded,
  CLOSE_CODES.shuttingDown,
]);

/** An error as it came over the wire; a code that we don't know is told in the message. */
export function errorFromWire(error: WireWords): AntipodeError {
  if (Object.hasOwn(ERROR_CODES, error.code)) {
    return new AntipodeError(error.code as ErrorCode, error.message, { path: error.path });
  }
  return new AntipodeError('ERR_CALL_FAILED', `${error.code}: ${error.message}`);
}

export class SignalingClient extends EventEmitter<SignalingClientEvents> {
  readonly #options: SignalingClientOptions;
  readonly #pending = new Map<number, Pending>();
  readonly #closing = new AbortController();
  #socket: WebSocket | null = null;
  #nextId = 1;
  #resumeToken: string | null = null;
  #resumeWindowMs = 0;
  #resuming = false;
  /** What the server said about no request in particular: the words behind the close that follows. */
  #refusal: AntipodeError | null = null;

  constructor(options: SignalingClientOptions) {
    super();
    this.#options = options;
  }

  /** Whether requests can be made now. When not, `resumed`, `ended` or `lost` will follow. */
  get available(): boolean {
    return !this.#resuming && this.#socket?.readyState === WebSocket.OPEN;
  }

  /** Open the socket and join. @throws AntipodeError with the server's code */
  async join(token: string): Promise<JoinAnswer> {
    await this.#connect();
    return this.#joined(await this.request('join', { version: SIGNALING_VERSION, token }));
  }

  /**
   * Ask the server for something.
   * @throws AntipodeError with the server's code, ERR_SERVICE_TIMEOUT, or ERR_CALL_FAILED when the socket is gone
   */
  request<M extends SignalingMethod>(method: M, data: SignalingData<M>): Promise<SignalingAnswer<M>> {
    const socket = this.#socket;
    if (socket?.readyState !== WebSocket.OPEN) {
      return Promise.reject(new AntipodeError('ERR_CALL_FAILED', `the signaling socket is closed (${method})`));
    }
    const id = this.#nextId++;
    const answered = new Promise<unknown>((resolve, reject) => {
      const timer = this.#options.clock.setTimeout(() => {
        this.#pending.delete(id);
        const seconds = this.#options.requestTimeoutMs / 1_000;
        reject(new AntipodeError('ERR_SERVICE_TIMEOUT', `no answer to ${method} within ${seconds} s`));
      }, this.#options.requestTimeoutMs);
      this.#pending.set(id, { resolve, reject, timer });
    });
    socket.send(JSON.stringify({ id, method, data }));
    return answered.then((answer) => {
      const parsed = signalingRequests[method].answer.safeParse(answer);
      if (parsed.success) return parsed.data as SignalingAnswer<M>;
      throw new AntipodeError('ERR_CALL_FAILED', `the answer to ${method} is malformed: ${parsed.error.message}`);
    });
  }

  /** Take the session up again on a new socket, because its media is gone. Does nothing while that is under way. */
  renew(): void {
    this.#drop(new AntipodeError('ERR_CALL_FAILED', 'the signaling socket is being renewed'));
    void this.#resume();
  }

  /** Say goodbye, if there is anybody to say it to, and close. Idempotent. */
  async leave(): Promise<void> {
    if (this.#closing.signal.aborted) return;
    // Whether the server still listens makes no difference to a caller that goes.
    await this.request('leave', {}).catch(() => {});
    this.close();
  }

  close(): void {
    this.#closing.abort(new AntipodeError('ERR_CALL_FAILED', 'the call was closed'));
    this.#drop(new AntipodeError('ERR_CALL_FAILED', 'the call was closed'));
  }

  #joined(answer: JoinAnswer): JoinAnswer {
    this.#resumeToken = answer.resumeToken;
    this.#resumeWindowMs = answer.resumeWindowMs;
    return answer;
  }

  #connect(): Promise<void> {
    return new Promise((resolve, reject) => {
      const socket = new WebSocket(this.#options.url, {
        handshakeTimeout: this.#options.requestTimeoutMs,
        maxPayload: MAX_FRAME_BYTES,
        perMessageDeflate: false,
      });
      this.#socket = socket;
      socket.on('open', () => resolve());
      socket.on('message', (data, binary) => this.#receive(socket, binary ? null : data.toString()));
      socket.on('error', (cause) => {
        reject(new AntipodeError('ERR_CALL_FAILED', `the signaling socket failed: ${cause.message}`, { cause }));
      });
      socket.on('close', (code, reason) => {
        reject(new AntipodeError('ERR_CALL_FAILED', `the signaling socket was closed (${code})`));
        if (socket === this.#socket) this.#closedByPeer(code, reason.toString());
      });
    });
  }

  /** Forget the socket and fail what waits on it. */
  #drop(error: AntipodeError): void {
    const socket = this.#socket;
    this.#socket = null;
    for (const pending of this.#pending.values()) {
      pending.timer.cancel();
      pending.reject(error);
    }
    this.#pending.clear();
    if (socket && socket.readyState <= WebSocket.OPEN) socket.close();
  }

  #closedByPeer(code: number, reason: string): void {
    const words = `the server closed the signaling socket: ${code} ${reason}`.trimEnd();
    const error = this.#refusal ?? new AntipodeError('ERR_CALL_FAILED', words);
    this.#refusal = null;
    this.#drop(error);
    if (this.#closing.signal.aborted || this.#resumeToken === null) return;
    if (FINAL_CLOSE_CODES.has(code)) this.emit('lost', error);
    else void this.#resume();
  }

  async #resume(): Promise<void> {
    if (this.#resuming || this.#resumeToken === null) return;
    this.#resuming = true;
    const { clock } = this.#options;
    const giveUpAtMs = clock.now() + this.#resumeWindowMs;
    try {
      for (let attempt = 0; ; attempt++) {
        await delay(clock, RESUME_BACKOFF_MS[attempt] ?? RESUME_BACKOFF_MS.at(-1)!, this.#closing.signal);
        try {
          await this.#connect();
          const keepMedia = this.#options.keepMedia();
          const data = { version: SIGNALING_VERSION, resumeToken: this.#resumeToken, keepMedia };
          const answer = this.#joined(await this.request('resume', data));
          this.#resuming = false;
          this.emit('resumed', answer);
          return;
        } catch (error) {
          const known = asAntipodeError(error, 'ERR_CALL_FAILED');
          if (!known.retryable || clock.now() >= giveUpAtMs) throw known;
        }
      }
    } catch (error) {
      if (!this.#closing.signal.aborted) this.emit('lost', asAntipodeError(error, 'ERR_CALL_FAILED'));
    } finally {
      this.#resuming = false;
    }
  }

  #receive(socket: WebSocket, text: string | null): void {
    if (socket !== this.#socket) return;
    const frame = serverFrameSchema.safeParse(text === null ? null : parseJson(text));
    if (!frame.success) this.#malformed(frame.error.message);
    else if ('event' in frame.data) this.#event(frame.data.event, frame.data.data);
    else this.#answer(frame.data);
  }

  #answer(frame: { id: number; ok: true; data: unknown } | { id: number | null; ok: false; error: WireWords }): void {
    const pending = frame.id === null ? undefined : this.#pending.get(frame.id);
    if (frame.id === null || !pending) {
      if (!frame.ok) this.#refusal = errorFromWire(frame.error);
      return;
    }
    this.#pending.delete(frame.id);
    pending.timer.cancel();
    if (frame.ok) pending.resolve(frame.data);
    else pending.reject(errorFromWire(frame.error));
  }

  #event(name: string, data: unknown): void {
    if (name === 'media-lost') this.emit('mediaLost');
    if (name === 'agent') {
      // A kind of event that only a newer server knows is none of this client's business.
      const event = signalingEvents.agent.safeParse(data);
      if (event.success) this.emit('agent', event.data);
    }
    if (name !== 'session-ended') return;
    const end = signalingEvents['session-ended'].safeParse(data);
    if (!end.success) {
      this.#malformed(end.error.message);
      return;
    }
    this.close();
    this.emit('ended', end.data);
  }

  #malformed(what: string): void {
    const error = new AntipodeError('ERR_CALL_FAILED', `the server sent a malformed frame: ${what}`);
    this.close();
    this.emit('lost', error);
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
