/**
 * The signaling of one session across the sockets that it takes: joins, notices a lost or silent socket, resumes with
 * back-off within the server's window, and asks for new media when the old is gone. Owns sockets and resume tokens;
 * knows nothing of WebRTC.
 */
import { type Clock, delay } from '../../../src/clock.ts';
import {
  CLOSE_CODES,
  type JoinAnswer,
  SIGNALING_VERSION,
  type SignalingAnswer,
  type SignalingData,
  type SignalingMethod,
} from '../../../src/signaling/protocol.ts';
import { asFailure, CallFailure, type Failure, failureOf } from './failure.ts';
import { type SignalingEvent, SignalingSocket, type SocketClosed } from './signaling-socket.ts';

export interface SessionLinkHandlers {
  event(event: SignalingEvent): void;
  /** The socket is gone; the link is already on its way back and gives up at `deadlineMs` of the clock. */
  lost(deadlineMs: number): void;
  /** An attempt to come back begins; counted from 1 since the loss. */
  attempting(attempt: number): void;
  /** The session goes on. `answer.mediaKept` says whether its media does. */
  resumed(answer: JoinAnswer): void;
  /** The session can't be had back. */
  failed(failure: Failure): void;
}

export interface SessionLinkOptions {
  url: string;
  clock: Clock;
  /** 0 <= random() < 1, for jitter. */
  random: () => number;
  openTimeoutMs?: number;
  requestTimeoutMs?: number;
  /** Between pings that find out about a silent socket. */
  pingIntervalMs?: number;
}

export const SESSION_LINK_DEFAULTS = { openTimeoutMs: 3_000, requestTimeoutMs: 5_000, pingIntervalMs: 5_000 } as const;

/** After attempt n (the first is at once); the last entry repeats. A dead media worker is back in well under 1 s. */
const BACKOFF_MS = [150, 250, 400, 700, 1_200, 2_000] as const;

/** Milliseconds to wait after attempt `attempt` (from 1) has failed: growing, with up to 20 % taken off by jitter. */
export function backoffMs(attempt: number, random: () => number): number {
  const base = BACKOFF_MS[Math.min(attempt, BACKOFF_MS.length) - 1]!;
  return Math.round(base * (1 - 0.2 * random()));
}

/** What a close code says of the session: null when it may be resumed. */
export function closeFailure(info: SocketClosed): Failure | null {
  switch (info.code) {
    case CLOSE_CODES.sessionEnded:
      return failureOf('ERR_SESSION_ENDED', info.reason);
    case CLOSE_CODES.protocolError:
      return failureOf('ERR_PROTOCOL_MALFORMED', info.reason);
    case CLOSE_CODES.unauthorized:
      return failureOf('ERR_TOKEN_INVALID', info.reason);
    case CLOSE_CODES.flood:
      return failureOf('ERR_PROTOCOL_FLOOD', info.reason);
    case CLOSE_CODES.superseded:
      return failureOf('ERR_SUPERSEDED', info.reason);
    case CLOSE_CODES.shuttingDown:
      return failureOf('ERR_SHUTTING_DOWN', info.reason);
    case 1002:
      return failureOf('SERVER_ANSWER', info.reason);
    default:
      return null;
  }
}

export class SessionLink {
  readonly #options: Required<SessionLinkOptions>;
  /** Number of the newest agent event that was told. */
  #lastSeq = 0;
  readonly #handlers: SessionLinkHandlers;
  readonly #lifetime = new AbortController();
  #socket: SignalingSocket | null = null;
  #resumeToken = '';
  #resumeWindowMs = 0;
  #mediaGone = false;
  #recovering = false;
  #skipWait: (() => void) | null = null;

  constructor(options: SessionLinkOptions, handlers: SessionLinkHandlers) {
    this.#options = { ...SESSION_LINK_DEFAULTS, ...options };
    this.#handlers = handlers;
  }

  /** How long the server holds the session for a caller who was lost, ms; 0 before the join. */
  get resumeWindowMs(): number {
    return this.#resumeWindowMs;
  }

  /** Open the session with its join token. @throws CallFailure */
  async join(token: string): Promise<JoinAnswer> {
    const socket = await this.#open();
    try {
      const answer = await socket.request('join', { version: SIGNALING_VERSION, token });
      this.#adopt(socket, answer);
      return answer;
    } catch (error) {
      socket.close();
      throw error;
    }
  }

