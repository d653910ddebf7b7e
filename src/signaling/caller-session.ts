/**
 * One session at its POP: created, opened by a join, kept over dropped sockets, ended once. Owns the edge call, the
 * resume chain and how long the session may last. Knows no HTTP and no registry: session-book.ts keeps the records;
 * which socket speaks for the session is socket-slot.ts.
 */
import type { SessionEnd } from '../agent/client-events.ts';
import type { Clock, Timer } from '../clock.ts';
import type { Config } from '../config/index.ts';
import { AntipodeError, asAntipodeError } from '../errors.ts';
import type { AgentDescription } from '../registry/index.ts';
import type { Logger } from '../telemetry/index.ts';
import type { CallRequest, MediaCall, MediaEdge } from './call-port.ts';
import { type CallRequestFrame, carryOut } from './call-requests.ts';
import { type JoinAnswer, type PlacementView, SIGNALING_VERSION } from './protocol.ts';
import { FIRST_RESUME_TOKEN, mayResume, type ResumeChain, resumedWith } from './resume-chain.ts';
import type { SessionSocket } from './session-socket.ts';
import { SocketSlot } from './socket-slot.ts';
import type { Grant, SessionTokens } from './tokens.ts';

/** Where a session runs. */
export interface SessionPlace {
  readonly call: CallRequest;
  readonly placement: PlacementView;
}

export interface CallerSessionOptions extends SessionPlace {
  agent: AgentDescription;
  iceServers: JoinAnswer['iceServers'];
  /** A session that nobody joined ends then. */
  expiresAt: Date;
  limits: Pick<Config['limits'], 'resumeWindowMs' | 'maxSessionSeconds'>;
  edge: MediaEdge;
  tokens: SessionTokens;
  clock: Clock;
  log: Logger;
  /** Its core has no room after all: the same call at another core, or null. Asked once. */
  another(): Promise<SessionPlace | null>;
  /** The caller's media is open and its first socket has its answer. */
  onJoined(): void;
  /** Once, whatever the way. `closed` settles when the call's media is gone. */
  onEnded(end: SessionEnd, closed: Promise<void>): void;
}

interface Live {
  readonly phase: 'live';
  readonly call: MediaCall;
  readonly grants: readonly Grant[];
  readonly slot: SocketSlot;
  readonly lifeTimer: Timer;
  chain: ResumeChain;
}

type State =
  | { readonly phase: 'created'; readonly expiryTimer: Timer }
  | { readonly phase: 'opening' }
  | Live
  | { readonly phase: 'ended'; readonly end: SessionEnd };

export class CallerSession {
  readonly #options: CallerSessionOptions;
  readonly #log: Logger;
  #place: SessionPlace;
  #state: State;
  /** Resumes of one session go one after the other. */
  #resuming: Promise<unknown> = Promise.resolve();

  constructor(options: CallerSessionOptions) {
    this.#options = options;
    this.#place = { call: options.call, placement: options.placement };
    this.#log = options.log.child({ sessionId: options.call.sessionId });
    const waitMs = options.expiresAt.getTime() - options.clock.date().getTime();
    const expire = () => this.end({ code: 'expired', reason: 'Nobody joined in time.' });
    this.#state = { phase: 'created', expiryTimer: options.clock.setTimeout(expire, waitMs) };
  }

  get sessionId(): string {
    return this.#options.call.sessionId;
  }

  get room(): string {
    return this.#options.call.room;
  }

  get residency(): string | null {
    return this.#options.call.residency;
  }

  get coreId(): string {
    return this.#place.call.core.nodeId;
  }

  get epoch(): number {
    return this.#place.call.epoch;
  }

  /** Another core has the call. */
  moved(place: SessionPlace): void {
    this.#place = place;
  }

  get phase(): State['phase'] {
    return this.#state.phase;
  }

  /** Whether a resume token of this generation is good now. */
  acceptsResume(generation: number): boolean {
    return this.#state.phase === 'live' && mayResume(this.#state.chain, generation);
  }

