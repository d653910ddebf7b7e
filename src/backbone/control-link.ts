/**
 * One open control connection, the same at both ends: frames in arrival order, heartbeats, and every limit that keeps
 * a broken or hostile peer from costing more than its own connection. Owns the WebSocket. Knows no methods and events.
 */
import type { RawData, WebSocket } from 'ws';
import type { Clock } from '../clock.ts';
import { AntipodeError, type ErrorCode } from '../errors.ts';
import type { BackboneMetrics, ControlSide } from './backbone-metrics.ts';
import { type Frame, parseFrame, pingText, pongText } from './control-frame.ts';
import { Heartbeat } from './heartbeat.ts';
import { HEARTBEAT_INTERVAL_MS, HEARTBEAT_TIMEOUT_MS, MAX_CONTROL_FRAME_BYTES } from './protocol.ts';
import type { RttSpread } from './recent-rtt.ts';
import type { Silence } from './suspicion.ts';

export interface ControlLinkLimits {
  /** Frames that a peer may send per second, with a burst of one second. */
  framesPerSecond: number;
  /** Bytes that may wait for a peer that doesn't read. */
  maxBufferedBytes: number;
}

export const CONTROL_LINK_LIMITS: ControlLinkLimits = { framesPerSecond: 20_000, maxBufferedBytes: 8 * 1024 * 1024 };

/** Why links end: WebSocket close code, our error, words. `null` as code cuts the connection without a word. */
const CLOSE_REASONS = {
  closed: { code: 1000, error: 'ERR_BACKBONE_CLOSED', text: 'The control channel was closed.' },
  shutdown: { code: 1001, error: 'ERR_BACKBONE_CLOSED', text: 'The node is shutting down.' },
  oversized: { code: 1009, error: 'ERR_BACKBONE_PROTOCOL', text: 'The peer sent a frame that is too long.' },
  malformed: { code: 4400, error: 'ERR_BACKBONE_PROTOCOL', text: 'The peer sent what is no frame.' },
  identity: { code: 4403, error: 'ERR_FORBIDDEN', text: 'The node is not the one that its certificate names.' },
  'hello-timeout': { code: 4408, error: 'ERR_BACKBONE_TIMEOUT', text: 'The peer did not say hello in time.' },
  replaced: { code: 4409, error: 'ERR_SUPERSEDED', text: 'Another connection of the same node took over.' },
  renewed: { code: 4410, error: 'ERR_BACKBONE_CLOSED', text: 'Another connection of the same channel goes on.' },
  version: { code: 4426, error: 'ERR_BACKBONE_VERSION', text: 'The nodes speak different protocol versions.' },
  flood: { code: 4429, error: 'ERR_PROTOCOL_FLOOD', text: 'The peer sent too many frames.' },
  heartbeat: { code: null, error: 'ERR_BACKBONE_TIMEOUT', text: 'The peer was silent for too long.' },
  backpressure: { code: null, error: 'ERR_BACKBONE_CLOSED', text: 'The peer did not read what it was sent.' },
  lost: { code: null, error: 'ERR_BACKBONE_CLOSED', text: 'The connection was lost.' },
  'peer-closed': { code: null, error: 'ERR_BACKBONE_CLOSED', text: 'The peer closed the connection.' },
} as const satisfies Record<string, { code: number | null; error: ErrorCode; text: string }>;

export type LinkCloseReason = keyof typeof CLOSE_REASONS;

/** Whom a link tells. */
export interface ControlLinkUser {
  /** Requests, answers and events; heartbeats are dealt with by the link. Must not throw. */
  onFrame(frame: Exclude<Frame, { kind: 'ping' | 'pong' }>): void;
  /** Once, at the moment at which the link stops to take and give frames. */
  onClose(reason: LinkCloseReason, error: AntipodeError): void;
  /** The peer falls silent, or was only late. */
  onSilence?(silence: Silence): void;
}

export interface ControlLinkOptions extends ControlLinkUser {
  socket: WebSocket;
  side: ControlSide;
  clock: Clock;
  metrics: BackboneMetrics;
  limits?: Partial<ControlLinkLimits>;
  /** Silence that makes a peer suspected. @defaultValue SUSPECT_AFTER_MS */
  suspectAfterMs?: number | undefined;
}

/** Three beats of the peer, one of them perhaps sent again by TCP. */
export const SUSPECT_AFTER_MS = 900;

