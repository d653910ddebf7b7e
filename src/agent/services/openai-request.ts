/**
 * What the adapters of OpenAI's HTTP dialect share, whichever server speaks it: the client on connections that are kept,
 * and the translation of whatever goes wrong into our error codes.
 */
import { APIConnectionError, APIConnectionTimeoutError, APIError, OpenAI } from 'openai';
import { z } from 'zod';
import type { Clock } from '../../clock.ts';
import type { Config } from '../../config/index.ts';
import { AntipodeError } from '../../errors.ts';
import { refusal } from './refusal.ts';
import { ServiceServer, type ServiceServerOptions } from './service-server.ts';

/** A server that speaks OpenAI's dialect. */
export type OpenAiServerOptions = ServiceServerOptions;

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

export class OpenAiServer extends ServiceServer {
  readonly #label: string;
  readonly #client: OpenAI;

  constructor(options: OpenAiServerOptions) {
    super(options);
    this.#label = options.label;
    this.#client = new OpenAI({
      apiKey: options.apiKey ?? 'none',
      ...(options.apiKey === null && { defaultHeaders: { authorization: null } }),
      baseURL: options.baseUrl,
      // The client would read these from the environment and send them to whichever vendor this is.
      organization: null,
      project: null,
      adminAPIKey: null,
      fetch: this.connections.fetch,
      maxRetries: 0,
      logLevel: 'off',
    });
  }

  /**
   * One request and its answer in parts, each read by `read` as it comes.
   * @throws as `ServiceServer.inParts`
   */
  stream<Part, Read>(
    turn: AbortSignal,
    ask: (client: OpenAI, signal: AbortSignal) => Promise<AsyncIterable<Part>>,
    read: (part: Part) => Read,
  ): AsyncIterable<Read> {
    return this.inParts(turn, (signal) => ask(this.#client, signal), read);
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

  protected explain(cause: unknown): AntipodeError {
    return explain(this.#label, cause);
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
