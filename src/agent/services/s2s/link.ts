/**
 * One WebSocket to a speech-to-speech service: established within a time, alive by its heartbeat, with a limit to what
 * waits to be sent, and every way in which it ends as one of our error codes. JSON both ways. Knows no service's messages
 * and never reconnects; the key is in a header that is neither logged nor put into an error.
 */
import { type RawData, WebSocket } from 'ws';
import type { Clock, Timer } from '../../../clock.ts';
import { AntipodeError, type ErrorCode } from '../../../errors.ts';
import { refusal } from '../refusal.ts';

export interface LinkHandlers {
  opened(): void;
  /** A frame that is JSON. */
  message(value: unknown): void;
  /** Once, unless closed by us. `final`: another try would end the same way, as with a refused key. */
  ended(error: AntipodeError, final: boolean): void;
}

export interface LinkOptions {
  /** For people, in messages of errors. */
  label: string;
  url: URL;
  headers: Readonly<Record<string, string>>;
  clock: Clock;
  handlers: LinkHandlers;
  /** Until `established` is called. */
  establishTimeoutMs?: number;
  /** Between pings; without a pong by the next one the connection is dead. */
  heartbeatMs?: number;
  /** Bytes that may wait to be sent: all that a new connection may be told at once. */
  maxBufferedBytes?: number;
  /** Bytes of one frame from the service. */
  maxFrameBytes?: number;
  /** Its JSON comes in binary frames as well as in those of text. @defaultValue false */
  takesBinary?: boolean;
}

export const LINK_DEFAULTS = {
  establishTimeoutMs: 5_000,
  heartbeatMs: 10_000,
  maxBufferedBytes: 16_777_216,
  maxFrameBytes: 4_194_304,
  takesBinary: false,
} as const;

/** After our close frame, until the connection is torn down. */
const CLOSE_TIMEOUT_MS = 1_000;

export class Link {
  readonly #options: Required<LinkOptions>;
  readonly #socket: WebSocket;
  #timer: Timer;
  #answered = true;
  #opened = false;
  #ended = false;

  constructor(options: LinkOptions) {
    this.#options = { ...LINK_DEFAULTS, ...options };
    const { label, url, headers, clock, establishTimeoutMs, maxFrameBytes, handlers } = this.#options;
    this.#socket = new WebSocket(url, {
      headers: { ...headers },
      perMessageDeflate: false,
      followRedirects: false,
      maxPayload: maxFrameBytes,
    });
    this.#timer = clock.setTimeout(() => {
      this.fail('ERR_SERVICE_TIMEOUT', `${label} took longer than ${establishTimeoutMs} ms to connect.`);
    }, establishTimeoutMs);
    this.#socket.on('open', () => {
      this.#opened = true;
      if (!this.#ended) handlers.opened();
    });
    this.#socket.on('message', (data, isBinary) => this.#receive(data, isBinary));
    this.#socket.on('pong', () => {
      this.#answered = true;
    });
    this.#socket.on('unexpected-response', (_request, response) => {
      response.resume();
      const status = response.statusCode ?? 0;
      const retryAfter = response.headers['retry-after'] ?? null;
      const passes = status === 429 || status >= 500;
      this.#end(refusal(label, status, { retryAfter }), !passes);
    });
    this.#socket.on('error', (cause) => {
      if (this.#opened) this.fail('ERR_SERVICE_FAILED', `The connection to ${label} broke.`, cause);
      else this.fail('ERR_SERVICE_UNAVAILABLE', `${label} cannot be reached.`, cause);
    });
    this.#socket.on('close', (code) => {
      this.fail('ERR_SERVICE_FAILED', `${label} closed the connection (${code}).`);
    });
  }

  /** The service is ready: the time to connect is over, the heartbeat begins. */
  established(): void {
    if (this.#ended) return;
    this.#timer.cancel();
    this.#timer = this.#options.clock.setTimeout(() => this.#beat(), this.#options.heartbeatMs);
  }

  #beat(): void {
    const { label, heartbeatMs, clock } = this.#options;
    if (!this.#answered) {
      this.fail('ERR_SERVICE_TIMEOUT', `${label} gave no sign of life for ${heartbeatMs} ms.`);
      return;
    }
    this.#answered = false;
    this.#socket.ping();
    this.#timer = clock.setTimeout(() => this.#beat(), heartbeatMs);
  }

  send(message: unknown): void {
    if (this.#ended || this.#socket.readyState !== WebSocket.OPEN) return;
    const { label, maxBufferedBytes } = this.#options;
    if (this.#socket.bufferedAmount > maxBufferedBytes) {
      this.fail('ERR_SERVICE_TIMEOUT', `${label} takes audio slower than it is spoken.`);
      return;
    }
    this.#socket.send(JSON.stringify(message));
  }

  /** Give the connection up for this reason; `ended` is told. */
  fail(code: ErrorCode, message: string, cause?: unknown): void {
    this.#end(new AntipodeError(code, message, { cause }), false);
  }

  /** As `fail`, for a service that would answer another try the same way. */
  refuse(error: AntipodeError): void {
    this.#end(error, true);
  }

  #receive(data: RawData, isBinary: boolean): void {
    if (this.#ended) return;
    // Whatever comes is a sign of life.
    this.#answered = true;
    let value: unknown;
    try {
      if (isBinary && !this.#options.takesBinary) throw new SyntaxError('binary');
      value = JSON.parse(data.toString());
    } catch (cause) {
      this.fail('ERR_SERVICE_FAILED', `${this.#options.label} sent what is no JSON.`, cause);
      return;
    }
    this.#options.handlers.message(value);
  }

  #end(error: AntipodeError, final: boolean): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#timer.cancel();
    this.#socket.terminate();
    this.#options.handlers.ended(error, final);
  }

  /** Say goodbye, then tear down. No handler is called any more. Idempotent. */
  close(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#timer.cancel();
    if (this.#socket.readyState === WebSocket.CONNECTING) {
      this.#socket.terminate();
      return;
    }
    this.#socket.close(1000);
    this.#timer = this.#options.clock.setTimeout(() => this.#socket.terminate(), CLOSE_TIMEOUT_MS);
    this.#socket.once('close', () => this.#timer.cancel());
  }
}
