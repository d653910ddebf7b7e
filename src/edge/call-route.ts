/**
 * One call's way to its core: attach, ready, messages both ways, and a new way whenever a pipe, a worker or the channel
 * fails. Owns what the core is told of the session and when; the media itself is the splice's.
 */
import type { ClientEvent, ClientMessage, SessionEnd } from '../agent/client-events.ts';
import type { Confinement } from '../agent/types.ts';
import type { MediaPipe, MediaWorker } from '../backbone/index.ts';
import type { Clock, Timer } from '../clock.ts';
import { AntipodeError, asAntipodeError } from '../errors.ts';
import type { Logger } from '../telemetry/index.ts';
import { attachData, type CallRequest } from './call-request.ts';
import type { CallSplice } from './call-splice.ts';
import { ClientMessages } from './client-messages.ts';
import { CORE_LOST_AFTER_MS, type CoreLink, type LinkSession, type SessionEventTuple } from './core-link.ts';
import type { CoreLinks } from './core-links.ts';
import type { EdgeMetrics } from './edge-metrics.ts';
import { insist } from './insist.ts';
import { CallJournal, type JournalFrame } from './journal.ts';
import { leaveLater } from './leave-later.ts';
import type { Played } from './played-position.ts';
import type { Ducked } from './reflex.ts';
import { CHANNEL_GRACE_MS, type Resume, type Successor, type TakeOverReason, takeOver } from './take-over.ts';

export interface CallRouteOptions {
  request: CallRequest;
  worker: MediaWorker;
  splice: CallSplice;
  links: CoreLinks;
  clock: Clock;
  log: Logger;
  metrics: EdgeMetrics;
  onEvent: (event: ClientEvent) => void;
  /** The core ended the session, or can't be reached any more. */
  onEnded: (end: SessionEnd) => void;
}

export class CallRoute implements LinkSession {
  readonly sessionId: string;
  readonly #options: CallRouteOptions;
  #epoch: number;
  #coreId: string;
  readonly #stop = new AbortController();
  readonly #journal: CallJournal;
  #link: CoreLink | null = null;
  #leave: (() => void) | null = null;
  /** What the core was asked to hold: `asked` may be held without our knowing. */
  #held: 'no' | 'asked' | 'yes' = 'no';
  #ready = false;
  /** Another core is looked for. */
  #moving = false;
  #graceTimer: Timer | null = null;
  readonly #messages = new ClientMessages();
  #rerouteWanted = false;
  #rerouting = false;
  /** When the channel went down; null while it is up. */
  #downAtMs: number | null = null;
  /** Settles when the rerouting under way, or the last one, is over. */
  #rerouted: Promise<void> = Promise.resolve();

