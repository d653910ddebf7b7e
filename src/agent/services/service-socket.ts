/**
 * One WebSocket to an AI service: opening it within a time, JSON and binary frames, a limit to what waits to be
 * sent, and the translation of every way in which it ends into our error codes. Knows no service's messages and never
 * reconnects; the API key is in a header that is neither logged nor put into an error.
 */
import { type ClientOptions, type RawData, WebSocket } from 'ws';
import type { Clock, Timer } from '../../clock.ts';
import { AntipodeError, asAntipodeError, type ErrorCode } from '../../errors.ts';
import type { ConnectTime } from './connect-time.ts';
import { refusal } from './refusal.ts';

/** Where to connect, with the key among the headers. */
export interface SocketAddress {
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
}

/** For an address that must be asked for or signed first; the signal is aborted when nobody waits for it any more. */
export type AddressSource = (signal: AbortSignal) => Promise<SocketAddress>;

export interface SocketHandlers {
  opened(): void;
  /** A text frame that is JSON, or what `readBinary` made of a binary one. */
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
  /** The service said goodbye and meant no failure by it (close code 1000). */
  readonly isOrderly: boolean;
}

export interface ServiceSocketOptions {
  /** For people, in messages of errors. */
  service: string;
  address: SocketAddress | AddressSource;
  clock: Clock;
  handlers: SocketHandlers;
  /** For a service whose messages are binary frames; throws on what makes no sense. Without it no binary frame does. */
  readBinary?: ((bytes: Buffer) => unknown) | null;
  /** From the first packet, that of the question for the address included, to the end of the upgrade. */
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
  readBinary: null,
} as const;

/** After our close frame, until the connection is torn down. */
const CLOSE_TIMEOUT_MS = 1_000;

export class ServiceSocket {
  readonly #options: Required<ServiceSocketOptions>;
  /** Null until its address is known. */
  #socket: WebSocket | null = null;
  readonly #asking = new AbortController();
  #timer: Timer;
  #opened = false;
  #ended = false;

  constructor(options: ServiceSocketOptions) {
    this.#options = { ...SERVICE_SOCKET_DEFAULTS, ...options };
    const { service, address, clock, connectTimeoutMs } = this.#options;
    if (typeof address !== 'function') this.#connect(address);
    this.#timer = clock.setTimeout(() => {
      this.#failed('ERR_SERVICE_TIMEOUT', `${service} took longer than ${connectTimeoutMs} ms to connect.`, false);
    }, connectTimeoutMs);
    if (typeof address === 'function') void this.#ask(address);
  }

  async #ask(source: AddressSource): Promise<void> {
    try {
      const address = await source(this.#asking.signal);
      if (!this.#ended) this.#connect(address);
    } catch (cause) {
      const { service } = this.#options;
      const error = asAntipodeError(cause, 'ERR_SERVICE_UNAVAILABLE', `${service} gave no address to connect to.`);
      this.#end(error, false);
    }
  }

  #connect(address: SocketAddress): void {
    const { service, maxFrameBytes, connectTime, handlers } = this.#options;
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
    const socket = new WebSocket(address.url, settings);
    this.#socket = socket;
    socket.on('open', () => {
      this.#opened = true;
      this.#timer.cancel();
      if (!this.#ended) handlers.opened();
    });
    socket.on('message', (data, isBinary) => this.#receive(data, isBinary));
    socket.on('unexpected-response', (_request, response) => {
      response.resume();
      const retryAfter = response.headers['retry-after'] ?? null;
      this.#end(refusal(service, response.statusCode ?? 0, { retryAfter }), false);
    });
    socket.on('error', (cause) => {
      if (!this.#opened) {
        this.#failed('ERR_SERVICE_UNAVAILABLE', `${service} cannot be reached.`, false, cause);
      } else {
        this.#failed('ERR_SERVICE_FAILED', `The connection to ${service} broke.`, true, cause);
      }
    });
    socket.on('close', (code) => {
      const error = new AntipodeError('ERR_SERVICE_FAILED', `${service} closed the connection (${code}).`);
      this.#end(error, true, code === 1000);
    });
  }

  get isOpen(): boolean {
    return !this.#ended && this.#socket?.readyState === WebSocket.OPEN;
  }

  sendJson(message: unknown): void {
    this.#send(JSON.stringify(message));
  }

  /** A text frame that is not JSON. */
  sendText(words: string): void {
    this.#send(words);
  }

  /** The buffer must not change afterwards. */
  sendBinary(bytes: Buffer): void {
    this.#send(bytes);
  }

  #send(frame: string | Buffer): void {
    const socket = this.#socket;
    if (socket === null || !this.isOpen) return;
    const { service, maxBufferedBytes } = this.#options;
    if (socket.bufferedAmount > maxBufferedBytes) {
      this.#failed('ERR_SERVICE_TIMEOUT', `${service} takes what it is sent too slowly.`, false);
      return;
    }
    socket.send(frame);
  }

  #receive(data: RawData, isBinary: boolean): void {
    if (this.#ended) return;
    const { handlers, readBinary } = this.#options;
    let value: unknown;
    try {
      if (isBinary && readBinary === null) throw new SyntaxError('A binary frame.');
      value = isBinary ? readBinary?.(data as Buffer) : JSON.parse(data.toString());
    } catch (cause) {
      handlers.malformed(cause);
      return;
    }
    handlers.message(value);
  }

  #failed(code: ErrorCode, message: string, worthRetrying: boolean, cause?: unknown): void {
    this.#end(new AntipodeError(code, message, { cause }), worthRetrying);
  }

  #end(error: AntipodeError, worthRetrying: boolean, isOrderly = false): void {
    if (this.#ended) return;
    this.abandon();
    this.#options.handlers.ended({ error, worthRetrying, isOrderly });
  }

  /** Tear down without a word; no handler is called any more. Idempotent. */
  abandon(): void {
    this.#ended = true;
    this.#timer.cancel();
    this.#asking.abort();
    this.#socket?.terminate();
  }

  /** Say goodbye, then tear down. No handler is called any more. Idempotent. */
  close(): void {
    if (this.#ended) return;
    const socket = this.#socket;
    if (socket === null || socket.readyState === WebSocket.CONNECTING) {
      this.abandon();
      return;
    }
    this.#ended = true;
    this.#timer.cancel();
    socket.close(1000);
    this.#timer = this.#options.clock.setTimeout(() => socket.terminate(), CLOSE_TIMEOUT_MS);
    socket.once('close', () => this.#timer.cancel());
  }
}
