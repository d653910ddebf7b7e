/**
 * What adapters of HTTP services share, whatever they speak: connections that are kept, one request with its time-outs,
 * and an end to all of them. Retries nothing: in a call, a late answer is a wrong one. Owns no protocol; what goes wrong
 * is put into our codes by those who know it.
 */
import type { Clock } from '../../clock.ts';
import { AntipodeError } from '../../errors.ts';
import { Deadline } from './deadline.ts';
import { KeptConnections } from './kept-connections.ts';

export interface ServiceServerOptions {
  /** In metrics and the catalogue, such as `groq`. */
  readonly name: string;
  /** For people, in errors, such as `Groq`. */
  readonly label: string;
  readonly baseUrl: string;
  /** Null for servers that want none: then no key is sent. */
  readonly apiKey: string | null;
  readonly clock: Clock;
  /** Longest silence of the server: before the first of its answer, and between two parts of it. */
  readonly timeoutMs: number;
  /** Instead of `timeoutMs`, before the first of its answer. */
  readonly firstTimeoutMs?: number;
}

export abstract class ServiceServer {
  protected readonly connections = new KeptConnections();
  readonly #options: ServiceServerOptions;
  readonly #requests = new Set<Deadline>();
  #closed = false;

  constructor(options: ServiceServerOptions) {
    this.#options = options;
  }

  /** Open a connection for the next request, by a GET of the base URL without the key, which is not billed. */
  warm(): void {
    this.connections.warm(this.#options.baseUrl);
  }

  /** What opening the newest connection took, one round trip, ms; null before there was one. */
  get connectMs(): number | null {
    return this.connections.connectMs;
  }

  /** Ends what is under way and every connection. Idempotent. */
  close(): void {
    this.#closed = true;
    for (const request of this.#requests) request.stop(this.#closedError());
    this.connections.close();
  }

  /**
   * One request and its answer in parts, each read by `read` as it comes.
   * @throws ERR_SERVICE_UNAVAILABLE | ERR_SERVICE_FAILED | ERR_SERVICE_TIMEOUT; ERR_SHUTTING_DOWN when closed; the
   * signal's reason when aborted
   */
  protected async *inParts<Part, Read>(
    turn: AbortSignal,
    ask: (signal: AbortSignal) => Promise<AsyncIterable<Part>>,
    read: (part: Part) => Read,
  ): AsyncIterable<Read> {
    const deadline = this.#begin(turn);
    try {
      deadline.check();
      yield* deadline.reading(await ask(deadline.signal), read);
    } catch (error) {
      const reason = deadline.reasonFor(error);
      throw reason instanceof AntipodeError || (turn.aborted && reason === turn.reason) ? reason : this.explain(reason);
    } finally {
      deadline.close();
      this.#requests.delete(deadline);
    }
  }

  /** What was thrown on the way, in our codes. The server's own words may quote the key: they stay in the cause. */
  protected abstract explain(cause: unknown): AntipodeError;

  #begin(turn: AbortSignal): Deadline {
    if (this.#closed) throw this.#closedError();
    const { clock, timeoutMs, label } = this.#options;
    const firstMs = this.#options.firstTimeoutMs ?? timeoutMs;
    const deadline = new Deadline({ service: label, clock, firstMs, betweenMs: timeoutMs, signal: turn });
    this.#requests.add(deadline);
    return deadline;
  }

  #closedError(): AntipodeError {
    return new AntipodeError('ERR_SHUTTING_DOWN', `The connections to ${this.#options.label} are closed.`);
  }
}
