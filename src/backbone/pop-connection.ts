/**
 * The core's end of one POP's control connection: hello first, then requests, events and answers, each checked before a
 * handler sees it. Owns what is in flight on this connection; the sockets and who replaces whom are control-server.ts.
 */
import type { WebSocket } from 'ws';
import type { Clock, Timer } from '../clock.ts';
import { AntipodeError, asAntipodeError } from '../errors.ts';
import type { Logger } from '../telemetry/index.ts';
import type { BackboneMetrics } from './backbone-metrics.ts';
import { answerText, badData, eventText, type Frame, refusalText } from './control-frame.ts';
import type { CoreHandlers, HandledPopRequestMethod, PopPeer } from './control-handlers.ts';
import { ControlLink, type ControlLinkLimits, type LinkCloseReason } from './control-link.ts';
import {
  BACKBONE_PROTOCOL_VERSION,
  type CoreEventData,
  type CoreEventName,
  type PopEventName,
  type PopRequestData,
  popEvents,
  popRequests,
} from './protocol.ts';

export interface PopConnectionOptions {
  socket: WebSocket;
  /** Who the POP's certificate says that it is. */
  certifiedNodeId: string;
  nodeId: string;
  region: string;
  clock: Clock;
  log: Logger;
  metrics: BackboneMetrics;
  handlers: CoreHandlers;
  limits?: Partial<ControlLinkLimits>;
  /** Said hello: the moment for an earlier connection of the same node to go. */
  onHello(connection: PopConnection): void;
  onClosed(connection: PopConnection): void;
}

const HELLO_TIMEOUT_MS = 5_000;
/** Requests of one POP that may be at work at a time. */
const MAX_REQUESTS_IN_FLIGHT = 4_096;
/** Well-formed frames with wrong contents that are borne with, so that one session's bad data doesn't end the others'. */
const MAX_INVALID_FRAMES = 100;

export class PopConnection implements PopPeer {
  readonly nodeId: string;
  readonly #options: PopConnectionOptions;
  readonly #link: ControlLink;
  readonly #helloTimer: Timer;
  #region = '';
  #open = false;
  #inFlight = 0;
  #invalidFrames = 0;

