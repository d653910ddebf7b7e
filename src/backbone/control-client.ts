/**
 * The POP's end of a control channel: dials one core, keeps the channel up, and matches answers to requests. Owns the
 * reconnecting and which connection has the channel; what must be said again after a
 * reconnection (which sessions there are) is its user's to say.
 */
import { EventEmitter } from 'node:events';
import { type Clock, delay } from '../clock.ts';
import { AntipodeError, asAntipodeError } from '../errors.ts';
import type { Logger, Registry } from '../telemetry/index.ts';
import { reconnectDelayMs } from './back-off.ts';
import { type BackboneMetrics, backboneMetrics } from './backbone-metrics.ts';
import { type ControlAddress, ONLY_WAY } from './control-address.ts';
import { eventText, requestText } from './control-frame.ts';
import type { HandledPopRequestMethod } from './control-handlers.ts';
import type { ControlLink, ControlLinkLimits, LinkCloseReason } from './control-link.ts';
import { type Opened, openConnection } from './control-opening.ts';
import { ControlRenewal, type RenewalReason } from './control-renewal.ts';
import { type CoreEventTuple, CoreFrames } from './core-frames.ts';
import type { RenewableIdentity } from './node-identity.ts';
import { PendingRequests } from './pending-requests.ts';
import type { PopEventData, PopEventName, PopRequestAnswer, PopRequestData, PopRequestMethod } from './protocol.ts';
import type { RttSpread } from './recent-rtt.ts';
import { SecondConnection, type SecondHow } from './second-connection.ts';
import type { Silence } from './suspicion.ts';

export interface ControlClientOptions {
  host: string;
  port: number;
  /** Where the core is reached, the preferred one first. @defaultValue host and port */
  addresses?: readonly ControlAddress[] | undefined;
  /** The core's certificate must name this node. */
  expectNodeId: string;
  identity: RenewableIdentity;
  region: string;
  /** Address of this machine to dial from. @defaultValue the system's choice */
  dialFrom?: string | null | undefined;
  clock: Clock;
  log: Logger;
  metrics: Registry;
  /** Longest wait for an answer, and for a connection with its hello. */
  requestTimeoutMs: number;
  limits?: Partial<ControlLinkLimits>;
  /** Silence that makes the core suspected; more where the path is slow. @defaultValue SUSPECT_AFTER_MS */
  suspectAfterMs?: number | undefined;
  /** 0 to 1, for the spread of reconnections. @defaultValue Math.random */
  random?: () => number;
}

export type ControlClientEvents = {
  event: CoreEventTuple;
  /** The channel is up again after it was down. */
  up: [];
  /** The channel went down; it comes back by itself unless the reason is ERR_SUPERSEDED or we are closed. */
  down: [AntipodeError];
  /** The core has been silent for so long that it may be gone; `heard` or `down` follows. */
  suspected: [];
  /** It was only late. */
  heard: [];
  /** Nobody listens where the core was: its process is gone. Comes after `down`, with each attempt that finds it so. */
  refused: [];
};

/** A channel that was up for less than this doesn't start the back-off anew. */
const STABLE_AFTER_MS = 2_000;

export class ControlClient extends EventEmitter<ControlClientEvents> {
  readonly #options: ControlClientOptions;
  readonly #addresses: readonly ControlAddress[];
  readonly #metrics: BackboneMetrics;
  readonly #stop = new AbortController();
  readonly #pending: PendingRequests;
  readonly #frames: CoreFrames;
  readonly #renewal: ControlRenewal;
  readonly #second: SecondConnection;
  #link: ControlLink | null = null;
  #address: ControlAddress | null = null;
  #region = '';
  #up = false;
  #suspectedTold = false;
  /** Since the channel was last up for long enough. */
  #attempts = 0;
  #upAtMs = 0;

