/**
 * One call's way to its core: which seat counts, messages both ways, a new way when a pipe or a worker fails, another
 * core when its own is lost or is to be left. Owns what the core is told of the session and when; the media itself is
 * the splice's.
 */
import type { ClientEvent, ClientMessage, SessionEnd } from '../agent/client-events.ts';
import type { MediaPipe } from '../backbone/index.ts';
import type { Clock, Timer } from '../clock.ts';
import { AntipodeError, asAntipodeError } from '../errors.ts';
import { CallPlace, type CallPlaceOptions } from './call-place.ts';
import type { CallSeat, SeatListener } from './call-seat.ts';
import { takeCallOver } from './call-take-over.ts';
import { ClientMessages } from './client-messages.ts';
import { CORE_LOST_AFTER_MS, type SessionEventTuple } from './core-link.ts';
import { type HandedOver, HandOver, type HandOverRequest, type Switched } from './hand-over.ts';
import { insist } from './insist.ts';
import { reportMove } from './move-report.ts';
import type { Played } from './played-position.ts';
import type { Ducked } from './reflex.ts';
import { Repiping } from './repiping.ts';
import type { Successor, TakeOverReason } from './take-over.ts';

export interface CallRouteOptions extends Omit<CallPlaceOptions, 'listener'> {
  /** A channel that is down for longer than this has lost its core: one that only broke is up again by then. */
  takeOverGraceMs: number;
  clock: Clock;
  onEvent: (event: ClientEvent) => void;
  /** The core ended the session, or can't be reached any more. */
  onEnded: (end: SessionEnd) => void;
}

export class CallRoute implements SeatListener {
  readonly sessionId: string;
  readonly #options: CallRouteOptions;
  readonly #stop = new AbortController();
  readonly #messages = new ClientMessages();
  readonly #repiping: Repiping;
  readonly #place: CallPlace;
  #ready = false;
  /** The core is lost, and another one is looked for. */
  #takingOver = false;
  /** The call is to move while its core lives. */
  #handOver: HandOver | null = null;
  #graceTimer: Timer | null = null;
  /** When the channel went down; null while it is up. */
  #downAtMs: number | null = null;

