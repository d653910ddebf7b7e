/**
 * One call's place at one core: the link that it uses, its epoch there, what the core holds of it and the journal that
 * the core writes. A call has one that counts; while it moves, a second one is made ready beside it. Owns what is asked
 * of that core; when a call changes its seat is call-route.ts.
 */
import type { ClientMessage, SessionEnd } from '../agent/client-events.ts';
import type { Confinement } from '../agent/types.ts';
import type { CoreEventData, MediaPipe, MediaWorker, PopEventData } from '../backbone/index.ts';
import { AntipodeError, asAntipodeError } from '../errors.ts';
import type { Logger } from '../telemetry/index.ts';
import { attachData, type CallRequest } from './call-request.ts';
import type { CallSplice } from './call-splice.ts';
import type { CoreLink, LinkSession, SessionEventTuple } from './core-link.ts';
import type { CoreAddress } from './core-links.ts';
import type { EdgeMetrics } from './edge-metrics.ts';
import type { CallJournal } from './journal.ts';
import { leaveLater } from './leave-later.ts';
import type { RoomWay } from './room-way.ts';
import type { Resume } from './take-over.ts';

/** What a call hears of its seat. None of these may throw. */
export interface SeatListener {
  coreEvent(seat: CallSeat, ...event: SessionEventTuple): void;
  pipeGone(seat: CallSeat, pipe: MediaPipe): void;
  pipeBetter(seat: CallSeat, pipe: MediaPipe): void;
  channelDown(seat: CallSeat): void;
  channelRefused(seat: CallSeat): void;
  channelHeard(seat: CallSeat): void;
  channelBack(seat: CallSeat): Promise<void>;
  coreLost(seat: CallSeat): void;
}

export interface CallSeatOptions {
  request: CallRequest;
  core: CoreAddress;
  epoch: number;
  link: CoreLink;
  worker: MediaWorker;
  splice: CallSplice;
  /** Of this core alone. */
  journal: CallJournal;
  log: Logger;
  metrics: Pick<EdgeMetrics, 'staleEvents'>;
  /** Of a call in a room: told where the session is. */
  roomWay: RoomWay | null;
  listener: SeatListener;
}

/** How a session comes to a core. */
export interface SeatAttachment {
  confinement: Confinement | null;
  /** Null: it begins. */
  resume: Resume | null;
  /** Few other calls come at the same time. @defaultValue false */
  alone?: boolean;
}

/** What the core says when it has paused a session for another one. */
export type Yielded = CoreEventData<'session.yielded'>;

export class CallSeat implements LinkSession {
  readonly sessionId: string;
  readonly epoch: number;
  readonly core: CoreAddress;
  readonly link: CoreLink;
  readonly journal: CallJournal;
  readonly #options: CallSeatOptions;
  #leave: (() => void) | null = null;
  #confinement: Confinement | null = null;
  /** What the core was asked to hold: `asked` may be held without our knowing. */
  #held: 'no' | 'asked' | 'yes' = 'no';
  /** What a core said before its seat counts. */
  #early: SessionEventTuple[] | null;
  #yielding: PromiseWithResolvers<Yielded> | null = null;

  /** @param options.counts false: what it says is kept until `admit` */
  constructor(options: CallSeatOptions & { counts: boolean }) {
    this.#options = options;
    this.sessionId = options.request.sessionId;
    this.epoch = options.epoch;
    this.core = options.core;
    this.link = options.link;
    this.journal = options.journal;
    this.#early = options.counts ? null : [];
    this.#leave = this.link.join(this);
  }

  /** The core has the session. */
  get holds(): boolean {
    return this.#held === 'yes';
  }

  /** What keeps its data in there. */
  get confinement(): Confinement | null {
    return this.#confinement;
  }

