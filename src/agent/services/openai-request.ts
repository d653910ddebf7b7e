/**
 * What the adapters of OpenAI's HTTP dialect share, whichever server speaks it: the client on connections that are
 * kept, one request with its time-outs, and the translation of whatever goes wrong into our error codes. Retries
 * nothing: in a call, a late answer is a wrong one.
 */
import { APIConnectionError, APIConnectionTimeoutError, APIError, OpenAI } from 'openai';
import { z } from 'zod';
import type { Clock } from '../../clock.ts';
import type { Config } from '../../config/index.ts';
import { AntipodeError } from '../../errors.ts';
import { Deadline } from './deadline.ts';
import { KeptConnections } from './kept-connections.ts';
import { refusal } from './refusal.ts';

/** A server that speaks OpenAI's dialect. */
export interface OpenAiServerOptions {
  /** In metrics and the catalogue, such as `groq`. */
  readonly name: string;
  /** For people, in errors, such as `Groq`. */
  readonly label: string;
  readonly baseUrl: string;
  /** Null for servers that want none: then no `Authorization` is sent. */
  readonly apiKey: string | null;
  readonly clock: Clock;
  /** Longest silence of the server: before the first of its answer, and between two parts of it. */
  readonly timeoutMs: number;
  /** Instead of `timeoutMs`, before the first of its answer. */
  readonly firstTimeoutMs?: number;
}

export type OpenAiSettings = Config['services']['openai'];

/** OpenAI itself, by the configuration. */
export interface OpenAiOptions {
  settings: OpenAiSettings;
  clock: Clock;
}

/**
 * OpenAI, or the server that `services.openai.baseUrl` names.
 * @throws ERR_SERVICE_UNAVAILABLE when there is no key
 */
export function openAiItself({ settings, clock }: OpenAiOptions): OpenAiServerOptions {
  const { apiKey, baseUrl, timeoutMs } = settings;
  if (apiKey === null) {
    throw new AntipodeError('ERR_SERVICE_UNAVAILABLE', 'OpenAI needs a key: set OPENAI_API_KEY.');
  }
  return { name: 'openai', label: 'OpenAI', baseUrl, apiKey, clock, timeoutMs };
}

export class OpenAiServer {
  readonly #options: OpenAiServerOptions;
  readonly #client: OpenAI;
  readonly #connections = new KeptConnections();
  readonly #requests = new Set<Deadline>();
  #closed = false;

  constructor(options: OpenAiServerOptions) {
    this.#options = options;
    this.#client = new OpenAI({
      apiKey: options.apiKey ?? 'none',
      ...(options.apiKey === null && { defaultHeaders: { authorization: null } }),
      baseURL: options.baseUrl,
      // The client would read these from the environment and send them to whichever vendor this is.
      organization: null,
      project: null,
      adminAPIKey: null,
      fetch: this.#connections.fetch,
      maxRetries: 0,
      logLevel: 'off',
    });
  }

  /**
   * One request and its answer in parts, each read by `read` as it comes.
   * @throws ERR_SERVICE_UNAVAILABLE | ERR_SERVICE_FAILED | ERR_SERVICE_TIMEOUT; ERR_SHUTTING_DOWN when closed; the
   * signal's reason when aborted
   */
  async *stream<Part, Read>(
    turn: AbortSignal,
    ask: (client: OpenAI, signal: AbortSignal) => Promise<AsyncIterable<Part>>,
    read: (part: Part) => Read,
  ): AsyncIterable<Read> {
    const deadline = this.#begin(turn);
    try {
      deadline.check();
      yield* deadline.reading(await ask(this.#client, deadline.signal), read);
    } catch (error) {
      throw this.#explain(deadline.reasonFor(error), turn);
    } finally {
      deadline.close();
      this.#requests.delete(deadline);
    }
  }

  /**
   * One request and its whole answer.
   * @throws as `stream`
   */
  async once<Read>(
    turn: AbortSignal,
    ask: (client: OpenAI, signal: AbortSignal) => Promise<unknown>,
    read: (answer: unknown) => Read,
  ): Promise<Read> {
    const whole = async (client: OpenAI, signal: AbortSignal) => one(await ask(client, signal));
    const answers: Read[] = [];
    for await (const answer of this.stream(turn, whole, read)) answers.push(answer);
    return answers[0]!;
  }

  /** Open a connection for the next request, by a GET of the base URL without the key, which is not billed. */
  warm(): void {
    this.#connections.warm(this.#options.baseUrl);
  }

  /** What opening the newest connection took, one round trip, ms; null before there was one. */
  get connectMs(): number | null {
    return this.#connections.connectMs;
  }

  /** Ends what is under way and every connection. Idempotent. */
  close(): void {
    this.#closed = true;
    for (const request of this.#requests) request.stop(this.#closedError());
    this.#connections.close();
  }

  #begin(turn: AbortSignal): Deadline {
    if (this.#closed) throw this.#closedError();
    const { clock, timeoutMs, label } = this.#options;
    const firstMs = this.#options.firstTimeoutMs ?? timeoutMs;
    const deadline = new Deadline({ service: label, clock, firstMs, betweenMs: timeoutMs, signal: turn });
    this.#requests.add(deadline);
    return deadline;
  }

  #explain(error: unknown, turn: AbortSignal): unknown {
    if (error instanceof AntipodeError || (turn.aborted && error === turn.reason)) return error;
    return explain(this.#options.label, error);
  }

  #closedError(): AntipodeError {
    return new AntipodeError('ERR_SHUTTING_DOWN', `The connections to ${this.#options.label} are closed.`);
  }
}

async function* one<T>(value: T): AsyncIterable<T> {
  yield value;
}

/** What the client library threw, in our codes. The server's own words may quote the key: they stay in the cause. */
function explain(label: string, cause: unknown): AntipodeError {
  const failed = (what: string) => new AntipodeError('ERR_SERVICE_FAILED', `${label} ${what}.`, { cause });
  if (cause instanceof APIConnectionTimeoutError) {
    return new AntipodeError('ERR_SERVICE_TIMEOUT', `${label} did not answer in time.`, { cause });
  }
  if (cause instanceof APIConnectionError) {
    return new AntipodeError('ERR_SERVICE_UNAVAILABLE', `${label} cannot be reached, or hung up.`, { cause });
  }
  if (cause instanceof APIError) {
    if (cause.status === undefined) return failed('failed in its answer');
    return refusal(label, cause.status, { retryAfter: cause.headers?.get('retry-after') ?? null, cause });
  }
  if (cause instanceof SyntaxError) return failed('sent what is not JSON, or half of it');
  if (cause instanceof z.ZodError) return failed('sent a message of another shape than its dialect has');
  return failed('broke off its answer');
}
