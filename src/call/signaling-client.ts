/**
 * A caller's side of the signaling protocol: asks for a session, joins it, and comes back by the resume token when the
 * WebSocket drops, by its own POP or another one, until the session ends or the resume window has passed. Knows no media:
 * whoever owns it says whether there is any to keep.
 */
import { EventEmitter } from 'node:events';
import WebSocket from 'ws';
import type { ClientEvent, SessionEnd } from '../agent/client-events.ts';
import { type Clock, delay, type Timer } from '../clock.ts';
import { AntipodeError, asAntipodeError, ERROR_CODES, type ErrorCode } from '../errors.ts';
import {
  CLOSE_CODES,
  type JoinAnswer,
  type OtherPop,
  type Participant,
  SIGNALING_VERSION,
  type SignalingAnswer,
  type SignalingData,
  type SignalingMethod,
  serverFrameSchema,
  signalingEvents,
  signalingRequests,
} from '../signaling/protocol.ts';
import type { ParticipantNotice } from './room-company.ts';
import { comeBack, type Door, doorsOf, judgeRefusal, NoAnswerError } from './way-back.ts';

const MAX_FRAME_BYTES = 1024 * 1024;
const RESUME_BACKOFF_MS = [0, 250, 500, 1_000, 2_000];
/** A server that said nothing for so long is asked whether it is there. */
const QUIET_MS = 1_000;
/** One that does not answer that by then is gone. */
const PING_TIMEOUT_MS = 1_500;

export interface SignalingClientOptions {
  /** `signalingUrl` of the session. */
  url: string;
  clock: Clock;
  requestTimeoutMs: number;
  /** See QUIET_MS and PING_TIMEOUT_MS. */
  quietMs?: number;
  pingTimeoutMs?: number;
  /** Whether there is media that a resumed session should go on with. */
  keepMedia(): boolean;
}

export interface SignalingClientEvents {
  agent: [ClientEvent];
  /** In a room: somebody came, left, or is other than before. */
  participant: [ParticipantNotice, Participant];
  /** The POP lost this call's media: `renew()` is the way back. */
  mediaLost: [];
  /** The session was taken up again on a new socket; `moved`: by another POP. */
  resumed: [JoinAnswer, { moved: boolean }];
  /** The server ended the session. */
  ended: [SessionEnd];
  /** The session can't be reached any more. */
  lost: [AntipodeError];
}

interface Pending {
  readonly socket: WebSocket;
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
  /** The POP that has the session, and the others. */
  #own: Door;
  #others: readonly OtherPop[] = [];
  #socket: WebSocket | null = null;
  /** What they still say is not heard. */
  readonly #retired = new WeakSet<WebSocket>();
  #lastHeardMs = 0;
  #nextId = 1;
  #resumeToken: string | null = null;
  #resumeWindowMs = 0;
  #resuming = false;
  /** What the server said about no request in particular: the words behind the close that follows. */
  #refusal: AntipodeError | null = null;

  constructor(options: SignalingClientOptions) {
    super();
    this.#options = options;
    this.#own = { pop: null, region: null, signalingUrl: options.url };
  }

  /** Whether requests can be made now. When not, `resumed`, `ended` or `lost` will follow. */
  get available(): boolean {
    return !this.#resuming && this.#socket?.readyState === WebSocket.OPEN;
  }

  /** Open the socket and join. @throws AntipodeError with the server's code */
  async join(token: string): Promise<JoinAnswer> {
    this.#socket = await this.#connect(this.#own, this.#closing.signal);
    const answer = this.#joined(await this.request('join', { version: SIGNALING_VERSION, token }), this.#own);
    void this.#keepAlive(this.#socket);
    return answer;
  }

  /**
   * Ask the server for something.
   * @throws AntipodeError with the server's code, ERR_SERVICE_TIMEOUT, or ERR_CALL_FAILED when the socket is gone
   */
  request<M extends SignalingMethod>(method: M, data: SignalingData<M>): Promise<SignalingAnswer<M>> {
    return this.#requestOn(this.#socket, method, data, this.#options.requestTimeoutMs);
  }

