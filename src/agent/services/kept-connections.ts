/**
 * HTTP(S) connections to one service that stay open between requests, so that a turn needs no new TLS handshake: what
 * `fetch` keeps is closed after four seconds, and callers pause longer. Shaped as `fetch`, for client libraries that
 * take one; follows no redirect, for the key would go with it. Owns no meaning of what is sent.
 */
import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { AntipodeError } from '../../errors.ts';
import { ConnectTime } from './connect-time.ts';

export interface KeptConnectionsOptions {
  /** A connection without a request is closed after this; the usual load balancer does it after 60 s. */
  idleMs?: number;
  /** Connections without a request. */
  maxIdle?: number;
}

export const KEPT_CONNECTIONS_DEFAULTS = { idleMs: 50_000, maxIdle: 64 } as const;

interface Outgoing {
  readonly url: URL;
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer | null;
  readonly signal: AbortSignal | null;
}

export class KeptConnections {
  readonly #http: HttpAgent;
  readonly #https: HttpsAgent;
  readonly #connectTime = new ConnectTime();
  #warming = false;
  #closed = false;

  constructor(options: KeptConnectionsOptions = {}) {
    const { idleMs, maxIdle } = { ...KEPT_CONNECTIONS_DEFAULTS, ...options };
    const settings = { keepAlive: true, timeout: idleMs, maxFreeSockets: maxIdle, scheduling: 'lifo' } as const;
    this.#http = new HttpAgent(settings);
    this.#https = new HttpsAgent(settings);
  }

