/**
 * One WebSocket to an AI service: opening it within a time, JSON and binary frames, a limit to what waits to be
 * sent, and the translation of every way in which it ends into our error codes. Knows no service's messages and never
 * reconnects; the API key is in a header that is neither logged nor put into an error.
 */
import { type ClientOptions, type RawData, WebSocket } from 'ws';
import type { Clock, Timer } from '../../clock.ts';
import { AntipodeError, type ErrorCode } from '../../errors.ts';
import type { ConnectTime } from './connect-time.ts';
import { refusal } from './refusal.ts';

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
  malformed(cause: unknown): void;
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
  /** Keeps how long it took to connect. */
  connectTime?: ConnectTime | null;
}

export const SERVICE_SOCKET_DEFAULTS = {
  connectTimeoutMs: 5_000,
  maxBufferedBytes: 262_144,
  maxFrameBytes: 1_048_576,
  connectTime: null,
} as const;

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
    const { service, address, clock, connectTimeoutMs, maxFrameBytes, connectTime, handlers } = this.#options;
    const settings: ClientOptions = {
      headers: { ...address.headers },
      perMessageDeflate: false,
      followRedirects: false,
      maxPayload: maxFrameBytes,
      finishRequest: (request) => {
        request.once('socket', (socket) => connectTime?.watch(socket));
        request.end();
      },
    };
    this.#socket = new WebSocket(address.url, settings);
    this.#timer = clock.setTimeout(() => {
      this.#failed('ERR_SERVICE_TIMEOUT', `${service} took longer than ${connectTimeoutMs} ms to connect.`, false);
    }, connectTimeoutMs);
    this.#socket.on('open', () => {
      this.#opened = true;
      this.#timer.cancel();
      if (!this.#ended) handlers.opened();
    });
    this.#socket.on('message', (data, isBinary) => this.#receive(data, isBinary));
    this.#socket.on('unexpected-response', (_request, response) => {
      response.resume();
      const retryAfter = response.headers['retry-after'] ?? null;
      this.#end(refusal(service, response.statusCode ?? 0, { retryAfter }), false);
    });
    this.#socket.on('error', (cause) => {
      if (!this.#opened) {
        this.#failed('ERR_SERVICE_UNAVAILABLE', `${service} cannot be reached.`, false, cause);
      } else {
        this.#failed('ERR_SERVICE_FAILED', `The connection to ${service} broke.`, true, cause);
      }
    });
    this.#socket.on('close', (code) => {
      this.#failed('ERR_SERVICE_FAILED', `${service} closed the connection (${code}).`, true);
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
      this.#failed('ERR_SERVICE_TIMEOUT', `${service} takes what it is sent too slowly.`, false);
      return;
    }
    this.#socket.send(frame);
  }

  #receive(data: RawData, isBinary: boolean): void {
    if (this.#ended) return;
    const { handlers } = this.#options;
    let value: unknown;
    try {
      if (isBinary) throw new SyntaxError('A binary frame.');
      value = JSON.parse(data.toString());
    } catch (cause) {
      handlers.malformed(cause);
      return;
    }
    handlers.message(value);
  }

  #failed(code: ErrorCode, message: string, worthRetrying: boolean, cause?: unknown): void {
    this.#end(new AntipodeError(code, message, { cause }), worthRetrying);
  }

  #end(error: AntipodeError, worthRetrying: boolean): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#timer.cancel();
    this.#socket.terminate();
    this.#options.handlers.ended({ error, worthRetrying });
  }

  /** Tear down without a word; no handler is called any more. Idempotent. */
  abandon(): void {
    this.#ended = true;
    this.#timer.cancel();
    this.#socket.terminate();
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
