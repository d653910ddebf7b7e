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
import type { CallRequest, HandedOver, HandOverRequest, MediaCall, MediaEdge } from './call-port.ts';
import { type CallRequestFrame, carryOut } from './call-requests.ts';
import {
  type Grant,
  type JoinAnswer,
  type OtherPop,
  type PlacementView,
  SIGNALING_VERSION,
  type SignalingEventData,
} from './protocol.ts';
import { FIRST_RESUME_TOKEN, mayResume, type ResumeChain, resumedWith } from './resume-chain.ts';
import type { SessionSocket } from './session-socket.ts';
import { SocketSlot } from './socket-slot.ts';
import { addressMark, type SessionTokens } from './tokens.ts';

/** Where a session runs. */
export interface SessionPlace {
  readonly call: CallRequest;
  readonly placement: PlacementView;
}

export interface CallerSessionOptions extends SessionPlace {
  agent: AgentDescription;
  iceServers: JoinAnswer['iceServers'];
  /** This POP. */
  nodeId: string;
  /** A session that nobody joined ends then; null for one that another POP had, whose caller resumes it here. */
  expiresAt: Date | null;
  /** How long it may last from its first socket here on. @defaultValue limits.maxSessionSeconds */
  lifeSeconds?: number;
  limits: Pick<Config['limits'], 'resumeWindowMs' | 'maxSessionSeconds'>;
  edge: MediaEdge;
  tokens: SessionTokens;
  clock: Clock;
  log: Logger;
  /** Its core has no room after all: the same call at another core, or null. Asked once. */
  another(): Promise<SessionPlace | null>;
  /** Where the caller may come back when this POP is lost, the best first. Never rejects. */
  elsewhere(): Promise<readonly OtherPop[]>;
  /** The caller's media is open and its first socket has its answer. */
  onJoined(): void;
  /** A resume token was used; `newest` is the number of the one that was handed out for it. */
  onResumed?(newest: number): void;
  /**
   * Once, whatever the way. `closed` settles when the call's media is gone. `elsewhere`: it goes on at another POP, or may,
   * and only this one has it no more.
   */
  onEnded(end: SessionEnd, closed: Promise<void>, how: { elsewhere: boolean }): void;
}

/** How a session ends. */
interface Ending {
  shuttingDown?: boolean;
  byCall?: boolean;
  elsewhere?: boolean;
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
  /** Another POP had it; the first resume opens it here. */
  | { readonly phase: 'adopted' }
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
    if (options.expiresAt === null) {
      this.#state = { phase: 'adopted' };
      return;
    }
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