  constructor(options: PopConnectionOptions) {
    this.#options = options;
    this.nodeId = options.certifiedNodeId;
    const { socket, clock, metrics, limits } = options;
    this.#link = new ControlLink({
      socket,
      side: 'core',
      clock,
      metrics,
      limits,
      onFrame: (frame) => this.#onFrame(frame),
      onClose: (reason, error) => this.#onClose(reason, error),
    });
    this.#helloTimer = clock.setTimeout(() => this.#link.close('hello-timeout'), HELLO_TIMEOUT_MS);
  }

  get region(): string {
    return this.#region;
  }

  rttMs(): number | null {
    return this.#link.rttMs;
  }

  send<E extends CoreEventName>(event: E, data: CoreEventData<E>): void {
    if (!this.#link.send(eventText(event, data))) this.#options.metrics.dropped.inc({ side: 'core' });
  }

  close(reason: string): void {
    this.#link.close('closed', reason);
  }

  /** As `close`, with the reason that is counted. */
  end(reason: LinkCloseReason): void {
    this.#link.close(reason);
  }

  #onFrame(frame: Exclude<Frame, { kind: 'ping' | 'pong' }>): void {
    if (!this.#open) {
      this.#hello(frame);
      return;
    }
    if (frame.kind === 'request') this.#request(frame.id, frame.method, frame.data);
    else if (frame.kind === 'event') this.#event(frame.event, frame.data);
    else this.#options.metrics.ignored.inc({ side: 'core', kind: 'answer' });
  }

  #hello(frame: Exclude<Frame, { kind: 'ping' | 'pong' }>): void {
    const { metrics, nodeId, region, log, handlers } = this.#options;
    const parsed =
      frame.kind === 'request' && frame.method === 'hello' ? popRequests.hello.data.safeParse(frame.data) : null;
    if (frame.kind !== 'request' || !parsed?.success) {
      this.#link.close('malformed', 'The first frame must be a hello.');
      return;
    }
    const { version, nodeId: claimed } = parsed.data;
    const refuse = (reason: LinkCloseReason, error: AntipodeError) => {
      metrics.refusals.inc({ side: 'core', reason });
      log.warn({ pop: this.nodeId, code: error.code, reason: error.message }, 'refused a POP');
      this.#link.send(refusalText(frame.id, error.toWire()));
      this.#link.close(reason, error.message);
    };
    if (version !== BACKBONE_PROTOCOL_VERSION) {
      const words = `This core speaks backbone protocol ${BACKBONE_PROTOCOL_VERSION}, the POP ${version}.`;
      refuse('version', new AntipodeError('ERR_PROTOCOL_VERSION', words));
      return;
    }
    if (claimed !== this.nodeId) {
      refuse('identity', new AntipodeError('ERR_FORBIDDEN', `The certificate is not that of node "${claimed}".`));
      return;
    }
    this.#helloTimer.cancel();
    this.#region = parsed.data.region;
    this.#open = true;
    this.#options.onHello(this);
    this.#link.send(answerText(frame.id, { version: BACKBONE_PROTOCOL_VERSION, nodeId, region }));
    this.#link.startHeartbeat();
    log.info({ pop: this.nodeId, region: this.#region }, 'a POP is connected');
    this.#guard('peerOpened', () => handlers.peerOpened(this));
  }

  #request(id: number, method: string, data: unknown): void {
    const { metrics } = this.#options;
    if (method === 'hello' || !Object.hasOwn(popRequests, method)) {
      this.#invalid('method');
      this.#refuse(id, new AntipodeError('ERR_BACKBONE_PROTOCOL', `There is no request "${method}" here.`));
      return;
    }
    const name = method as HandledPopRequestMethod;
    const parsed = popRequests[name].data.safeParse(data);
    if (!parsed.success) {
      this.#invalid('request');
      this.#refuse(id, badData(name, parsed.error));
      return;
    }
    if (this.#inFlight >= MAX_REQUESTS_IN_FLIGHT) {
      metrics.ignored.inc({ side: 'core', kind: 'request-limit' });
      this.#refuse(id, new AntipodeError('ERR_RATE_LIMITED', 'Too many requests are at work for this POP.'));
      return;
    }
    this.#inFlight += 1;
    // The handler runs to its first await right here, before the next frame is looked at.
    this.#run(name, parsed.data as PopRequestData<typeof name>)
      .then(
        (answer) => this.#link.send(answerText(id, answer)),
        (error: unknown) => this.#refuse(id, this.#ours(name, error)),
      )
      .catch((error: unknown) => {
        // The answer itself could not be sent: too long, or nothing that JSON knows.
        this.#refuse(id, this.#ours(name, error));
      })
      .finally(() => {
        this.#inFlight -= 1;
      });
  }

  async #run<M extends HandledPopRequestMethod>(method: M, data: PopRequestData<M>): Promise<unknown> {
    return this.#options.handlers.request(this, method, data);
  }

  #event(event: string, data: unknown): void {
    if (!Object.hasOwn(popEvents, event)) {
      this.#invalid('event-name');
      return;
    }
    const name = event as PopEventName;
    const parsed = popEvents[name].safeParse(data);
    if (!parsed.success) {
      this.#options.log.warn(
        { pop: this.nodeId, event: name, reason: badData(name, parsed.error).message },
        'bad event',
      );
      this.#invalid('event');
      return;
    }
    this.#guard(name, () => this.#options.handlers.event(this, name, parsed.data));
  }

  #refuse(id: number, error: AntipodeError): void {
    this.#link.send(refusalText(id, error.toWire()));
  }

  /** What a handler threw, as the POP may know it; what is not ours is logged whole. */
  #ours(method: string, error: unknown): AntipodeError {
    if (!(error instanceof AntipodeError)) {
      this.#options.log.error({ pop: this.nodeId, method, err: error }, 'a control request failed');
    }
    return asAntipodeError(error);
  }

  #invalid(kind: string): void {
    this.#options.metrics.ignored.inc({ side: 'core', kind });
    this.#invalidFrames += 1;
    if (this.#invalidFrames > MAX_INVALID_FRAMES) this.#link.close('malformed', 'Too many frames with wrong contents.');
  }

  #onClose(reason: LinkCloseReason, error: AntipodeError): void {
    this.#helloTimer.cancel();
    this.#options.onClosed(this);
    if (!this.#open) return;
    this.#open = false;
    this.#options.log.warn({ pop: this.nodeId, reason, message: error.message }, 'a POP is gone');
    this.#guard('peerClosed', () => this.#options.handlers.peerClosed(this, error));
  }

  #guard(what: string, call: () => void): void {
    try {
      call();
    } catch (error) {
      this.#options.log.error({ pop: this.nodeId, what, err: error }, 'a control handler threw');
    }
  }
}
