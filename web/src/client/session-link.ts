/**
 * The signaling of one session across the sockets and the POPs that it takes: joins, notices a lost or silent socket,
 * resumes with back-off within the server's window, here or elsewhere, and asks for new media when the old is gone. Owns
 * sockets and resume tokens; knows nothing of WebRTC.
 */
import { comeBack, type Door, doorsOf, judgeRefusal, NoAnswerError } from '../../../src/call/way-back.ts';
import { type Clock, delay } from '../../../src/clock.ts';
import {
  CLOSE_CODES,
  type JoinAnswer,
  type OtherPop,
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
  /**
   * The session goes on. `answer.mediaKept` says whether its media does; `moved`, whether it is at another POP now;
   * `sentAway`, whether the former one asked for that while it was still there.
   */
  resumed(answer: JoinAnswer, how: { moved: boolean; sentAway: boolean }): void;
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
  /** A server that said nothing for so long is asked whether it is there. */
  quietMs?: number;
  /** One that does not answer that by then is gone. */
  pingTimeoutMs?: number;
}

export const SESSION_LINK_DEFAULTS = {
  openTimeoutMs: 3_000,
  requestTimeoutMs: 5_000,
  quietMs: 1_000,
  pingTimeoutMs: 1_500,
} as const;

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
  /** The POP that has the session, and the others. */
  #own: Door;
  #others: readonly OtherPop[] = [];
  #socket: SignalingSocket | null = null;
  /** What a socket told that has its answer and is not taken up yet, in the same turn of the event loop. */
  #early: { readonly socket: SignalingSocket; readonly event: SignalingEvent }[] = [];
  #resumeToken = '';
  #resumeWindowMs = 0;
  #mediaGone = false;
  #recovering = false;
  #skipWait: (() => void) | null = null;

  constructor(options: SessionLinkOptions, handlers: SessionLinkHandlers) {
    this.#options = { ...SESSION_LINK_DEFAULTS, ...options };
    this.#handlers = handlers;
    this.#own = { pop: null, region: null, signalingUrl: options.url };
  }

  /** How long the server holds the session for a caller who was lost, ms; 0 before the join. */
  get resumeWindowMs(): number {
    return this.#resumeWindowMs;
  }

  /** Open the session with its join token. @throws CallFailure */
  async join(token: string): Promise<JoinAnswer> {
    const socket = await this.#open(this.#own);
    try {
      const answer = await socket.request('join', { version: SIGNALING_VERSION, token });
      this.#adopt(socket, answer, this.#own);
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

  async #open(door: Door, signal: AbortSignal = this.#lifetime.signal): Promise<SignalingSocket> {
    const socket: SignalingSocket = await SignalingSocket.open(
      { ...this.#options, url: door.signalingUrl },
      {
        event: (event) => this.#tell(socket, event),
        closed: (info) => this.#socketClosed(socket, info),
      },
      signal,
    );
    return socket;
  }

  /** After a resume the server says again what may have been lost: what did arrive must not happen twice. */
  #tell(socket: SignalingSocket, event: SignalingEvent): void {
    if (socket !== this.#socket) {
      this.#early.push({ socket, event });
      return;
    }
    if (event.name === 'elsewhere') {
      this.#others = event.data.elsewhere;
      return;
    }
    if (event.name === 'come-back') {
      this.#others = event.data.elsewhere;
      this.#moveAway();
      return;
    }
    // While it comes back by another POP, the one before says that it has the session no more.
    if (event.name === 'session-ended' && event.data.code === 'replaced' && this.#recovering) return;
    if (event.seq !== undefined) {
      if (event.seq <= this.#lastSeq) return;
      this.#lastSeq = event.seq;
    }
    this.#handlers.event(event);
  }

  #adopt(socket: SignalingSocket, answer: JoinAnswer, door: Door): void {
    this.#lifetime.signal.throwIfAborted();
    const previous = this.#socket;
    this.#socket = socket;
    previous?.close();
    // Each POP numbers what it tells by itself.
    if (answer.adopted || door.signalingUrl !== this.#own.signalingUrl) this.#lastSeq = 0;
    this.#own = door;
    this.#others = answer.elsewhere ?? [];
    this.#resumeToken = answer.resumeToken;
    this.#resumeWindowMs = answer.resumeWindowMs;
    const early = this.#early.filter((told) => told.socket === socket);
    this.#early = [];
    for (const { event } of early) this.#tell(socket, event);
    void this.#keepAlive(socket);
  }

  async #keepAlive(socket: SignalingSocket): Promise<void> {
    const { clock, quietMs, pingTimeoutMs } = this.#options;
    try {
      for (;;) {
        await delay(clock, Math.max(0, socket.lastHeardMs + quietMs - clock.now()), this.#lifetime.signal);
        if (socket !== this.#socket || socket.closed) return;
        if (clock.now() - socket.lastHeardMs >= quietMs) await socket.request('ping', {}, pingTimeoutMs);
      }
    } catch (error) {
      // The link was closed, or the socket; else nothing came though it was asked for.
      if (asFailure(error).code === 'SERVER_UNREACHABLE' && socket === this.#socket) this.#lose(socket);
    }
  }

  #socketClosed(socket: SignalingSocket, info: SocketClosed): void {
    if (socket !== this.#socket) return;
    const failure = closeFailure(info);
    if (failure === null) {
      this.#lose(socket);
      return;
    }
    // A socket that is being replaced may be told so, here or by another POP; its successor is on its way.
    const replaced = info.code === CLOSE_CODES.superseded || info.code === CLOSE_CODES.sessionEnded;
    if (this.#recovering && replaced) return;
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
      ({ answer, moved }) => {
        this.#recovering = false;
        this.#handlers.resumed(answer, { moved, sentAway: false });
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

  /** Come back by another POP while this one is still there; stays when none takes the session. */
  #moveAway(): void {
    if (this.#recovering || this.#others.length === 0 || this.#lifetime.signal.aborted) return;
    this.#recovering = true;
    const socket = this.#socket;
    this.#resume(doorsOf(this.#own, this.#others).slice(1)).then(
      (resumed) => {
        this.#recovering = false;
        if (resumed === null) this.#recover();
        else this.#handlers.resumed(resumed.answer, { moved: true, sentAway: true });
        if (this.#socket?.closed) this.#lose(this.#socket);
      },
      () => {
        this.#recovering = false;
        if (this.#mediaGone) this.#recover();
        else if (socket?.closed && socket === this.#socket) this.#lose(socket);
      },
    );
  }

  async #comeBack(): Promise<{ answer: JoinAnswer; moved: boolean }> {
    const { clock, random } = this.#options;
    const deadlineMs = clock.now() + this.#resumeWindowMs;
    for (let attempt = 1; ; attempt++) {
      this.#handlers.attempting(attempt);
      let waitMs = backoffMs(attempt, random);
      try {
        const resumed = await this.#resume(doorsOf(this.#own, this.#others));
        if (resumed !== null) return resumed;
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
  async #resume(doors: readonly Door[]): Promise<{ answer: JoinAnswer; moved: boolean } | null> {
    const before = this.#own.signalingUrl;
    const isOwn = ({ signalingUrl }: Door) => signalingUrl === before;
    const { door, answer } = await comeBack<SignalingSocket, JoinAnswer>({
      doors,
      clock: this.#options.clock,
      signal: this.#lifetime.signal,
      open: (to, signal) => this.#open(to, signal),
      close: (socket) => socket.close(),
      enter: async (socket, to) => {
        // Transports are of one POP.
        const keepMedia = isOwn(to) && !this.#mediaGone;
        const resume = { version: SIGNALING_VERSION, resumeToken: this.#resumeToken, keepMedia };
        const entered = await socket.request('resume', resume);
        this.#adopt(socket, entered, to);
        return entered;
      },
      judge: (error, to) => {
        if (error instanceof NoAnswerError) return 'later';
        const failure = asFailure(error);
        return judgeRefusal(failure, isOwn(to) && failure.code.startsWith('ERR_'));
      },
    });
    if (answer.mediaKept && this.#mediaGone) return null;
    this.#mediaGone = false;
    return { answer, moved: !isOwn(door) };
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