  /**
   * As the global `fetch`, for texts, buffers and forms as bodies.
   * @throws the network's error, or the signal's reason
   */
  readonly fetch = async (input: string | URL | Request, init: RequestInit = {}): Promise<Response> => {
    if (this.#closed) throw new AntipodeError('ERR_SHUTTING_DOWN', 'The connections are closed.');
    const outgoing = await outgoingOf(input, init);
    for (;;) {
      const attempt = await this.#send(outgoing);
      if (attempt.response !== null) return answerOf(attempt.response, outgoing.signal);
      // A connection that we kept was closed by the service just then (nodejs.org/api/http.html, request.reusedSocket).
      // Each round takes one of these away, and a new connection is none.
      if (!attempt.wasStale || this.#closed) throw attempt.error;
    }
  };

  /**
   * Open a connection if none waits, by a GET of `url` without a key: nothing is asked of the service that it would
   * charge for, and whatever it answers, the connection stays. (After a HEAD without a `content-length` Node would close
   * it.) Should it fail, the request that needs the connection tells.
   */
  warm(url: string): void {
    if (this.#closed || this.#warming || this.idleCount > 0) return;
    this.#warming = true;
    this.#send({ url: new URL(url), method: 'GET', headers: {}, body: null, signal: null })
      .then(({ response }) => response?.resume())
      .finally(() => {
        this.#warming = false;
      });
  }

  /** What opening the newest connection took, one round trip, ms; null before there was one. */
  get connectMs(): number | null {
    return this.#connectTime.ms;
  }

  /** Connections that wait for a request. */
  get idleCount(): number {
    return [this.#http, this.#https]
      .flatMap((agent) => Object.values(agent.freeSockets))
      .reduce((sum, sockets) => sum + (sockets?.length ?? 0), 0);
  }

  /** Closes every connection, also those in use. Idempotent. */
  close(): void {
    this.#closed = true;
    this.#http.destroy();
    this.#https.destroy();
  }

  #send(outgoing: Outgoing): Promise<Attempt> {
    const { url, method, headers, body, signal } = outgoing;
    const isSecure = url.protocol === 'https:';
    return new Promise((resolve, reject) => {
      if (signal?.aborted) {
        reject(signal.reason);
        return;
      }
      const agent = isSecure ? this.#https : this.#http;
      const length = body === null ? {} : { 'content-length': String(body.length) };
      const request = (isSecure ? httpsRequest : httpRequest)(url, {
        method,
        agent,
        headers: { ...headers, ...length },
      });
      const onAbort = () => request.destroy(asError(signal?.reason));
      signal?.addEventListener('abort', onAbort, { once: true });
      request.once('close', () => signal?.removeEventListener('abort', onAbort));
      request.once('socket', (socket) => this.#connectTime.watch(socket));
      request.once('response', (response) => resolve({ response }));
      request.on('error', (error: NodeJS.ErrnoException) => {
        if (signal?.aborted) reject(signal.reason);
        else {
          const wasStale = request.reusedSocket && (error.code === 'ECONNRESET' || error.code === 'EPIPE');
          resolve({ response: null, wasStale, error });
        }
      });
      request.end(body ?? undefined);
    });
  }
}

type Attempt =
  | { readonly response: IncomingMessage }
  | { readonly response: null; readonly wasStale: boolean; readonly error: Error };

async function outgoingOf(input: string | URL | Request, init: RequestInit): Promise<Outgoing> {
  const url = new URL(input instanceof Request ? input.url : input);
  const headers = new Headers(init.headers);
  let body: Buffer | null = null;
  if (typeof init.body === 'string') body = Buffer.from(init.body);
  else if (init.body != null) {
    // The platform knows how a form is written.
    const encoded = new Response(init.body);
    const type = encoded.headers.get('content-type');
    if (type !== null && !headers.has('content-type')) headers.set('content-type', type);
    body = Buffer.from(await encoded.arrayBuffer());
  }
  return { url, method: init.method ?? 'GET', headers: Object.fromEntries(headers), body, signal: init.signal ?? null };
}

/** Statuses whose answers have no body. */
const BODILESS = [204, 205, 304];

function answerOf(incoming: IncomingMessage, signal: AbortSignal | null): Response {
  const status = incoming.statusCode ?? 500;
  const headers = new Headers();
  for (const [name, values] of Object.entries(incoming.headersDistinct)) {
    for (const value of values ?? []) headers.append(name, value);
  }
  if (!BODILESS.includes(status)) return new Response(bodyOf(incoming, signal), { status, headers });
  incoming.resume();
  return new Response(null, { status, headers });
}

/** What waits for the reader before the service is made to wait, bytes. */
const MAX_UNREAD_BYTES = 65_536;

function bodyOf(incoming: IncomingMessage, signal: AbortSignal | null): ReadableStream<ArrayBufferView> {
  let over = false;
  let bytesAfter = 0;
  return new ReadableStream(
    {
      start(controller) {
        incoming.on('data', (bytes: Buffer) => {
          if (over) {
            bytesAfter += bytes.length;
            if (bytesAfter > MAX_UNREAD_BYTES) incoming.destroy();
            return;
          }
          // A copy: what Node reads into is its own.
          controller.enqueue(new Uint8Array(bytes));
          if ((controller.desiredSize ?? 0) <= 0) incoming.pause();
        });
        incoming.once('end', () => {
          if (!over) controller.close();
          over = true;
        });
        const broken = (error?: Error) => {
          if (over) return;
          over = true;
          if (signal?.aborted) controller.error(signal.reason);
          else controller.error(error ?? new Error('The connection closed in the middle of the answer.'));
        };
        incoming.on('error', broken);
        incoming.once('close', () => broken());
        incoming.pause();
      },
      pull() {
        incoming.resume();
      },
      /** Enough was read: a few bytes of framing follow, then the connection serves again. An abort ends it at once. */
      cancel() {
        over = true;
        incoming.setTimeout(DRAIN_MS, () => incoming.destroy());
        incoming.resume();
      },
    },
    new ByteLengthQueuingStrategy({ highWaterMark: MAX_UNREAD_BYTES }),
  );
}

/** Silence after which a connection whose answer nobody reads to the end is closed. */
const DRAIN_MS = 1_000;

function asError(reason: unknown): Error {
  return reason instanceof Error ? reason : new Error(String(reason));
}