  private constructor(options: ControlClientOptions) {
    super();
    const { host, port, addresses = [], clock, identity, random = Math.random } = options;
    this.#options = options;
    this.#addresses = addresses.length > 0 ? addresses : [{ name: ONLY_WAY, host, port }];
    this.#metrics = backboneMetrics(options.metrics);
    this.#pending = new PendingRequests(clock);
    this.#renewal = new ControlRenewal({
      ...{ clock, identity, random },
      onDue: (reason) => this.#openSecond(reason),
    });
    const { expectNodeId: core, log } = options;
    const common = { core, log, metrics: this.#metrics };
    this.#frames = new CoreFrames({
      ...common,
      pending: this.#pending,
      isUp: () => this.#up,
      onEvent: (...event) => this.#guard(() => this.emit('event', ...event)),
    });
    this.#second = new SecondConnection({
      ...common,
      addresses: this.#addresses,
      stopped: this.#stop.signal,
      open: (addresses, signal, how) => this.#open(addresses, signal, how),
      move: (opened) => this.#moveTo(opened),
      onFailed: (reason) => this.#renewal.failed(reason),
      onOver: () => {
        if (!this.#up && !this.closed) void this.#reconnect();
      },
    });
  }

  /**
   * Resolves when the channel is up. When the first attempt fails nothing is left behind; after it, lost channels come
   * back by themselves.
   * @throws ERR_BACKBONE_CLOSED, ERR_BACKBONE_TIMEOUT, ERR_FORBIDDEN when either end's certificate is not what the other
   * expects, ERR_BACKBONE_VERSION
   */
  static async connect(options: ControlClientOptions): Promise<ControlClient> {
    const client = new ControlClient(options);
    try {
      client.#take(await client.#open(client.#addresses, client.#stop.signal));
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

  /** The core has been silent for so long that it may be gone. */
  get suspected(): boolean {
    return this.#link?.suspected ?? false;
  }

  /** Name of the address by which the core is reached now, or was last. */
  get way(): string {
    return this.#address?.name ?? ONLY_WAY;
  }

  /** Where the core says that it is. */
  get coreRegion(): string {
    return this.#region;
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
    const link = this.#link;
    if (!this.#up || !link) return Promise.reject(this.#notUp());
    return this.#ask(link, method, data, options.signal);
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
    this.#renewal.close();
    this.#link?.close('closed');
  }

  #open(addresses: readonly ControlAddress[], signal: AbortSignal, second: SecondHow | null = null): Promise<Opened> {
    const {
      requestTimeoutMs: timeoutMs,
      expectNodeId,
      identity,
      region,
      clock,
      limits,
      suspectAfterMs,
      dialFrom,
    } = this.#options;
    return openConnection({
      ...{ addresses, expectNodeId, identity, region, dialFrom, clock, limits, suspectAfterMs, timeoutMs, signal },
      metrics: this.#metrics,
      continues: second?.continues ?? false,
      ...(second !== null && { onGreeting: second.onGreeting }),
      user: ({ link }) => ({
        onFrame: (frame) => this.#frames.take(frame),
        onClose: (reason, error) => this.#onClose(link, reason, error),
        onSilence: (silence) => this.#onSilence(link, silence),
      }),
    });
  }

  /** The connection is the channel's from now on. */
  #take({ link, address, region, certificateEndsAtMs }: Opened): void {
    this.#link = link;
    this.#address = address;
    this.#region = region;
    this.#up = true;
    this.#upAtMs = this.#options.clock.now();
    link.startHeartbeat();
    this.#renewal.opened(certificateEndsAtMs, { isPreferred: address === this.#addresses[0] });
  }

  /**
   * Where the core lives and knows us, nothing is lost or overtaken; where it does not, the channel goes down and up in one
   * step.
   */
  #moveTo(opened: Opened): 'continued' | 'replaced' {
    const former = this.#link;
    if (opened.continued && this.#up && former !== null) {
      // What the core said on the former one comes first.
      opened.link.hold();
      former.handOver({
        onFrame: (frame) => this.#frames.take(frame),
        onClose: () => opened.link.release(),
      });
      this.#take(opened);
      former.finish();
      this.#onSilence(opened.link, 'heard');
      return 'continued';
    }
    if (this.#up) former?.close('closed');
    this.#take(opened);
    this.#guard(() => this.emit('up'));
    return 'replaced';
  }

  #openSecond(reason: RenewalReason): void {
    if (this.#up && this.#address !== null && !this.closed) void this.#second.open(reason, this.#address);
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

  #onSilence(link: ControlLink, silence: Silence): void {
    if (link !== this.#link || this.closed) return;
    if (silence === 'uneasy') {
      this.#openSecond('silence');
      return;
    }
    const { log, expectNodeId: core } = this.#options;
    if (silence === 'heard') this.#second.heard();
    if ((silence === 'suspected') === this.#suspectedTold) return;
    this.#suspectedTold = silence === 'suspected';
    log.warn({ core, way: this.way }, silence === 'suspected' ? 'a core has fallen silent' : 'a core was only late');
    this.#guard(() => this.emit(silence));
  }

  #onClose(link: ControlLink, reason: LinkCloseReason, error: AntipodeError): void {
    if (link !== this.#link) return;
    const wasUp = this.#up;
    this.#up = false;
    this.#link = null;
    this.#suspectedTold = false;
    this.#renewal.lost();
    this.#pending.failAll(closedBy(error));
    if (!wasUp || this.closed) return;
    const { log, expectNodeId, clock } = this.#options;
    log.warn({ core: expectNodeId, reason, message: error.message }, 'the control channel is down');
    if (clock.now() - this.#upAtMs >= STABLE_AFTER_MS) this.#attempts = 0;
    if (reason === 'replaced' && !this.#second.greeting) {
      log.error({ core: expectNodeId }, 'another process uses the id of this node; it has the channel now');
      this.#stop.abort(error);
      this.#renewal.close();
    } else if (!this.#second.underWay) {
      void this.#reconnect();
    }
    this.#guard(() => this.emit('down', error));
  }

  async #reconnect(): Promise<void> {
    const { clock, log, expectNodeId, random = Math.random } = this.#options;
    for (;;) {
      const waitMs = reconnectDelayMs(this.#attempts, random());
      this.#attempts += 1;
      try {
        await delay(clock, waitMs, this.#stop.signal);
      } catch {
        return; // closed meanwhile
      }
      try {
        const opened = await this.#open(this.#addresses, this.#stop.signal);
        if (this.closed) return opened.link.close('closed');
        this.#take(opened);
        break;
      } catch (error) {
        if (this.closed) return;
        const { code, message } = asAntipodeError(error);
        log.warn({ core: expectNodeId, code, message, attempts: this.#attempts }, 'the core is still out of reach');
        if (isRefused(error)) this.#guard(() => this.emit('refused'));
      }
    }
    log.info({ core: expectNodeId, attempts: this.#attempts, way: this.way }, 'the control channel is up again');
    this.#guard(() => this.emit('up'));
  }

  #notUp(): AntipodeError {
    const { reason } = this.#stop.signal;
    const cause = reason instanceof AntipodeError ? reason : undefined;
    return new AntipodeError('ERR_BACKBONE_CLOSED', 'There is no control channel to the core at present.', { cause });
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

/** The machine answers, and has nobody at this port. */
function isRefused(error: unknown): boolean {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if ('code' in cause && cause.code === 'ECONNREFUSED') return true;
  }
  return false;
}