  /** @throws CallFailure CONNECTION_LOST while the link is down, else as SignalingSocket.request */
  async request<M extends SignalingMethod>(method: M, data: SignalingData<M>): Promise<SignalingAnswer<M>> {
    const socket = this.#socket;
    if (!socket || socket.closed) throw CallFailure.of('CONNECTION_LOST', `Not connected (${method}).`);
    try {
      return await socket.request(method, data);
    } catch (error) {
      // A server that answers nothing is as good as gone, whatever TCP believes.
      if (asFailure(error).code === 'SERVER_UNREACHABLE' && socket === this.#socket) this.#lose(socket);
      throw error;
    }
  }

  /** The transports are gone: resume with new ones, at once. */
  renewMedia(): void {
    this.#mediaGone = true;
    this.#recover();
  }

  /** Something suggests that the network is back: don't wait for the next attempt. */
  retryNow(): void {
    this.#skipWait?.();
  }

  /** Tell the server that the caller leaves, then close. */
  leave(): void {
    const socket = this.#socket;
    this.#socket = null;
    this.close();
    if (!socket || socket.closed) return;
    socket.detach();
    const close = () => socket.close();
    socket.request('leave', {}).then(close, close);
  }

  /** Idempotent. */
  close(): void {
    this.#lifetime.abort(CallFailure.of('CONNECTION_LOST', 'The call is over.'));
    this.#socket?.close();
    this.#socket = null;
  }

  async #open(): Promise<SignalingSocket> {
    const socket: SignalingSocket = await SignalingSocket.open(
      this.#options,
      {
        event: (event) => this.#tell(event),
        closed: (info) => this.#socketClosed(socket, info),
      },
      this.#lifetime.signal,
    );
    return socket;
  }

  /** After a resume the server says again what may have been lost: what did arrive must not happen twice. */
  #tell(event: SignalingEvent): void {
    if (event.seq !== undefined) {
      if (event.seq <= this.#lastSeq) return;
      this.#lastSeq = event.seq;
    }
    this.#handlers.event(event);
  }

  #adopt(socket: SignalingSocket, answer: JoinAnswer): void {
    this.#lifetime.signal.throwIfAborted();
    const previous = this.#socket;
    this.#socket = socket;
    previous?.close();
    this.#resumeToken = answer.resumeToken;
    this.#resumeWindowMs = answer.resumeWindowMs;
    void this.#keepAlive(socket);
  }

  async #keepAlive(socket: SignalingSocket): Promise<void> {
    try {
      while (socket === this.#socket && !socket.closed) {
        await delay(this.#options.clock, this.#options.pingIntervalMs, this.#lifetime.signal);
        if (socket === this.#socket && !socket.closed) await this.request('ping', {});
      }
    } catch {
      // Either the link was closed, or request() has already called the socket lost.
    }
  }

  #socketClosed(socket: SignalingSocket, info: SocketClosed): void {
    if (socket !== this.#socket) return;
    const failure = closeFailure(info);
    if (failure === null) {
      this.#lose(socket);
      return;
    }
    // A socket that is being replaced may be told so; its successor is on its way.
    if (this.#recovering && info.code === CLOSE_CODES.superseded) return;
    this.close();
    this.#handlers.failed(failure);
  }

  #lose(socket: SignalingSocket): void {
    socket.close();
    if (this.#lifetime.signal.aborted) return;
    this.#handlers.lost(this.#options.clock.now() + this.#resumeWindowMs);
    this.#recover();
  }

  #recover(): void {
    if (this.#recovering || this.#lifetime.signal.aborted) return;
    this.#recovering = true;
    this.#comeBack().then(
      (answer) => {
        this.#recovering = false;
        this.#handlers.resumed(answer);
        // The new socket may have gone in the same breath.
        if (this.#socket?.closed) this.#lose(this.#socket);
      },
      (error) => {
        this.#recovering = false;
        if (this.#lifetime.signal.aborted) return;
        this.close();
        this.#handlers.failed(asFailure(error));
      },
    );
  }

  async #comeBack(): Promise<JoinAnswer> {
    const { clock, random } = this.#options;
    const deadlineMs = clock.now() + this.#resumeWindowMs;
    for (let attempt = 1; ; attempt++) {
      this.#handlers.attempting(attempt);
      let waitMs = backoffMs(attempt, random);
      try {
        const answer = await this.#resume();
        if (answer !== null) return answer;
        waitMs = 0;
      } catch (error) {
        const failure = asFailure(error);
        if (this.#lifetime.signal.aborted || !failure.retryable) throw error;
        waitMs = failure.retryAfterMs ?? waitMs;
        if (clock.now() + waitMs >= deadlineMs) throw CallFailure.of('CONNECTION_LOST', failure.message, error);
      }
      await this.#wait(waitMs);
    }
  }

  /** One attempt; null when the media went while it was under way, so that its answer is of no use. */
  async #resume(): Promise<JoinAnswer | null> {
    const keepMedia = !this.#mediaGone;
    const socket = await this.#open();
    let answer: JoinAnswer;
    try {
      answer = await socket.request('resume', {
        version: SIGNALING_VERSION,
        resumeToken: this.#resumeToken,
        keepMedia,
      });
      this.#adopt(socket, answer);
    } catch (error) {
      socket.close();
      throw error;
    }
    if (answer.mediaKept && this.#mediaGone) return null;
    this.#mediaGone = false;
    return answer;
  }

  async #wait(ms: number): Promise<void> {
    const skip = new AbortController();
    this.#skipWait = () => skip.abort();
    try {
      await delay(this.#options.clock, ms, AbortSignal.any([skip.signal, this.#lifetime.signal]));
    } catch {
      if (this.#lifetime.signal.aborted) throw this.#lifetime.signal.reason;
    } finally {
      this.#skipWait = null;
    }
  }
}
