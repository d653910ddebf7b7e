/**
 * The POP's end of a control channel: dials one core, keeps the channel up, and matches answers to requests. Owns the
 * reconnecting; what must be said again after a reconnection (which sessions there are) is its user's to say.
 */
import { EventEmitter } from 'node:events';
import { type Clock, delay, type Timer } from '../clock.ts';
import { AntipodeError, asAntipodeError } from '../errors.ts';
import type { Logger, Registry } from '../telemetry/index.ts';
import { type BackboneMetrics, backboneMetrics } from './backbone-metrics.ts';
import { dialCore } from './control-dial.ts';
import { badData, eventText, type Frame, requestText } from './control-frame.ts';
import type { HandledPopRequestMethod } from './control-handlers.ts';
import { ControlLink, type ControlLinkLimits, type LinkCloseReason } from './control-link.ts';
import type { NodeIdentity } from './node-identity.ts';
import { PendingRequests } from './pending-requests.ts';
import {
  BACKBONE_PROTOCOL_VERSION,
  type CoreEventData,
  type CoreEventName,
  coreEvents,
  type PopEventData,
  type PopEventName,
  type PopRequestAnswer,
  type PopRequestData,
  type PopRequestMethod,
} from './protocol.ts';
import type { RttSpread } from './recent-rtt.ts';

export interface ControlClientOptions {
  host: string;
  port: number;
  /** The core's certificate must name this node. */
  expectNodeId: string;
  identity: NodeIdentity;
  region: string;
  clock: Clock;
  log: Logger;
  metrics: Registry;
  /** Longest wait for an answer, and for a connection with its hello. */
  requestTimeoutMs: number;
  limits?: Partial<ControlLinkLimits>;
  /** 0 to 1, for the spread of reconnections. @defaultValue Math.random */
  random?: () => number;
}

export type CoreEventTuple = { [E in CoreEventName]: [name: E, data: CoreEventData<E>] }[CoreEventName];

export type ControlClientEvents = {
  event: CoreEventTuple;
  /** The channel is up again after it was down. */
  up: [];
  /** The channel went down; it comes back by itself unless the reason is ERR_SUPERSEDED or we are closed. */
  down: [AntipodeError];
};

const BACKOFF_MIN_MS = 100;
const BACKOFF_MAX_MS = 2_000;
/** A channel that was up for less than this doesn't start the back-off anew. */
const STABLE_AFTER_MS = 2_000;

export class ControlClient extends EventEmitter<ControlClientEvents> {
  readonly #options: ControlClientOptions;
  readonly #metrics: BackboneMetrics;
  readonly #stop = new AbortController();
  readonly #pending: PendingRequests;
  #link: ControlLink | null = null;
  #up = false;
  /** Since the channel was last up for long enough. */
  #attempts = 0;
  #upAtMs = 0;

  private constructor(options: ControlClientOptions) {
    super();
    this.#options = options;
    this.#metrics = backboneMetrics(options.metrics);
    this.#pending = new PendingRequests(options.clock);
  }

  /**
   * Resolves when the channel is up. When the first attempt fails nothing is left behind; after it, lost channels come
   * back by themselves.
   * @throws ERR_BACKBONE_CLOSED, ERR_BACKBONE_TIMEOUT, ERR_FORBIDDEN when either end's certificate is not what the other
   * expects, ERR_PROTOCOL_VERSION
   */
  static async connect(options: ControlClientOptions): Promise<ControlClient> {
    const client = new ControlClient(options);
    try {
      await client.#open();
    } catch (error) {
      client.close();
      throw error;
    }
    return client;
  }

  get up(): boolean {
    return this.#up;
  }

  get closed(): boolean {
    return this.#stop.signal.aborted;
  }

  /** Smoothed round trip of the present connection, or null before its first heartbeat came back. */
  rttMs(): number | null {
    return this.#link?.rttMs ?? null;
  }

  /** How the last round trips of the present connection are spread; null before there are enough. */
  rttSpread(): RttSpread | null {
    return this.#link?.rttSpread ?? null;
  }

  /** Shortest round trip of the present connection. */
  minRttMs(): number | null {
    return this.#link?.minRttMs ?? null;
  }