  constructor(options: CallRouteOptions) {
    this.#options = options;
    const { request, splice, metrics } = options;
    this.sessionId = request.sessionId;
    this.#place = new CallPlace({ ...options, listener: this });
    this.#repiping = new Repiping({
      possible: () => splice.built && !this.#switching && !this.#stop.signal.aborted,
      search: (attempt) => this.#insist('session.repipe', attempt),
      repipe: async () => !(await this.#present().repipe()).closed,
      onResult: (result) => metrics.repipes.inc({ result }),
    });
  }

  /**
   * Starts the session at its core and joins the media.
   * @param built resolves when the splice is built
   * @throws what the core says (ERR_AGENT_UNKNOWN, ERR_SESSION_LIMIT, ...), ERR_BACKBONE_CLOSED, ERR_BACKBONE_TIMEOUT,
   * ERR_MEDIA_WORKER_DIED
   */
  async attach(built: Promise<void>): Promise<void> {
    const { core, confinement } = this.#options.request;
    const place = this.#place;
    const [reached] = await Promise.all([place.reach(core), built]);
    this.#stop.signal.throwIfAborted();
    const seat = place.seatAt(reached, place.journal, { epoch: place.epoch, counts: true });
    place.take(seat);
    await seat.attach(reached.pipe, { confinement, resume: null });
    // The pipe or the channel may have failed between the answer and now.
    if (this.#options.splice.pipe?.closed) this.reroute();
  }

  /** The caller hears and is heard: the agent may speak. Tells the core once. */
  mediaReady(): void {
    if (this.#ready) return;
    this.#ready = true;
    // One that moves is told by the move.
    if (!this.#switching) void this.#insist('session.ready', () => this.#present().ready());
  }

  /** Looks for a new way to the core, until it stands or the call ends. */
  reroute(): void {
    if (this.#place.seat?.holds && !this.#takingOver) this.#repiping.want();
  }

  /** @throws ERR_REQUEST_TOO_LARGE */
  sendMessage(message: ClientMessage): void {
    if (!this.#messages.add(message)) {
      this.#options.log.warn('a message of the client is dropped: too many wait for a core');
      return;
    }
    this.#sendMessages();
  }

  callerConnection(state: 'connected' | 'disconnected'): void {
    this.#place.seat?.callerConnection(state);
  }

  played(played: Played): void {
    this.#place.seat?.played(played);
  }

  ducked(ducked: Ducked): void {
    this.#place.seat?.ducked(ducked);
  }

  /** Of the core that has the call, or is to have it. */
  get epoch(): number {
    return this.#place.epoch;
  }

  /** Node id of the core that has the call, or the last one that had it. */
  get coreId(): string {
    return this.#place.core.nodeId;
  }

  /** To the core and back, as measured last; null before that. */
  rttMs(): number | null {
    return this.#place.seat?.link.rttMs() ?? null;
  }

  /**
   * Leaves the core; resolves when it knows, or can't be told. Idempotent.
   * @param tellCore false when the core itself ended the session
   */
  async close(end: SessionEnd, tellCore: boolean): Promise<void> {
    if (this.#stop.signal.aborted) return;
    this.#stop.abort(new AntipodeError('ERR_SESSION_ENDED', 'The call ended.'));
    this.#graceTimer?.cancel();
    const seat = this.#place.seat;
    seat?.leave();
    if (!tellCore || !seat) return;
    try {
      await seat.detach(end);
    } catch (error) {
      this.#options.log.warn({ code: asAntipodeError(error).code }, 'the core could not be told that the call ended');
    }
  }

  /**
   * Moves the call to another core while its own goes on. When that does not come about the call goes on where it is.
   * @throws ERR_HANDOVER_REFUSED with the reason, ERR_PLACEMENT_NO_CORE and what else placement says, ERR_SESSION_ENDED
   */
  async handOver(request: HandOverRequest): Promise<HandedOver> {
    const { mover } = this.#options.request;
    const former = this.#place.seat;
    if (!mover || !former?.holds || this.#takingOver || this.#handOver !== null || this.#stop.signal.aborted) {
      throw new AntipodeError('ERR_HANDOVER_REFUSED', this.#whyNot(mover !== undefined));
    }
    const { splice, clock, log } = this.#options;
    if (request.reason !== 'drain' && former.journal.state === null) {
      throw new AntipodeError('ERR_HANDOVER_REFUSED', 'Its agent would begin anew at another core.');
    }
    const handOver = new HandOver({
      request,
      sessionId: this.sessionId,
      former,
      mover,
      splice,
      reach: (core) => this.#place.reach(core),
      seatAt: (at, journal) => this.#place.seatAt(at, journal, { epoch: former.epoch + 1, counts: false }),
      isRepiping: () => this.#repiping.searching,
      clock,
      signal: this.#stop.signal,
    });
    this.#handOver = handOver;
    const { reason } = request;
    const from = former.core.nodeId;
    let switched: Switched;
    try {
      switched = await handOver.run();
    } catch (error) {
      this.#handOver = null;
      const { code, message } = asAntipodeError(error);
      if (!this.#stop.signal.aborted) {
        const outcome = handOver.formerLost ? 'lost-core' : 'stayed';
        const how = {
          to: handOver.target?.core.nodeId ?? null,
          epoch: this.#place.epoch,
          gapMs: null,
          atTurnBoundary: false,
          outcome,
        } as const;
        reportMove({ from, reason, ...how, code, message }, this.#options);
        this.#stayAfter(former, handOver);
      }
      throw asAntipodeError(error, 'ERR_HANDOVER_REFUSED', 'The call could not be moved.');
    }
    this.#handOver = null;
    const { seat, target, pausedAtMs, atTurnBoundary } = switched;
    this.#takeSeat(seat);
    const { epoch } = seat;
    const recorded = target.taken(epoch).catch((error: unknown) => {
      const { code, message } = asAntipodeError(error);
      log.error({ code, message }, 'a call that moved is not ours any more');
      seat.giveUp({ knows: false });
      this.#options.onEnded({ code: 'replaced', reason: message.slice(0, 500) });
      throw error;
    });
    recorded.catch(() => {});
    if (this.#ready) await this.#insist('session.ready', () => this.#present().ready());
    await splice.tap.caughtUp;
    const gapMs = Math.max(0, clock.now() - pausedAtMs);
    const done: HandedOver = { from, to: seat.core.nodeId, epoch, gapMs, atTurnBoundary };
    reportMove({ ...done, reason, outcome: 'moved' }, this.#options);
    this.#options.onEvent({ type: 'moved', reason, gapMs });
    this.#settled();
    await recorded;
    return done;
  }

  #whyNot(hasMover: boolean): string {
    if (this.#stop.signal.aborted) return 'The call has ended.';
    if (!hasMover) return 'This call has no placement and stays where it is.';
    return this.#handOver || this.#takingOver ? 'The call moves already.' : 'The call is not open yet.';
  }

  /** The call did not move: its former core has it on, or by then another one must. */
  #stayAfter(former: CallSeat, { formerLost, mayGoOn, switching, target }: HandOver): void {
    const { splice } = this.#options;
    if (formerLost) this.#move(formerLost);
    else if (mayGoOn === false && target !== null) {
      // Its agent was stopped in the middle of a turn: it is resumed as another core would do it.
      const { core, confinement } = former;
      this.#move('core-shutdown', async () => ({
        core,
        confinement,
        epoch: await target.returned(this.#place.epoch - 1),
      }));
    } else {
      if (mayGoOn) void this.#insist('session.unyield', () => former.unyield());
      if (switching) {
        splice.goOn();
        if (this.#ready) void this.#insist('session.ready', () => former.ready());
      }
      this.#settled();
    }
  }

  /** The next core has answered: from now on its seat counts, and the former one is told. */
  #takeSeat(next: CallSeat): void {
    const former = this.#place.take(next);
    this.#graceTimer?.cancel();
    this.#downAtMs = null;
    former?.giveUp({ knows: false });
    this.#messages.nextCore();
    next.admit();
  }

  /** After a move, whether it came about or not: what waited for its end. */
  #settled(): void {
    this.#sendMessages();
    const { pipe } = this.#options.splice;
    // The way may have failed again meanwhile.
    if (pipe === null || pipe.closed) this.reroute();
    const seat = this.#place.seat;
    if (seat && !seat.link.up) this.channelDown(seat);
  }

  coreEvent(seat: CallSeat, ...[name, data]: SessionEventTuple): void {
    if (seat !== this.#place.seat) return;
    if (name === 'session.event') this.#options.onEvent(data.event);
    else if (name === 'session.journal') this.#messages.given(seat.journal.messagesGiven);
    else if (name === 'session.flush') this.#options.splice.flush(data.beforeTimestamp);
    else if (name === 'reflex.armed') this.#options.splice.reflex?.arm(data.epoch, data.armed);
    else if (name === 'reflex.answered') this.#options.splice.reflex?.answered(data.duck, data.verdict);
    else if (name === 'session.touched') this.#options.request.onTouched?.(data.touch);
    else if (name === 'session.ended') this.#onEnded(data.end);
  }

  #onEnded(end: SessionEnd): void {
    if (end.code !== 'node-shutdown' || !this.#options.request.successor) this.#options.onEnded(end);
    else this.#coreGone('core-shutdown');
  }

  pipeGone(seat: CallSeat, pipe: MediaPipe): void {
    const { splice } = this.#options;
    if (seat !== this.#place.seat || splice.pipe !== pipe) return;
    splice.unroute();
    this.reroute();
  }

  /** The present way goes on until the better one stands. */
  pipeBetter(seat: CallSeat, pipe: MediaPipe): void {
    if (seat === this.#place.seat && this.#options.splice.pipe === pipe) this.reroute();
  }

  channelDown(seat: CallSeat): void {
    if (seat !== this.#place.seat || !this.#mayMove) return;
    this.#downAtMs ??= this.#options.clock.now();
    this.#graceTimer?.cancel();
    this.#graceTimer = this.#options.clock.setTimeout(() => this.#coreGone('core-lost'), this.#options.takeOverGraceMs);
  }

  /** Its process is gone: there is nothing to wait for, when another core may have the call. */
  channelRefused(seat: CallSeat): void {
    if (seat !== this.#place.seat || !this.#mayMove) return;
    this.#graceTimer?.cancel();
    this.#coreGone('core-lost');
  }

  /** The core was only late: nothing was lost. */
  channelHeard(seat: CallSeat): void {
    if (seat !== this.#place.seat) return;
    this.#graceTimer?.cancel();
    this.#downAtMs = null;
    this.#sendMessages();
  }

  async channelBack(seat: CallSeat): Promise<void> {
    if (seat !== this.#place.seat) return;
    this.#graceTimer?.cancel();
    this.#downAtMs = null;
    this.reroute();
    await this.#repiping.over;
    this.#sendMessages();
  }

  coreLost(seat: CallSeat): void {
    if (seat !== this.#place.seat) return;
    if (this.#mayMove) this.#coreGone('core-lost');
    else if (!this.#takingOver) this.#lost('The connection to the core was lost.');
  }

  #coreGone(reason: TakeOverReason): void {
    // A hand-over that does not go on fails, and comes back here.
    if (this.#handOver) this.#handOver.lost(reason);
    else this.#move(reason);
  }

  /** Nothing may be asked of a core now: the call is between two. */
  get #switching(): boolean {
    return this.#takingOver || this.#handOver?.switching === true;
  }

  get #mayMove(): boolean {
    return this.#options.request.successor !== undefined && this.#place.seat?.holds === true && !this.#takingOver;
  }

  /**
   * Finds another core.
   * @param again the former core lives, and is asked first whether it has the call again
   */
  #move(reason: TakeOverReason, again: (() => Promise<Successor>) | null = null): void {
    const { request, onEvent } = this.#options;
    if (this.#takingOver || this.#stop.signal.aborted) return;
    if (!request.successor) {
      this.#lost('The core of this call was lost.');
      return;
    }
    this.#takingOver = true;
    this.#graceTimer?.cancel();
    const downAtMs = this.#downAtMs;
    const taken = takeCallOver({
      ...this.#options,
      ...{ sessionId: this.sessionId, reason, place: this.#place, find: request.successor, again, downAtMs },
      isReady: () => this.#ready,
      signal: this.#stop.signal,
    });
    this.#messages.nextCore();
    taken.then(
      ({ gapMs }) => {
        this.#takingOver = false;
        this.#downAtMs = null;
        onEvent({ type: 'moved', reason, gapMs });
        this.#settled();
      },
      (error: unknown) => {
        if (this.#stop.signal.aborted) return;
        this.#lost(`The core of this call was lost, and no other took it (${asAntipodeError(error).code}).`);
      },
    );
  }

  #sendMessages(): void {
    const seat = this.#place.seat;
    if (this.#switching || !seat?.link.up) return;
    this.#messages.send((message) => seat.message(message));
  }

  /** Does what the call can't live without; when it fails for good the call ends. */
  async #insist(what: string, attempt: () => Promise<void>): Promise<boolean> {
    const { clock, log } = this.#options;
    const { seat } = this.#place;
    try {
      await insist(attempt, { clock, signal: this.#stop.signal, timeoutMs: CORE_LOST_AFTER_MS });
      return true;
    } catch (error) {
      // Of a seat that counts no more nothing is needed.
      if (this.#stop.signal.aborted || this.#switching || seat !== this.#place.seat) return false;
      const { code, message } = asAntipodeError(error);
      log.error({ what, code, message }, 'the core could not be told');
      if (this.#mayMove) this.#coreGone('core-lost');
      else this.#lost(`The core could not go on with this call (${code}).`);
      return false;
    }
  }

  #lost(reason: string): void {
    this.#options.onEnded({ code: 'agent-failed', reason });
  }

  #present(): CallSeat {
    const { seat } = this.#place;
    if (!seat) throw new TypeError('Not attached.');
    return seat;
  }
}
