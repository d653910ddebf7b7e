/**
 * One call's way to its core: attach, ready, messages both ways, and a new way whenever a pipe, a worker or the channel
 * fails. Owns what the core is told of the session and when; the media itself is the splice's.
 */
import type { ClientEvent, ClientMessage, SessionEnd } from '../agent/client-events.ts';
import type { Confinement, DataTouch } from '../agent/types.ts';
import type { MediaPipe, MediaWorker } from '../backbone/index.ts';
import type { Clock } from '../clock.ts';
import { AntipodeError, asAntipodeError } from '../errors.ts';
import type { Logger } from '../telemetry/index.ts';
import type { CallSplice } from './call-splice.ts';
import { CORE_LOST_AFTER_MS, type CoreLink, type LinkSession, type SessionEventTuple } from './core-link.ts';
import type { CoreAddress, CoreLinks } from './core-links.ts';
import type { EdgeMetrics } from './edge-metrics.ts';
import { insist } from './insist.ts';
import type { Played } from './played-position.ts';

/** A session to be opened at this POP. */
export interface CallRequest {
  sessionId: string;
  /** Grows by one with each take-over of the session by another core. */
  epoch: number;
  room: string;
  agent: string;
  residency: string | null;
  confinement: Confinement | null;
  metadata: Record<string, unknown>;
  core: CoreAddress;
  /** Told of what the session's data touched at the core's side. */
  onTouched?(touch: DataTouch): void;
}

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
  readonly #epoch: number;
  readonly #stop = new AbortController();
  #link: CoreLink | null = null;
  #leave: (() => void) | null = null;
  /** What the core was asked to hold: `asked` may be held without our knowing. */
  #held: 'no' | 'asked' | 'yes' = 'no';
  #ready = false;
  #rerouteWanted = false;
  #rerouting = false;
  /** Settles when the rerouting under way, or the last one, is over. */
  #rerouted: Promise<void> = Promise.resolve();

  constructor(options: CallRouteOptions) {
    this.#options = options;
    this.sessionId = options.request.sessionId;
    this.#epoch = options.request.epoch;
  }

  /**
   * Starts the session at its core and joins the media.
   * @param built resolves when the splice is built
   * @throws what the core says (ERR_AGENT_UNKNOWN, ERR_SESSION_LIMIT, ...), ERR_BACKBONE_CLOSED, ERR_BACKBONE_TIMEOUT,
   * ERR_MEDIA_WORKER_DIED
   */
  async attach(built: Promise<void>): Promise<void> {
    const { links, worker, splice, request } = this.#options;
    const { core, epoch: _, onTouched: __, ...session } = request;
    const linked = links.to(core).then(async (link) => ({ link, pipe: await link.pipe(worker) }));
    const [{ link, pipe }] = await Promise.all([linked, built]);
    this.#stop.signal.throwIfAborted();
    this.#link = link;
    this.#leave = link.join(this);
    await splice.route(pipe, this.#epoch, async (uplink) => {
      this.#held = 'asked';
      try {
        const asked = {
          ...session,
          confinement: copyOf(session.confinement),
          epoch: this.#epoch,
          pipeId: pipe.pipeId,
          uplink,
        };
        const answer = await link.request('session.attach', asked);
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
    void this.#insist('session.ready', async () => {
      await this.#present().request('session.ready', { sessionId: this.sessionId, epoch: this.#epoch });
    });
  }

  /** Looks for a new way to the core, until it stands or the call ends. */
  reroute(): void {
    if (this.#held !== 'yes') return;
    this.#rerouteWanted = true;
    if (this.#rerouting) return;
    this.#rerouting = true;
    this.#rerouted = this.#rerouteAll();
  }

  /** @throws ERR_REQUEST_TOO_LARGE */
  sendMessage(message: ClientMessage): void {
    this.#link?.send('session.message', { sessionId: this.sessionId, epoch: this.#epoch, message });
  }

  callerConnection(state: 'connected' | 'disconnected'): void {
    this.#link?.send('session.caller', { sessionId: this.sessionId, epoch: this.#epoch, state });
  }

  played({ epoch, timestamp, frames }: Played): void {
    this.#link?.send('session.played', { sessionId: this.sessionId, epoch, timestamp, frames });
  }

  /**
   * Leaves the core; resolves when it knows, or can't be told. Idempotent.
   * @param tellCore false when the core itself ended the session
   */
  async close(end: SessionEnd, tellCore: boolean): Promise<void> {
    if (this.#stop.signal.aborted) return;
    this.#stop.abort(new AntipodeError('ERR_SESSION_ENDED', 'The call ended.'));
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
    else if (name === 'session.flush') this.#options.splice.writer.flush(data.beforeTimestamp);
    else if (name === 'session.touched') this.#options.request.onTouched?.(data.touch);
    else this.#options.onEnded(data.end);
  }

  pipeGone(pipe: MediaPipe): void {
    const { splice } = this.#options;
    if (splice.pipe !== pipe) return;
    splice.unroute();
    this.reroute();
  }

  async channelBack(): Promise<void> {
    this.reroute();
    await this.#rerouted;
  }

  coreLost(): void {
    this.#lost('The connection to the core was lost.');
  }

  async #rerouteAll(): Promise<void> {
    const { splice, metrics } = this.#options;
    try {
      while (this.#rerouteWanted && splice.built && !this.#stop.signal.aborted) {
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
      if (this.#stop.signal.aborted) return false;
      const { code, message } = asAntipodeError(error);
      log.error({ what, code, message }, 'the core could not be told');
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

/** As the control channel takes it. */
function copyOf(confinement: Confinement | null) {
  if (confinement === null) return null;
  const { pins, endpoints, hosts } = confinement;
  return { pins, endpoints: [...endpoints], hosts: hosts.map((host) => ({ ...host })) };
}
