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
import { ControlLink, type ControlLinkLimits, type ControlLinkUser, type LinkCloseReason } from './control-link.ts';
import {
  BACKBONE_PROTOCOL_MIN_VERSION,
  BACKBONE_PROTOCOL_VERSION,
  type CoreEventData,
  type CoreEventName,
  type PopEventName,
  type PopRequestData,
  popEvents,
  popRequests,
} from './protocol.ts';
import type { Silence } from './suspicion.ts';

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
  suspectAfterMs?: number | undefined;
  /**
   * Said hello: the moment for an earlier connection of the same node to go, or, where this one is to go on from it, to
   * be answered with.
   */
  onHello(connection: PopConnection, how: { continues: boolean }): PopConnection | null;
  onClosed(connection: PopConnection): void;
}

const HELLO_TIMEOUT_MS = 5_000;
const FORMER_LINK_MS = 2_000;
/** Requests of one POP that may be at work at a time. */
const MAX_REQUESTS_IN_FLIGHT = 4_096;
/** Well-formed frames with wrong contents that are borne with, so that one session's bad data doesn't end the others'. */
const MAX_INVALID_FRAMES = 100;

export class PopConnection implements PopPeer {
  readonly nodeId: string;
  readonly #options: PopConnectionOptions;
  readonly #helloTimer: Timer;
  #link: ControlLink;
  #region = '';
  #open = false;
  #ended = false;
  #suspected = false;
  /** Newest request of the POP: its numbers grow. */
  #lastRequest = 0;
  #inFlight = 0;
  #invalidFrames = 0;

  constructor(options: PopConnectionOptions) {
    this.#options = options;
    this.nodeId = options.certifiedNodeId;
    const { socket, clock, metrics, limits, suspectAfterMs } = options;
    this.#link = new ControlLink({ socket, side: 'core', clock, metrics, limits, suspectAfterMs, ...this.#user() });
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

  /**
   * Goes on over the link of a newer connection of the same POP: what the POP said on the present one is taken first, and
   * nothing more is said on it. The newer connection's object is of no use any more.
   */
  continueOver(link: ControlLink): void {
    const former = this.#link;
    this.#link = link;
    this.#onSilence('heard');
    link.hold();
    link.handOver(this.#user());
    former.handOver({
      onFrame: (frame) => this.#onFrame(frame),
      onClose: () => {
        timer.cancel();
        link.release();
      },
    });
    // The POP says goodbye on it as soon as it knows.
    const timer = this.#options.clock.setTimeout(() => former.close('renewed'), FORMER_LINK_MS);
    this.#options.log.info({ pop: this.nodeId }, 'a POP goes on over a new connection');
  }

  #user(): ControlLinkUser {
    return {
      onFrame: (frame) => this.#onFrame(frame),
      onClose: (reason, error) => this.#onClose(reason, error),
      onSilence: (silence) => this.#onSilence(silence),
    };
  }

  #onSilence(silence: Silence): void {
    const { log, handlers } = this.#options;
    if (silence === 'uneasy' || (silence === 'suspected') === this.#suspected) return;
    this.#suspected = silence === 'suspected';
    log.warn({ pop: this.nodeId }, this.#suspected ? 'a POP has fallen silent' : 'a POP was only late');
    if (this.#suspected) this.#guard('peerSuspected', () => handlers.peerSuspected?.(this));
    else this.#guard('peerHeard', () => handlers.peerHeard?.(this));
  }

  #onFrame(frame: Exclude<Frame, { kind: 'ping' | 'pong' }>): void {
    if (this.#ended) return;
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
    const { version: newest, minVersion: oldest = newest, nodeId: claimed, continues = false } = parsed.data;
    const refuse = (reason: LinkCloseReason, error: AntipodeError) => {
      metrics.refusals.inc({ side: 'core', reason });
      log.warn({ pop: this.nodeId, code: error.code, reason: error.message }, 'refused a POP');
      this.#link.send(refusalText(frame.id, error.toWire()));
      this.#link.close(reason, error.message);
    };
    const version = Math.min(newest, BACKBONE_PROTOCOL_VERSION);
    if (version < Math.max(oldest, BACKBONE_PROTOCOL_MIN_VERSION)) {
      const ours = versions(BACKBONE_PROTOCOL_MIN_VERSION, BACKBONE_PROTOCOL_VERSION);
      const words = `This core speaks backbone protocol ${ours}, the POP ${versions(oldest, newest)}.`;
      refuse('version', new AntipodeError('ERR_BACKBONE_VERSION', words));
      return;
    }
    if (claimed !== this.nodeId) {
      refuse('identity', new AntipodeError('ERR_FORBIDDEN', `The certificate is not that of node "${claimed}".`));
      return;
    }
    this.#helloTimer.cancel();
    const earlier = this.#options.onHello(this, { continues });
    this.#link.send(answerText(frame.id, { version, nodeId, region, ...(earlier && { continued: true }) }));
    this.#link.startHeartbeat();
    if (earlier) {
      earlier.continueOver(this.#link);
      return;
    }
    this.#region = parsed.data.region;
    this.#open = true;
    log.info({ pop: this.nodeId, region: this.#region }, 'a POP is connected');
    this.#guard('peerOpened', () => handlers.peerOpened(this));
  }

  #request(id: number, method: string, data: unknown): void {
    const { metrics } = this.#options;
    if (id <= this.#lastRequest) {
      this.#invalid('request-number');
      this.#refuse(id, new AntipodeError('ERR_BACKBONE_PROTOCOL', `Request ${id} was there before.`, { path: 'id' }));
      return;
    }
    this.#lastRequest = id;
    if (method === 'hello' || !Object.hasOwn(popRequests, method)) {
      // A POP of a later version may know more requests than this core.
      metrics.ignored.inc({ side: 'core', kind: 'method' });
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
      // Likewise.
      this.#options.metrics.ignored.inc({ side: 'core', kind: 'event-name' });
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
    this.#ended = true;
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

function versions(oldest: number, newest: number): string {
  return oldest === newest ? String(newest) : `${oldest} to ${newest}`;
}
