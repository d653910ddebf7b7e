/**
 * One WebSocket to a speech service: opening it within a time, JSON and binary frames, a limit to what waits to be
 * sent, and the translation of every way in which it ends into our error codes. Knows no service's messages and never
 * reconnects; the API key is in a header that is neither logged nor put into an error.
 */
import { type ClientOptions, type RawData, WebSocket } from 'ws';
import type { Clock, Timer } from '../../../clock.ts';
import { AntipodeError } from '../../../errors.ts';

/** Where to connect, with the key among the headers. */
export interface SocketAddress {
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
}

export interface SocketHandlers {
  opened(): void;
  /** A text frame that is JSON. */
  message(value: unknown): void;
  /** A frame that is something else. */
  malformed(): void;
  /** Once, unless closed by us. */
  ended(end: SocketEnd): void;
}

export interface SocketEnd {
  readonly error: AntipodeError;
  /** Whether a new connection may do better: not after a refusal or when the service is too slow. */
  readonly worthRetrying: boolean;
}

export interface ServiceSocketOptions {
  /** For people, in messages of errors. */
  service: string;
  address: SocketAddress;
  clock: Clock;
  handlers: SocketHandlers;
  /** From the first packet to the end of the upgrade. */
  connectTimeoutMs?: number;
  /** Bytes that may wait to be sent: 256 KiB are 8 s of 16 kHz. */
  maxBufferedBytes?: number;
  /** Bytes of one frame from the service. */
  maxFrameBytes?: number;
}

export const SERVICE_SOCKET_DEFAULTS = {
  connectTimeoutMs: 5_000,
  maxBufferedBytes: 262_144,
  maxFrameBytes: 1_048_576,
} as const;

/**
 * Refuse a key that no header can carry, as one with a line end from a file, before it is used.
 * @throws ERR_SERVICE_UNAVAILABLE
 */
export function requireKey(apiKey: string, service: string, variable: string): void {
  if (/^[\x21-\x7e]+$/.test(apiKey)) return;
  throw new AntipodeError('ERR_SERVICE_UNAVAILABLE', `${service} needs a key: set ${variable}.`);
}

/** After our close frame, until the connection is torn down. */
const CLOSE_TIMEOUT_MS = 1_000;

export class ServiceSocket {
  readonly #options: Required<ServiceSocketOptions>;
  readonly #socket: WebSocket;
  #timer: Timer;
  #opened = false;
  #ended = false;

  constructor(options: ServiceSocketOptions) {
    this.#options = { ...SERVICE_SOCKET_DEFAULTS, ...options };
    const { service, address, clock, connectTimeoutMs, maxFrameBytes, handlers } = this.#options;
    const settings: ClientOptions = {
      headers: { ...address.headers },
      perMessageDeflate: false,
      followRedirects: false,
      maxPayload: maxFrameBytes,
    };
    this.#socket = new WebSocket(address.url, settings);
    this.#timer = clock.setTimeout(() => {
      this.#end('ERR_SERVICE_TIMEOUT', `${service} took longer than ${connectTimeoutMs} ms to connect.`, false);
    }, connectTimeoutMs);
    this.#socket.on('open', () => {
      this.#opened = true;
      this.#timer.cancel();
      if (!this.#ended) handlers.opened();
    });
    this.#socket.on('message', (data, isBinary) => this.#receive(data, isBinary));
    this.#socket.on('unexpected-response', (_request, response) => {
      response.resume();
      this.#refused(response.statusCode ?? 0);
    });
    this.#socket.on('error', (cause) => {
      if (!this.#opened) {
        this.#end('ERR_SERVICE_UNAVAILABLE', `${service} cannot be reached.`, false, cause);
      } else {
        this.#end('ERR_SERVICE_FAILED', `The connection to ${service} broke.`, true, cause);
      }
    });
    this.#socket.on('close', (code) => {
      this.#end('ERR_SERVICE_FAILED', `${service} closed the connection (${code}).`, true);
    });
  }

  get isOpen(): boolean {
    return !this.#ended && this.#socket.readyState === WebSocket.OPEN;
  }

  sendJson(message: unknown): void {
    this.#send(JSON.stringify(message));
  }

  /** The buffer must not change afterwards. */
  sendBinary(bytes: Buffer): void {
    this.#send(bytes);
  }

  #send(frame: string | Buffer): void {
    if (!this.isOpen) return;
    const { service, maxBufferedBytes } = this.#options;
    if (this.#socket.bufferedAmount > maxBufferedBytes) {
      this.#end('ERR_SERVICE_TIMEOUT', `${service} takes audio slower than it is spoken.`, false);
      return;
    }
    this.#socket.send(frame);
  }

  #receive(data: RawData, isBinary: boolean): void {
    if (this.#ended) return;
    const { handlers } = this.#options;
    let value: unknown;
    try {
      if (isBinary) throw new SyntaxError('binary');
      value = JSON.parse(data.toString());
    } catch {
      handlers.malformed();
      return;
    }
    handlers.message(value);
  }

  #refused(status: number): void {
    const { service } = this.#options;
    if (status === 401 || status === 403) {
      this.#end('ERR_SERVICE_UNAVAILABLE', `${service} refused our key (${status}).`, false);
    } else if (status === 429) {
      this.#end('ERR_SERVICE_UNAVAILABLE', `${service} limits our rate or quota (429).`, false);
    } else {
      this.#end('ERR_SERVICE_FAILED', `${service} refused the connection (${status}).`, false);
    }
  }

  #end(code: AntipodeError['code'], message: string, worthRetrying: boolean, cause?: unknown): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#timer.cancel();
    this.#socket.terminate();
    this.#options.handlers.ended({ error: new AntipodeError(code, message, { cause }), worthRetrying });
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