  constructor(options: CallRouteOptions) {
    this.#options = options;
    this.sessionId = options.request.sessionId;
    this.#epoch = options.request.epoch;
    this.#coreId = options.request.core.nodeId;
    this.#journal = new CallJournal({
      onGivenUp: () => options.log.error('the journal of a call is too long: another core would begin without it'),
    });
  }

  /**
   * Starts the session at its core and joins the media.
   * @param built resolves when the splice is built
   * @throws what the core says (ERR_AGENT_UNKNOWN, ERR_SESSION_LIMIT, ...), ERR_BACKBONE_CLOSED, ERR_BACKBONE_TIMEOUT,
   * ERR_MEDIA_WORKER_DIED
   */
  async attach(built: Promise<void>): Promise<void> {
    const { links, worker, request } = this.#options;
    const { core, confinement } = request;
    const linked = links.to(core).then(async (link) => ({ link, pipe: await link.pipe(worker) }));
    const [{ link, pipe }] = await Promise.all([linked, built]);
    this.#stop.signal.throwIfAborted();
    this.#link = link;
    this.#leave = link.join(this);
    await this.#attachOver(link, pipe, confinement, null);
  }

  async #attachOver(
    link: CoreLink,
    pipe: MediaPipe,
    confinement: Confinement | null,
    resume: Resume | null,
  ): Promise<void> {
    const { splice, request } = this.#options;
    await splice.route(pipe, this.#epoch, async (uplink) => {
      this.#held = 'asked';
      try {
        const to = { epoch: this.#epoch, pipeId: pipe.pipeId, uplink, confinement, resume };
        const answer = await link.request('session.attach', attachData(request, to));
        this.#held = 'yes';
        return answer.downlink;
      } catch (error) {
        // A core that refused holds nothing; one that did not answer may.
        if (asAntipodeError(error).code !== 'ERR_BACKBONE_TIMEOUT') this.#held = 'no';
        throw error;
      }
    });
    // The pipe or the channel may have failed between the answer and now.
    if (splice.pipe?.closed) this.reroute();
  }

  /** The caller hears and is heard: the agent may speak. Tells the core once. */
  mediaReady(): void {
    if (this.#ready) return;
    this.#ready = true;
    if (!this.#moving) this.#tellReady();
  }

  #tellReady(): void {
    void this.#insist('session.ready', async () => {
      await this.#present().request('session.ready', { sessionId: this.sessionId, epoch: this.#epoch });
    });
  }

  /** Looks for a new way to the core, until it stands or the call ends. */
  reroute(): void {
    if (this.#held !== 'yes' || this.#moving) return;
    this.#rerouteWanted = true;
    if (this.#rerouting) return;
    this.#rerouting = true;
    this.#rerouted = this.#rerouteAll();
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
    this.#link?.send('session.caller', { sessionId: this.sessionId, epoch: this.#epoch, state });
  }

  played({ epoch, timestamp, frames }: Played): void {
    this.#link?.send('session.played', { sessionId: this.sessionId, epoch, timestamp, frames });
  }

  ducked({ epoch, duck, timestamp, uplinkPacket }: Ducked): void {
    this.#link?.send('reflex.ducked', { sessionId: this.sessionId, epoch, duck, timestamp, uplinkPacket });
  }

  /** Of the core that has the call, or is to have it. */
  get epoch(): number {
    return this.#epoch;
  }

  /** To the core and back, as measured last; null before that. */
  rttMs(): number | null {
    return this.#link?.rttMs() ?? null;
  }

  /**
   * Leaves the core; resolves when it knows, or can't be told. Idempotent.
   * @param tellCore false when the core itself ended the session
   */
  async close(end: SessionEnd, tellCore: boolean): Promise<void> {
    if (this.#stop.signal.aborted) return;
    this.#stop.abort(new AntipodeError('ERR_SESSION_ENDED', 'The call ended.'));
    this.#graceTimer?.cancel();
    this.#leave?.();
    const link = this.#link;
    if (!tellCore || !link || this.#held === 'no') return;
    try {
      await link.request('session.detach', { sessionId: this.sessionId, epoch: this.#epoch, end });
    } catch (error) {
      this.#options.log.warn({ code: asAntipodeError(error).code }, 'the core could not be told that the call ended');
    }
  }

  coreEvent(...[name, data]: SessionEventTuple): void {
    if (data.epoch !== this.#epoch) {
      this.#options.metrics.staleEvents.inc();
      return;
    }
    if (name === 'session.event') this.#options.onEvent(data.event);
    else if (name === 'session.journal') this.#take(data);
    else if (name === 'session.flush') this.#options.splice.flush(data.beforeTimestamp);
    else if (name === 'reflex.armed') this.#options.splice.reflex?.arm(data.epoch, data.armed);
    else if (name === 'reflex.answered') this.#options.splice.reflex?.answered(data.duck, data.verdict);
    else if (name === 'session.touched') this.#options.request.onTouched?.(data.touch);
    else if (data.end.code === 'node-shutdown' && this.#mayMove) this.#move('core-shutdown');
    else this.#options.onEnded(data.end);
  }

  #take(frame: JournalFrame): void {
    const to = this.#journal.take(frame);
    this.#messages.given(this.#journal.messagesGiven);
    if (to !== null) this.#link?.send('session.journaled', { sessionId: this.sessionId, epoch: this.#epoch, to });
  }

  pipeGone(pipe: MediaPipe): void {
    const { splice } = this.#options;
    if (splice.pipe !== pipe) return;
    splice.unroute();
    this.reroute();
  }

  channelDown(): void {
    if (!this.#mayMove) return;
    this.#downAtMs = this.#options.clock.now();
    this.#graceTimer?.cancel();
    this.#graceTimer = this.#options.clock.setTimeout(() => this.#move('core-lost'), CHANNEL_GRACE_MS);
  }

  async channelBack(): Promise<void> {
    this.#graceTimer?.cancel();
    this.#downAtMs = null;
    this.reroute();
    await this.#rerouted;
    this.#sendMessages();
  }

  coreLost(): void {
    if (this.#mayMove) this.#move('core-lost');
    else if (!this.#moving) this.#lost('The connection to the core was lost.');
  }

  get #mayMove(): boolean {
    return this.#options.request.successor !== undefined && this.#held === 'yes' && !this.#moving;
  }

  /** Finds another core. The former one is not heard any more from this moment on, whatever it still says. */
  #move(reason: TakeOverReason): void {
    const { request, splice, clock, log, metrics, onEvent } = this.#options;
    const { successor } = request;
    if (!successor || this.#moving || this.#stop.signal.aborted) return;
    this.#moving = true;
    this.#graceTimer?.cancel();
    const nowMs = clock.now();
    // An agent in the middle of an answer was gone from its last frame on.
    const speaking = (this.#journal.state?.reply?.utterance ?? null) !== null;
    const goneAtMs = (speaking ? splice.writer.lastWrittenAtMs : null) ?? this.#downAtMs ?? nowMs;
    const resume = this.#journal.nextEpoch(splice.writer.played?.timestamp ?? null);
    this.#leaveFormer(reason);
    this.#messages.nextCore();
    this.#epoch += 1;
    splice.unroute();
    splice.writer.bind(this.#epoch);
    const lostCore = this.#coreId;
    log.warn({ core: lostCore, reason, journal: resume !== null }, 'a call looks for another core');
    takeOver({
      request: { sessionId: this.sessionId, reason },
      find: successor,
      epoch: () => this.#epoch - 1,
      lostCore,
      attach: (next) => this.#attachTo(next, resume),
      clock,
      signal: this.#stop.signal,
      onFailed: (core, error) =>
        log.warn({ core, code: error.code, message: error.message }, 'a core did not take a call'),
    }).then(
      () => {
        const gapMs = Math.max(0, clock.now() - goneAtMs);
        this.#moving = false;
        this.#downAtMs = null;
        metrics.takeOvers.inc({ reason, outcome: resume ? 'resumed' : 'restarted' });
        metrics.takeOverGap.observe(gapMs / 1_000);
        log.info({ core: this.#coreId, epoch: this.#epoch, gapMs: Math.round(gapMs) }, 'another core has a call');
        onEvent({ type: 'moved', reason, gapMs });
        this.#sendMessages();
        // The way may have failed again meanwhile.
        if (splice.pipe === null || splice.pipe.closed) this.reroute();
        if (!this.#link?.up) this.channelDown();
      },
      (error: unknown) => {
        if (this.#stop.signal.aborted) return;
        metrics.takeOvers.inc({ reason, outcome: 'failed' });
        this.#lost(`The core of this call was lost, and no other took it (${asAntipodeError(error).code}).`);
      },
    );
  }

  async #attachTo({ core, epoch, confinement }: Successor, resume: Resume | null): Promise<void> {
    const { links, worker, splice } = this.#options;
    this.#epoch = Math.max(epoch, this.#epoch);
    try {
      const link = await links.to(core);
      const pipe = await link.pipe(worker);
      this.#stop.signal.throwIfAborted();
      this.#coreId = core.nodeId;
      this.#link = link;
      this.#leave = link.join(this);
      if (resume) splice.tap.rewind((resume.journal.consumed ?? 0) + 1);
      await this.#attachOver(link, pipe, confinement, resume);
      if (this.#ready) {
        await link.request('session.ready', { sessionId: this.sessionId, epoch: this.#epoch });
      }
    } catch (error) {
      splice.unroute();
      this.#leaveFormer('core-lost');
      this.#epoch += 1;
      throw error;
    }
  }

  /** Whenever that core can be told, it is told that it has the call no more. */
  #leaveFormer(reason: TakeOverReason): void {
    const link = this.#link;
    this.#leave?.();
    this.#leave = null;
    this.#link = null;
    const held = this.#held;
    this.#held = 'no';
    if (!link || held === 'no' || reason === 'core-shutdown') return;
    leaveLater(link, { sessionId: this.sessionId, epoch: this.#epoch }, this.#options);
  }

  #sendMessages(): void {
    const link = this.#link;
    if (this.#moving || !link?.up) return;
    const { sessionId } = this;
    this.#messages.send((message) => link.send('session.message', { sessionId, epoch: this.#epoch, message }));
  }

  async #rerouteAll(): Promise<void> {
    const { splice, metrics } = this.#options;
    try {
      while (this.#rerouteWanted && splice.built && !this.#moving && !this.#stop.signal.aborted) {
        if (!(await this.#insist('session.repipe', () => this.#rerouteOnce())))
          metrics.repipes.inc({ result: 'failed' });
      }
    } finally {
      this.#rerouting = false;
    }
  }

  async #rerouteOnce(): Promise<void> {
    const { splice, worker, metrics } = this.#options;
    // Without its producers the call waits for the worker's replacement, which asks again.
    if (!splice.built) return;
    // Whatever asked up to now is answered by this attempt.
    this.#rerouteWanted = false;
    const link = this.#present();
    const pipe = await link.pipe(worker);
    await splice.route(pipe, this.#epoch, async (uplink) => {
      const { sessionId } = this;
      const answer = await link.request('session.repipe', {
        sessionId,
        epoch: this.#epoch,
        pipeId: pipe.pipeId,
        uplink,
      });
      return answer.downlink;
    });
    metrics.repipes.inc({ result: 'done' });
    if (pipe.closed) this.#rerouteWanted = true;
  }

  /** Does what the call can't live without; when it fails for good the call ends. */
  async #insist(what: string, attempt: () => Promise<void>): Promise<boolean> {
    const { clock, log } = this.#options;
    try {
      await insist(attempt, { clock, signal: this.#stop.signal, timeoutMs: CORE_LOST_AFTER_MS });
      return true;
    } catch (error) {
      if (this.#stop.signal.aborted || this.#moving) return false;
      const { code, message } = asAntipodeError(error);
      log.error({ what, code, message }, 'the core could not be told');
      if (this.#mayMove) {
        this.#move('core-lost');
        return false;
      }
      this.#lost(`The core could not go on with this call (${code}).`);
      return false;
    }
  }

  #lost(reason: string): void {
    this.#options.onEnded({ code: 'agent-failed', reason });
  }

  #present(): CoreLink {
    if (!this.#link) throw new TypeError('Not attached.');
    return this.#link;
  }
}