  /**
   * Opens the call's media and makes `socket` speak for the session. A join that fails ends the session.
   * @throws ERR_SESSION_ENDED | ERR_TOKEN_REPLAYED | what opening the call throws
   */
  async join(socket: SessionSocket, grants: readonly Grant[]): Promise<void> {
    if (this.#state.phase === 'ended') throw sessionEnded(this.#state.end);
    if (this.#state.phase !== 'created') {
      throw new AntipodeError('ERR_TOKEN_REPLAYED', 'The session was joined already.');
    }
    this.#state.expiryTimer.cancel();
    this.#state = { phase: 'opening' };
    let call: MediaCall;
    let resumeToken: string;
    try {
      resumeToken = await this.#issueResume(grants, FIRST_RESUME_TOKEN.newest);
      call = await this.#openCall();
    } catch (cause) {
      const error = asAntipodeError(cause);
      this.#log.warn({ code: error.code, err: cause }, 'the call could not be opened');
      this.end({ code: 'agent-failed', reason: error.message.slice(0, 500) });
      throw error;
    }
    const ended = this.#endedMeanwhile();
    if (ended) {
      await call.close(ended);
      throw sessionEnded(ended);
    }
    const live = this.#goLive(call, grants);
    let answer: JoinAnswer;
    try {
      answer = await this.#firstAnswer(live, resumeToken);
    } catch (cause) {
      const error = asAntipodeError(cause);
      this.end({ code: 'agent-failed', reason: error.message.slice(0, 500) });
      throw error;
    }
    if (!socket.enter(answer)) {
      this.end({ code: 'caller-lost', reason: 'The caller went away while the call was being opened.' });
      return;
    }
    this.#options.onJoined();
    live.slot.fill(socket);
  }

  /**
   * Makes `socket` speak for the session instead of the one that did, and sends it what the client may have missed.
   * @throws ERR_SESSION_ENDED | ERR_TOKEN_REPLAYED | what renewing the media throws
   */
  resume(socket: SessionSocket, generation: number, keepMedia: boolean): Promise<void> {
    const resumed = this.#resuming.then(() => this.#resume(socket, generation, keepMedia));
    this.#resuming = resumed.catch(() => undefined);
    return resumed;
  }

  async #resume(socket: SessionSocket, generation: number, keepMedia: boolean): Promise<void> {
    const live = this.#liveState();
    if (!mayResume(live.chain, generation)) {
      throw new AntipodeError('ERR_TOKEN_REPLAYED', 'A later resume token of this session was used already.');
    }
    live.slot.vacate();
    try {
      const resumeToken = await this.#issueResume(live.grants, generation + 1);
      // Nothing awaits between a look at the media and the answer but its renewal, so no loss of it goes untold.
      const mediaKept = keepMedia && live.call.mediaAlive;
      if (!mediaKept) await live.call.renewMedia();
      const ended = this.#endedMeanwhile();
      if (ended) throw sessionEnded(ended);
      live.chain = resumedWith(live.chain, generation);
      if (!socket.enter(this.#answer(live, resumeToken, mediaKept))) {
        live.slot.stillEmpty();
        return;
      }
    } catch (error) {
      live.slot.stillEmpty();
      throw error;
    }
    live.slot.fill(socket);
  }

  /**
   * Carries out a request of the client's.
   * @throws ERR_SESSION_ENDED | ERR_FORBIDDEN | what the edge throws
   */
  async request(request: CallRequestFrame): Promise<unknown> {
    const { call, grants } = this.#liveState();
    return carryOut(request, call, grants, this.#options.clock);
  }

  /** The client's WebSocket has everything up to and with event `seq`. */
  confirmed(socket: SessionSocket, seq: number): void {
    if (this.#state.phase === 'live') this.#state.slot.confirmed(socket, seq);
  }

  /** A socket is gone; nothing happens unless it spoke for the session. */
  socketGone(socket: SessionSocket): void {
    if (this.#state.phase === 'live') this.#state.slot.gone(socket);
  }

  /** Ends the session for good. Idempotent: the first reason stays. */
  end(end: SessionEnd, how: { shuttingDown?: boolean; byCall?: boolean } = {}): void {
    const state = this.#state;
    if (state.phase === 'ended') return;
    this.#state = { phase: 'ended', end };
    let closed = Promise.resolve();
    if (state.phase === 'created') state.expiryTimer.cancel();
    if (state.phase === 'live') {
      state.lifeTimer.cancel();
      state.slot.close(end, how.shuttingDown ?? false);
      if (!how.byCall) {
        closed = state.call
          .close(end)
          .catch((error) => this.#log.error({ err: error }, 'the media of a call did not close'));
      }
    }
    this.#log.info({ code: end.code, reason: end.reason }, 'session ended');
    this.#options.onEnded(end, closed);
  }

  /** At another core when its own has no room after all. */
  async #openCall(): Promise<MediaCall> {
    const { edge, another } = this.#options;
    try {
      return await edge.openCall(this.#place.call);
    } catch (cause) {
      if (asAntipodeError(cause).code !== 'ERR_SESSION_LIMIT') throw cause;
      const place = await another();
      this.#log.info({ core: this.coreId, instead: place?.call.core.nodeId ?? null }, 'the core has no room after all');
      if (place === null || this.#endedMeanwhile()) throw cause;
      this.#place = place;
      return edge.openCall(place.call);
    }
  }

  #goLive(call: MediaCall, grants: readonly Grant[]): Live {
    const { clock, limits } = this.#options;
    const expire = () =>
      this.end({ code: 'expired', reason: `The session reached its limit of ${limits.maxSessionSeconds} s.` });
    const { resumeWindowMs } = limits;
    const lose = () =>
      this.end({ code: 'caller-lost', reason: `The caller did not come back within ${resumeWindowMs / 1_000} s.` });
    const slot = new SocketSlot({
      clock,
      resumeWindowMs,
      onConnection: (state) => call.callerConnection(state),
      onLost: lose,
    });
    const lifeTimer = clock.setTimeout(expire, limits.maxSessionSeconds * 1_000);
    const live: Live = { phase: 'live', call, grants, slot, lifeTimer, chain: FIRST_RESUME_TOKEN };
    this.#state = live;
    call.on('event', (event) => {
      if (this.#state === live) slot.tell(event);
    });
    call.on('mediaLost', (lost) => {
      this.#log.warn({ code: lost.code, reason: lost.reason }, 'media lost');
      slot.tellMediaLost(lost);
    });
    call.on('ended', (end) => this.end(end, { byCall: true }));
    return live;
  }

  /** The answer to a join; with new media when that of the call died in the moment between. */
  async #firstAnswer(live: Live, resumeToken: string): Promise<JoinAnswer> {
    try {
      return this.#answer(live, resumeToken, false);
    } catch (error) {
      if (asAntipodeError(error).code !== 'ERR_MEDIA_WORKER_DIED') throw error;
      await live.call.renewMedia();
      return this.#answer(live, resumeToken, false);
    }
  }

  #answer(live: Live, resumeToken: string, mediaKept: boolean): JoinAnswer {
    const { agent, iceServers, limits, edge } = this.#options;
    const { call, placement } = this.#place;
    const offer = mediaKept ? null : live.call.offer();
    return {
      version: SIGNALING_VERSION,
      sessionId: call.sessionId,
      room: call.room,
      agent,
      resumeToken,
      resumeWindowMs: limits.resumeWindowMs,
      mediaKept,
      routerRtpCapabilities: edge.routerRtpCapabilities,
      sendTransport: offer?.sendTransport ?? null,
      recvTransport: offer?.recvTransport ?? null,
      iceServers,
      placement,
    };
  }

  #issueResume(grants: readonly Grant[], generation: number): Promise<string> {
    const { call, tokens, limits } = this.#options;
    const { sessionId, room, residency } = call;
    const ttlSeconds = limits.maxSessionSeconds + Math.ceil(limits.resumeWindowMs / 1_000);
    return tokens.issueResume({ sessionId, room, grants, residency }, generation, ttlSeconds);
  }

  #liveState(): Live {
    if (this.#state.phase === 'ended') throw sessionEnded(this.#state.end);
    if (this.#state.phase !== 'live') throw new AntipodeError('ERR_PROTOCOL_ORDER', 'The session is not open yet.');
    return this.#state;
  }

  #endedMeanwhile(): SessionEnd | null {
    return this.#state.phase === 'ended' ? this.#state.end : null;
  }
}

export function sessionEnded(end: { code: string; reason: string }): AntipodeError {
  return new AntipodeError('ERR_SESSION_ENDED', `The session has ended (${end.code}): ${end.reason}`);
}