  #requestOn<M extends SignalingMethod>(
    socket: WebSocket | null,
    method: M,
    data: SignalingData<M>,
    timeoutMs: number,
  ): Promise<SignalingAnswer<M>> {
    if (socket?.readyState !== WebSocket.OPEN) {
      return Promise.reject(new AntipodeError('ERR_CALL_FAILED', `the signaling socket is closed (${method})`));
    }
    const id = this.#nextId++;
    const answered = new Promise<unknown>((resolve, reject) => {
      const timer = this.#options.clock.setTimeout(() => {
        this.#pending.delete(id);
        const seconds = timeoutMs / 1_000;
        reject(new AntipodeError('ERR_SERVICE_TIMEOUT', `no answer to ${method} within ${seconds} s`));
      }, timeoutMs);
      this.#pending.set(id, { socket, resolve, reject, timer });
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

  #joined(answer: JoinAnswer, door: Door): JoinAnswer {
    this.#resumeToken = answer.resumeToken;
    this.#resumeWindowMs = answer.resumeWindowMs;
    this.#own = door;
    this.#others = answer.elsewhere ?? [];
    return answer;
  }

  /** Asks a server that says nothing whether it is there; one that does not answer is as good as gone. */
  async #keepAlive(socket: WebSocket): Promise<void> {
    const { clock, quietMs = QUIET_MS, pingTimeoutMs = PING_TIMEOUT_MS } = this.#options;
    this.#lastHeardMs = clock.now();
    try {
      for (;;) {
        await delay(clock, Math.max(0, this.#lastHeardMs + quietMs - clock.now()), this.#closing.signal);
        if (socket !== this.#socket) return;
        if (clock.now() - this.#lastHeardMs < quietMs) continue;
        await this.#requestOn(socket, 'ping', {}, pingTimeoutMs);
      }
    } catch (error) {
      if (socket !== this.#socket || asAntipodeError(error).code !== 'ERR_SERVICE_TIMEOUT') return;
      this.#drop(new AntipodeError('ERR_CALL_FAILED', 'the server fell silent'));
      void this.#resume();
    }
  }

  #connect(door: Door, signal: AbortSignal): Promise<WebSocket> {
    return new Promise((resolve, reject) => {
      signal.throwIfAborted();
      const socket = new WebSocket(door.signalingUrl, {
        handshakeTimeout: this.#options.requestTimeoutMs,
        maxPayload: MAX_FRAME_BYTES,
        perMessageDeflate: false,
      });
      const onAbort = () => socket.terminate();
      signal.addEventListener('abort', onAbort, { once: true });
      socket.on('open', () => {
        signal.removeEventListener('abort', onAbort);
        resolve(socket);
      });
      socket.on('message', (data, binary) => this.#receive(socket, binary ? null : data.toString()));
      socket.on('error', (cause) => {
        reject(new AntipodeError('ERR_CALL_FAILED', `the signaling socket failed: ${cause.message}`, { cause }));
      });
      socket.on('close', (code, reason) => {
        const error = new AntipodeError('ERR_CALL_FAILED', `the signaling socket was closed (${code})`);
        reject(error);
        if (socket === this.#socket) this.#closedByPeer(code, reason.toString());
        else this.#dropSocket(socket, error);
      });
    });
  }

  /** Forget the socket and fail what waits on it. */
  #drop(error: AntipodeError): void {
    const socket = this.#socket;
    this.#socket = null;
    if (socket) this.#dropSocket(socket, error);
  }

  #dropSocket(socket: WebSocket, error: AntipodeError): void {
    this.#retired.add(socket);
    for (const [id, pending] of this.#pending) {
      if (pending.socket !== socket) continue;
      this.#pending.delete(id);
      pending.timer.cancel();
      pending.reject(error);
    }
    if (socket.readyState <= WebSocket.OPEN) socket.close();
  }

  #closedByPeer(code: number, reason: string): void {
    const words = `the server closed the signaling socket: ${code} ${reason}`.trimEnd();
    const error = this.#refusal ?? new AntipodeError('ERR_CALL_FAILED', words);
    this.#refusal = null;
    this.#drop(error);
    // It comes back by another POP already, and this one has seen it.
    if (this.#resuming) return;
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
          const { answer, moved } = await this.#resumeBy(doorsOf(this.#own, this.#others));
          this.#resuming = false;
          this.emit('resumed', answer, { moved });
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

  /** One round over these POPs. */
  async #resumeBy(doors: readonly Door[]): Promise<{ answer: JoinAnswer; moved: boolean }> {
    const { clock, requestTimeoutMs } = this.#options;
    const before = this.#own.signalingUrl;
    const isOwn = ({ signalingUrl }: Door) => signalingUrl === before;
    const resumeToken = this.#resumeToken!;
    const { answer, door } = await comeBack<WebSocket, JoinAnswer>({
      doors,
      clock,
      signal: this.#closing.signal,
      open: (to, signal) => this.#connect(to, signal),
      close: (socket) => this.#dropSocket(socket, new AntipodeError('ERR_CALL_FAILED', 'another POP was faster')),
      enter: async (socket, to) => {
        // Transports are of one POP.
        const keepMedia = isOwn(to) && this.#options.keepMedia();
        const data = { version: SIGNALING_VERSION, resumeToken, keepMedia };
        const entered = await this.#requestOn(socket, 'resume', data, requestTimeoutMs);
        const former = this.#socket;
        this.#socket = socket;
        if (former) this.#dropSocket(former, new AntipodeError('ERR_CALL_FAILED', 'the call has another socket'));
        this.#joined(entered, to);
        void this.#keepAlive(socket);
        return entered;
      },
      judge: (error, to) => {
        if (error instanceof NoAnswerError) return 'later';
        return judgeRefusal(asAntipodeError(error, 'ERR_CALL_FAILED'), isOwn(to) && !isOfTheWay(error));
      },
    });
    return { answer, moved: !isOwn(door) };
  }

  /** This POP wants to be left: to another one while it is still there, or not at all. */
  #moveAway(): void {
    if (this.#resuming || this.#others.length === 0 || this.#closing.signal.aborted) return;
    this.#resuming = true;
    this.#resumeBy(doorsOf(this.#own, this.#others).slice(1))
      .then(
        (resumed) => {
          this.#resuming = false;
          this.emit('resumed', resumed.answer, { moved: true });
        },
        () => {
          this.#resuming = false;
        },
      )
      .finally(() => {
        if (!this.#closing.signal.aborted && this.#socket === null) void this.#resume();
      });
  }

  #receive(socket: WebSocket, text: string | null): void {
    if (this.#retired.has(socket)) return;
    const frame = serverFrameSchema.safeParse(text === null ? null : parseJson(text));
    if (socket === this.#socket) this.#lastHeardMs = this.#options.clock.now();
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
    if (isOfParticipant(name)) {
      const participant = signalingEvents[name].safeParse(data);
      if (participant.success) this.emit('participant', name, participant.data);
    }
    if (name === 'elsewhere' || name === 'come-back') {
      const told = signalingEvents[name].safeParse(data);
      if (told.success) this.#others = told.data.elsewhere;
      if (told.success && name === 'come-back') this.#moveAway();
    }
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
    // While it comes back by another POP, the one before says that it has the session no more.
    if (end.data.code === 'replaced' && this.#resuming) return;
    this.close();
    this.emit('ended', end.data);
  }

  #malformed(what: string): void {
    const error = new AntipodeError('ERR_CALL_FAILED', `the server sent a malformed frame: ${what}`);
    this.close();
    this.emit('lost', error);
  }
}

/** What the way to a POP brought, and not the POP. */
function isOfTheWay(error: unknown): boolean {
  const { code } = asAntipodeError(error, 'ERR_CALL_FAILED');
  return code === 'ERR_CALL_FAILED' || code === 'ERR_SERVICE_TIMEOUT';
}

function isOfParticipant(name: string): name is ParticipantNotice {
  return ['participant-joined', 'participant-left', 'participant-changed'].includes(name);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