  /** Whether it shares its agent with others in its room. */
  get hasSeat(): boolean {
    return this.#options.call.seat !== undefined;
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

  /**
   * The call goes to another core while its own lives.
   * @throws ERR_SESSION_ENDED | ERR_PROTOCOL_ORDER before it is open | what the call throws
   */
  async handOver(request: HandOverRequest): Promise<HandedOver> {
    return this.#liveState().call.handOver(request);
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
      resumeToken = await this.#issueResume(socket, grants, FIRST_RESUME_TOKEN.newest);
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
    const live = this.#goLive(call, grants, FIRST_RESUME_TOKEN);
    let answer: JoinAnswer;
    try {
      answer = await this.#firstAnswer(live, resumeToken, await this.#options.elsewhere());
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
  resume(socket: SessionSocket, generation: number, keepMedia: boolean, grants: readonly Grant[]): Promise<void> {
    const resumed = this.#resuming.then(() =>
      this.#state.phase === 'adopted'
        ? this.#adopt(socket, generation, grants)
        : this.#resume(socket, generation, keepMedia),
    );
    this.#resuming = resumed.catch(() => undefined);
    return resumed;
  }

  /** Opens the call here for a caller who had it at another POP. One that fails leaves it to whoever is asked next. */
  async #adopt(socket: SessionSocket, generation: number, grants: readonly Grant[]): Promise<void> {
    this.#state = { phase: 'opening' };
    let answer: JoinAnswer;
    let live: Live;
    try {
      const chain = { newest: generation + 1 };
      const [resumeToken, elsewhere] = await Promise.all([
        this.#issueResume(socket, grants, chain.newest),
        this.#options.elsewhere(),
      ]);
      const call = await this.#options.edge.openCall({ ...this.#place.call, adopt: true });
      const ended = this.#endedMeanwhile();
      if (ended) {
        await call.close(ended);
        throw sessionEnded(ended);
      }
      live = this.#goLive(call, grants, chain);
      answer = { ...(await this.#firstAnswer(live, resumeToken, elsewhere)), adopted: true };
    } catch (cause) {
      const error = asAntipodeError(cause);
      this.#log.warn({ code: error.code, err: cause }, 'a call of another POP could not be opened here');
      // What the core does not know any more has ended; anything else may succeed elsewhere, or later.
      const over = error.code === 'ERR_SESSION_UNKNOWN';
      const reason = over ? 'The core of this call is gone.' : error.message.slice(0, 500);
      this.end({ code: 'agent-failed', reason }, { elsewhere: !over });
      throw error;
    }
    if (socket.enter(answer)) live.slot.fill(socket);
    else live.slot.stillEmpty();
  }

  async #resume(socket: SessionSocket, generation: number, keepMedia: boolean): Promise<void> {
    const live = this.#liveState();
    if (!mayResume(live.chain, generation)) {
      throw new AntipodeError('ERR_TOKEN_REPLAYED', 'A later resume token of this session was used already.');
    }
    live.slot.vacate();
    try {
      const [resumeToken, elsewhere] = await Promise.all([
        this.#issueResume(socket, live.grants, generation + 1),
        this.#options.elsewhere(),
      ]);
      // Nothing awaits between a look at the media and the answer but its renewal, so no loss of it goes untold.
      const mediaKept = keepMedia && live.call.mediaAlive;
      if (!mediaKept) await live.call.renewMedia();
      const ended = this.#endedMeanwhile();
      if (ended) throw sessionEnded(ended);
      live.chain = resumedWith(live.chain, generation);
      this.#options.onResumed?.(live.chain.newest);
      if (!socket.enter(this.#answer(live, resumeToken, mediaKept, elsewhere))) {
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

  /** Where the caller may come back has changed. */
  tellElsewhere(elsewhere: readonly OtherPop[]): void {
    if (this.#state.phase === 'live') this.#state.slot.tellNow('elsewhere', { elsewhere: [...elsewhere] });
  }

  /** The caller is to leave this POP for another one. False when nobody listens. */
  sendAway(to: SignalingEventData<'come-back'>): boolean {
    return this.#state.phase === 'live' && this.#state.slot.tellNow('come-back', to);
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
  end(end: SessionEnd, how: Ending = {}): void {
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
    // The core tells a POP that has lost the seat.
    const elsewhere = how.elsewhere ?? (how.byCall === true && end.code === 'replaced');
    this.#log.info({ code: end.code, reason: end.reason, elsewhere }, 'session ended');
    this.#options.onEnded(end, closed, { elsewhere });
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

  #goLive(call: MediaCall, grants: readonly Grant[], chain: ResumeChain): Live {
    const { clock, limits, lifeSeconds = limits.maxSessionSeconds } = this.#options;
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
    const lifeTimer = clock.setTimeout(expire, lifeSeconds * 1_000);
    const live: Live = { phase: 'live', call, grants, slot, lifeTimer, chain };
    this.#state = live;
    call.on('event', (event) => {
      if (this.#state === live) slot.tell(event);
    });
    call.on('mediaLost', (lost) => {
      this.#log.warn({ code: lost.code, reason: lost.reason }, 'media lost');
      slot.tellNow('media-lost', lost);
    });
    // Of no use to who comes later: the answer to a resume tells who is there.
    call.on('participant', (notice, participant) => slot.tellNow(notice, participant));
    call.on('ended', (end) => this.end(end, { byCall: true }));
    return live;
  }

  /** The answer to a join; with new media when that of the call died in the moment between. */
  async #firstAnswer(live: Live, resumeToken: string, elsewhere: readonly OtherPop[]): Promise<JoinAnswer> {
    try {
      return this.#answer(live, resumeToken, false, elsewhere);
    } catch (error) {
      if (asAntipodeError(error).code !== 'ERR_MEDIA_WORKER_DIED') throw error;
      await live.call.renewMedia();
      return this.#answer(live, resumeToken, false, elsewhere);
    }
  }

  #answer(live: Live, resumeToken: string, mediaKept: boolean, elsewhere: readonly OtherPop[]): JoinAnswer {
    const { agent, iceServers, limits, edge } = this.#options;
    const { call, placement } = this.#place;
    const offer = mediaKept ? null : live.call.offer();
    const { room } = live.call;
    return {
      version: SIGNALING_VERSION,
      sessionId: call.sessionId,
      room: call.room,
      agent,
      resumeToken,
      resumeWindowMs: limits.resumeWindowMs,
      mediaKept,
      routerRtpCapabilities: room === null ? edge.routerRtpCapabilities : edge.roomRtpCapabilities,
      sendTransport: offer?.sendTransport ?? null,
      recvTransport: offer?.recvTransport ?? null,
      iceServers,
      placement,
      ...(elsewhere.length > 0 && { elsewhere: [...elsewhere] }),
      ...(room !== null && { participant: { participantId: room.participantId }, participants: room.participants }),
    };
  }

  #issueResume(socket: SessionSocket, grants: readonly Grant[], generation: number): Promise<string> {
    const { call, tokens, limits, nodeId: pop } = this.#options;
    const { sessionId, room, residency, agent } = call;
    const ttlSeconds = limits.maxSessionSeconds + Math.ceil(limits.resumeWindowMs / 1_000);
    return tokens.issueResume({ sessionId, room, grants, residency }, generation, ttlSeconds, {
      run: { agent, pop, core: this.coreId, epoch: this.epoch },
      ...(call.seat && { seat: call.seat }),
      from: addressMark(sessionId, socket.addressKey),
    });
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