  get #name(): { sessionId: string; epoch: number } {
    return { sessionId: this.sessionId, epoch: this.epoch };
  }

  /** From now on what the core says is heard, what it said so far first. */
  admit(): void {
    const early = this.#early ?? [];
    this.#early = null;
    for (const event of early) this.#options.listener.coreEvent(this, ...event);
  }

  /**
   * Starts the session there and joins the media over `pipe`; the writer is bound when the core has answered.
   * @throws what the core says, ERR_BACKBONE_CLOSED, ERR_BACKBONE_TIMEOUT, ERR_MEDIA_WORKER_DIED
   */
  async attach(pipe: MediaPipe, { confinement, resume, alone = false }: SeatAttachment): Promise<void> {
    const { splice, request } = this.#options;
    this.#confinement = confinement;
    const rewindTo = resume === null ? null : (resume.journal.consumed ?? 0) + 1;
    const ask = async (uplink: Parameters<Parameters<CallSplice['route']>[2]>[0]) => {
      this.#held = 'asked';
      try {
        const to = { epoch: this.epoch, pipeId: pipe.pipeId, uplink, confinement, resume };
        const answer = await this.link.request('session.attach', attachData(request, to));
        this.#held = 'yes';
        return answer.downlink;
      } catch (error) {
        // A core that refused holds nothing; one that did not answer may.
        if (asAntipodeError(error).code !== 'ERR_BACKBONE_TIMEOUT') this.#held = 'no';
        throw error;
      }
    };
    await splice.route(pipe, this.epoch, ask, { rewindTo, alone });
    this.#arrived(pipe);
  }

  /** Another way to the same core. @throws as `attach` */
  async repipe(): Promise<MediaPipe> {
    const { splice, worker } = this.#options;
    const pipe = await this.link.pipe(worker);
    await splice.route(pipe, this.epoch, async (uplink) => {
      const answer = await this.link.request('session.repipe', { ...this.#name, pipeId: pipe.pipeId, uplink });
      return answer.downlink;
    });
    this.#arrived(pipe);
    return pipe;
  }

  #arrived(pipe: MediaPipe): void {
    this.#options.roomWay?.arrived({ link: this.link, epoch: this.epoch, pipe });
  }

  /** The caller hears: the agent may speak. @throws as CoreLink.request */
  async ready(): Promise<void> {
    await this.link.request('session.ready', this.#name);
  }

  /**
   * Asks the core to pause the session for another core.
   * @param how `cut`: it is paused at the end of the time whatever it is doing
   * @returns what it says when it has, or that it can't
   * @throws as CoreLink.request, the signal's reason
   */
  async yield(how: { withinMs: number; cut: boolean }, signal: AbortSignal): Promise<Yielded> {
    const yielding = Promise.withResolvers<Yielded>();
    yielding.promise.catch(() => {});
    this.#yielding = yielding;
    const onAbort = () => yielding.reject(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      signal.throwIfAborted();
      await this.link.request('session.yield', { ...this.#name, ...how });
      return await yielding.promise;
    } finally {
      signal.removeEventListener('abort', onAbort);
      if (this.#yielding === yielding) this.#yielding = null;
    }
  }

  /** The session stays here and goes on. @throws as CoreLink.request */
  async unyield(): Promise<void> {
    await this.link.request('session.unyield', this.#name);
  }

  /** The session has ended; resolves when the core knows. @throws as CoreLink.request */
  async detach(end: SessionEnd): Promise<void> {
    if (this.#held !== 'no') await this.link.request('session.detach', { ...this.#name, end });
  }

  message(message: ClientMessage): void {
    this.link.send('session.message', { ...this.#name, message });
  }

  callerConnection(state: 'connected' | 'disconnected'): void {
    this.link.send('session.caller', { ...this.#name, state });
  }

  played(data: Omit<PopEventData<'session.played'>, 'sessionId'>): void {
    this.link.send('session.played', { sessionId: this.sessionId, ...data });
  }

  ducked(data: Omit<PopEventData<'reflex.ducked'>, 'sessionId'>): void {
    this.link.send('reflex.ducked', { sessionId: this.sessionId, ...data });
  }

  /** Hears nothing any more. Idempotent. */
  leave(): void {
    this.#leave?.();
    this.#leave = null;
    this.#yielding?.reject(new AntipodeError('ERR_BACKBONE_CLOSED', 'The call has left this core.'));
  }

  /**
   * As `leave`, and whenever that core can be told it is told that it has the call no more.
   * @param knows it ended the session itself
   */
  giveUp({ knows }: { knows: boolean }): void {
    this.leave();
    const held = this.#held;
    this.#held = 'no';
    if (held !== 'no' && !knows) leaveLater(this.link, this.#name, this.#options);
  }

  coreEvent(...event: SessionEventTuple): void {
    const [name, data] = event;
    if (data.epoch !== this.epoch) this.#options.metrics.staleEvents.inc();
    else if (name === 'session.yielded') this.#yielding?.resolve(data);
    else if (name === 'session.journal') this.#take(data);
    else if (this.#early !== null) this.#early.push(event);
    else this.#options.listener.coreEvent(this, ...event);
  }

  #take(frame: CoreEventData<'session.journal'>): void {
    const to = this.journal.take(frame);
    if (to !== null) this.link.send('session.journaled', { ...this.#name, to });
    this.#options.listener.coreEvent(this, 'session.journal', frame);
  }

  pipeGone(pipe: MediaPipe): void {
    this.#options.listener.pipeGone(this, pipe);
  }

  pipeBetter(pipe: MediaPipe): void {
    this.#options.listener.pipeBetter(this, pipe);
  }

  channelRefused(): void {
    this.#options.listener.channelRefused(this);
  }

  channelDown(): void {
    this.#options.listener.channelDown(this);
  }

  channelHeard(): void {
    this.#options.listener.channelHeard(this);
  }

  channelBack(): Promise<void> {
    return this.#options.listener.channelBack(this);
  }

  coreLost(): void {
    this.#options.listener.coreLost(this);
  }
}