/** How long a peer has to answer our closing before the connection is cut. */
const CLOSE_HANDSHAKE_MS = 1_000;

export class ControlLink {
  readonly #options: ControlLinkOptions;
  readonly #limits: ControlLinkLimits;
  #user: ControlLinkUser;
  #heartbeat: Heartbeat | null = null;
  #closed = false;
  /** Said goodbye, and takes what the peer sent before it did so too. */
  #finishing = false;
  /** Frames wait until `release`. */
  #onHold = false;
  #tokens: number;
  #refilledAtMs: number;
  /** Frames that came in one read behind an answer, waiting until the code that awaits the answer has run. */
  #held: Frame[] | null = null;

  constructor(options: ControlLinkOptions) {
    this.#options = options;
    this.#user = options;
    this.#limits = { ...CONTROL_LINK_LIMITS, ...options.limits };
    this.#tokens = this.#limits.framesPerSecond;
    this.#refilledAtMs = options.clock.now();
    const { socket } = options;
    socket.on('message', (data, isBinary) => this.#onMessage(data, isBinary));
    socket.on('ping', () => this.#takeToken());
    socket.on('pong', () => this.#takeToken());
    socket.on('error', (error) => this.#onSocketError(error));
    socket.on('close', (code, words) => this.#onSocketClose(code, words.toString()));
  }

  get closed(): boolean {
    return this.#closed;
  }

  get rttMs(): number | null {
    return this.#heartbeat?.rttMs ?? null;
  }

  get rttSpread(): RttSpread | null {
    return this.#heartbeat?.spread ?? null;
  }

  get minRttMs(): number | null {
    return this.#heartbeat?.minRttMs ?? null;
  }

  /** The peer has been silent for so long that it may be gone. */
  get suspected(): boolean {
    return this.#heartbeat?.suspected ?? false;
  }

  /** From now on another is told of what comes. */
  handOver(user: ControlLinkUser): void {
    this.#user = user;
  }

  /** What comes from now on waits, heartbeats apart, until `release`. */
  hold(): void {
    this.#onHold = true;
    this.#held ??= [];
  }

  /** Idempotent. */
  release(): void {
    if (!this.#onHold) return;
    this.#onHold = false;
    this.#release();
  }

  /**
   * Gives nothing more, and takes what the peer has sent up to its own goodbye: another connection has the channel.
   * `onClose` comes then. Idempotent.
   */
  finish(): void {
    if (this.#closed || this.#finishing) return;
    this.#finishing = true;
    this.#heartbeat?.close();
    const { code, text } = CLOSE_REASONS.renewed;
    this.#options.socket.close(code, text);
    this.#cutSoon();
  }

  /** From now on the peer must be heard; called when both ends have agreed to speak. */
  startHeartbeat(): void {
    if (this.#closed || this.#heartbeat) return;
    const { clock, side, metrics, suspectAfterMs = SUSPECT_AFTER_MS } = this.#options;
    let wasSuspected = false;
    this.#heartbeat = new Heartbeat({
      clock,
      intervalMs: HEARTBEAT_INTERVAL_MS,
      timeoutMs: HEARTBEAT_TIMEOUT_MS,
      suspectAfterMs,
      onSilence: (silence) => {
        if (silence === 'suspected') metrics.suspicions.inc({ side, outcome: 'raised' });
        else if (silence === 'heard' && wasSuspected) metrics.suspicions.inc({ side, outcome: 'unfounded' });
        wasSuspected = silence === 'suspected';
        this.#user.onSilence?.(silence);
      },
      ping: (beat) => this.send(pingText(beat, Math.round(clock.now()))),
      onTimeout: () => this.close('heartbeat'),
    });
  }

  /**
   * False when the link is closed, or closes now because the peer reads too slowly.
   * @throws ERR_REQUEST_TOO_LARGE for a frame that the peer would have to refuse
   */
  send(text: string): boolean {
    if (this.#closed || this.#finishing) return false;
    // Three bytes is the most that UTF-8 takes for one UTF-16 unit, so short texts need no count.
    if (text.length * 3 > MAX_CONTROL_FRAME_BYTES && Buffer.byteLength(text) > MAX_CONTROL_FRAME_BYTES) {
      throw new AntipodeError(
        'ERR_REQUEST_TOO_LARGE',
        `A control frame holds at most ${MAX_CONTROL_FRAME_BYTES} bytes; this one has ${Buffer.byteLength(text)}.`,
      );
    }
    const { socket } = this.#options;
    if (socket.bufferedAmount > this.#limits.maxBufferedBytes) {
      this.close('backpressure');
      return false;
    }
    socket.send(text);
    return true;
  }

  /** Ends the link and tells the peer why. Idempotent: the first reason counts. */
  close(reason: LinkCloseReason, words?: string): void {
    if (this.#closed) return;
    const { code, text } = CLOSE_REASONS[reason];
    const { socket } = this.#options;
    this.#end(reason, words);
    if (code === null) {
      socket.terminate();
      return;
    }
    // A close frame carries at most 123 bytes of reason (RFC 6455, 5.5).
    socket.close(code, Buffer.from(words ?? text).subarray(0, 123));
    this.#cutSoon();
  }

  #end(reason: LinkCloseReason, words?: string): void {
    this.#closed = true;
    this.#held = null;
    this.#heartbeat?.close();
    const { side, metrics } = this.#options;
    metrics.closes.inc({ side, reason });
    const { error, text } = CLOSE_REASONS[reason];
    this.#user.onClose(reason, new AntipodeError(error, words ?? text));
  }

  #onMessage(data: RawData, isBinary: boolean): void {
    if (this.#closed || !this.#takeToken()) return;
    this.#heartbeat?.heard();
    const frame = isBinary ? null : parseFrame(data.toString());
    if (!frame) {
      this.close('malformed');
      return;
    }
    // A beat says nothing that could overtake something.
    const isBeat = frame.kind === 'ping' || frame.kind === 'pong';
    if (this.#held && !isBeat) this.#held.push(frame);
    else this.#deliver(frame);
  }

  #deliver(frame: Frame): void {
    const { clock, side, metrics } = this.#options;
    switch (frame.kind) {
      case 'ping':
        this.send(pongText(frame.beat, Math.round(clock.now())));
        return;
      case 'pong':
        if (!this.#heartbeat?.pong(frame.beat)) metrics.ignored.inc({ side, kind: 'pong' });
        return;
      case 'answer':
        // `await request(...)` goes on in microtasks, yet the next frame of the same read would be handled before them:
        // an event about a session would overtake the answer that makes the session known. It waits until they ran.
        this.#held = [];
        queueMicrotask(() => process.nextTick(() => this.#release()));
        this.#user.onFrame(frame);
        return;
      default:
        this.#user.onFrame(frame);
    }
  }

  #release(): void {
    if (this.#onHold) return;
    const held = this.#held ?? [];
    this.#held = null;
    for (let index = 0; index < held.length && !this.#closed; index++) {
      this.#deliver(held[index] as Frame);
      if (this.#held) {
        (this.#held as Frame[]).push(...held.slice(index + 1));
        return;
      }
    }
  }

  #takeToken(): boolean {
    if (this.#closed) return false;
    const { framesPerSecond } = this.#limits;
    const nowMs = this.#options.clock.now();
    const refill = ((nowMs - this.#refilledAtMs) / 1_000) * framesPerSecond;
    this.#tokens = Math.min(framesPerSecond, this.#tokens + refill);
    this.#refilledAtMs = nowMs;
    if (this.#tokens < 1) {
      this.close('flood');
      return false;
    }
    this.#tokens -= 1;
    return true;
  }

  #cutSoon(): void {
    const { socket, clock } = this.#options;
    const timer = clock.setTimeout(() => socket.terminate(), CLOSE_HANDSHAKE_MS);
    socket.once('close', () => timer.cancel());
  }

  #onSocketError(error: Error & { code?: string }): void {
    if (this.#closed) return;
    // ws answers broken WebSocket frames itself with the right close code.
    this.#cutSoon();
    if (error.code === 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH') this.#end('oversized');
    else if (error.code?.startsWith('WS_ERR_')) this.#end('malformed');
    else this.#end('lost', `The connection was lost: ${error.message}`);
  }

  #onSocketClose(code: number, words: string): void {
    if (this.#closed) return;
    if (code === 1006) this.#end(this.#finishing ? 'renewed' : 'lost');
    else if (code === CLOSE_REASONS.replaced.code) this.#end('replaced', words);
    else if (code === CLOSE_REASONS.renewed.code || this.#finishing) this.#end('renewed');
    else this.#end('peer-closed', `The peer closed the connection (${code}): ${words || 'no reason given'}`);
  }
}