  /**
   * Whoever awaits the answer runs before the next frame of the core is handled: an event about what the answer told
   * comes after it.
   * @throws ERR_BACKBONE_CLOSED, ERR_BACKBONE_TIMEOUT, ERR_BACKBONE_PROTOCOL, the signal's reason, or the core's error
   */
  request<M extends HandledPopRequestMethod>(
    method: M,
    data: PopRequestData<M>,
    options: { signal?: AbortSignal } = {},
  ): Promise<PopRequestAnswer<M>> {
    if (!this.#up || !this.#link) return Promise.reject(this.#notUp());
    return this.#ask(this.#link, method, data, options.signal);
  }

  /** Dropped and counted when the channel is down. @throws ERR_REQUEST_TOO_LARGE */
  send<E extends PopEventName>(event: E, data: PopEventData<E>): void {
    const sent = this.#up && this.#link?.send(eventText(event, data));
    if (!sent) this.#metrics.dropped.inc({ side: 'pop' });
  }

  /** Ends the channel for good and fails what waits for answers. Idempotent. */
  close(): void {
    if (this.closed) return;
    this.#stop.abort(new AntipodeError('ERR_BACKBONE_CLOSED', 'The control channel was closed.'));
    this.#link?.close('closed');
  }

  /** One attempt: connection, certificate, hello, all within `requestTimeoutMs`. */
  async #open(): Promise<void> {
    const { clock, requestTimeoutMs, expectNodeId, identity, region } = this.#options;
    const deadline = new AbortController();
    const timer: Timer = clock.setTimeout(() => {
      deadline.abort(new AntipodeError('ERR_BACKBONE_TIMEOUT', `Core ${expectNodeId} did not answer in time.`));
    }, requestTimeoutMs);
    const signal = AbortSignal.any([deadline.signal, this.#stop.signal]);
    let link: ControlLink | null = null;
    try {
      const socket = await dialCore({ ...this.#options, signal });
      link = new ControlLink({
        socket,
        side: 'pop',
        clock,
        metrics: this.#metrics,
        limits: this.#options.limits,
        onFrame: (frame) => this.#onFrame(frame),
        onClose: (reason, error) => this.#onClose(reason, error),
      });
      this.#link = link;
      const hello = { version: BACKBONE_PROTOCOL_VERSION, nodeId: identity.nodeId, region };
      const answer = await this.#ask(link, 'hello', hello, signal);
      if (answer.version !== BACKBONE_PROTOCOL_VERSION) {
        const words = `Core ${expectNodeId} speaks backbone protocol ${answer.version}, this POP ${BACKBONE_PROTOCOL_VERSION}.`;
        throw new AntipodeError('ERR_PROTOCOL_VERSION', words);
      }
      if (answer.nodeId !== expectNodeId) {
        throw new AntipodeError('ERR_FORBIDDEN', `The core calls itself ${answer.nodeId}, not ${expectNodeId}.`);
      }
      // Lost or closed in the moment between the answer and now.
      if (link.closed) throw new AntipodeError('ERR_BACKBONE_CLOSED', `The channel to core ${expectNodeId} ended.`);
      this.#up = true;
      this.#upAtMs = clock.now();
      link.startHeartbeat();
    } catch (error) {
      link?.close('closed');
      if (this.#link === link) this.#link = null;
      throw asAntipodeError(error, 'ERR_BACKBONE_CLOSED', `Core ${expectNodeId} can't be reached.`);
    } finally {
      timer.cancel();
    }
  }

  #ask<M extends PopRequestMethod>(
    link: ControlLink,
    method: M,
    data: PopRequestData<M>,
    signal: AbortSignal | undefined,
  ): Promise<PopRequestAnswer<M>> {
    return this.#pending.ask({
      method,
      timeoutMs: this.#options.requestTimeoutMs,
      signal,
      // A link that ends by this has failed all that is pending, this request with it.
      send: (id) => void link.send(requestText(id, method, data)),
    });
  }

  #onFrame(frame: Exclude<Frame, { kind: 'ping' | 'pong' }>): void {
    if (frame.kind === 'event') this.#event(frame.event, frame.data);
    else if (frame.kind === 'request') this.#ignored('request');
    else if (!this.#pending.answer(frame)) this.#ignored('answer');
  }

  #event(event: string, data: unknown): void {
    if (!this.#up || !Object.hasOwn(coreEvents, event)) {
      this.#ignored('event-name');
      return;
    }
    const name = event as CoreEventName;
    const parsed = coreEvents[name].safeParse(data);
    if (!parsed.success) {
      this.#options.log.warn(
        { core: this.#options.expectNodeId, event: name, reason: badData(name, parsed.error).message },
        'bad event',
      );
      this.#ignored('event');
      return;
    }
    this.#guard(() => this.emit('event', ...([name, parsed.data] as CoreEventTuple)));
  }

  #onClose(reason: LinkCloseReason, error: AntipodeError): void {
    const wasUp = this.#up;
    this.#up = false;
    this.#link = null;
    this.#pending.failAll(closedBy(error));
    if (!wasUp || this.closed) return;
    const { log, expectNodeId, clock } = this.#options;
    log.warn({ core: expectNodeId, reason, message: error.message }, 'the control channel is down');
    if (clock.now() - this.#upAtMs >= STABLE_AFTER_MS) this.#attempts = 0;
    if (reason === 'replaced') {
      log.error({ core: expectNodeId }, 'another process uses the id of this node; it has the channel now');
      this.#stop.abort(error);
    } else {
      void this.#reconnect();
    }
    this.#guard(() => this.emit('down', error));
  }

  async #reconnect(): Promise<void> {
    const { clock, log, expectNodeId, random = Math.random } = this.#options;
    for (;;) {
      const longest = Math.min(BACKOFF_MAX_MS, BACKOFF_MIN_MS * 2 ** Math.min(this.#attempts, 10));
      this.#attempts += 1;
      try {
        await delay(clock, longest * (0.5 + 0.5 * random()), this.#stop.signal);
      } catch {
        return; // closed meanwhile
      }
      try {
        await this.#open();
        break;
      } catch (error) {
        if (this.closed) return;
        const { code, message } = asAntipodeError(error);
        log.warn({ core: expectNodeId, code, message, attempts: this.#attempts }, 'the core is still out of reach');
      }
    }
    log.info({ core: expectNodeId }, 'the control channel is up again');
    this.#guard(() => this.emit('up'));
  }

  #notUp(): AntipodeError {
    const { reason } = this.#stop.signal;
    const cause = reason instanceof AntipodeError ? reason : undefined;
    return new AntipodeError('ERR_BACKBONE_CLOSED', 'There is no control channel to the core at present.', { cause });
  }

  #ignored(kind: string): void {
    this.#metrics.ignored.inc({ side: 'pop', kind });
  }

  #guard(call: () => void): void {
    try {
      call();
    } catch (error) {
      this.#options.log.error(
        { core: this.#options.expectNodeId, err: error },
        'a listener of the control channel threw',
      );
    }
  }
}

/** What a request hears when its channel ends: one code, the reason as cause; the hello hears the reason itself. */
function closedBy(reason: AntipodeError): AntipodeError {
  if (reason.code === 'ERR_BACKBONE_CLOSED') return reason;
  return new AntipodeError('ERR_BACKBONE_CLOSED', reason.message, { cause: reason });
}
