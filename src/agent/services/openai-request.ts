/**
 * What the three OpenAI adapters share: the client, a deadline that every sign of life moves on, and the translation
 * of whatever goes wrong into our error codes. Retries nothing: in a call, a late answer is a wrong one.
 */
import OpenAI, { APIConnectionError, APIConnectionTimeoutError, APIError } from 'openai';
import type { Clock, Timer } from '../../clock.ts';
import type { Config } from '../../config/index.ts';
import { AntipodeError } from '../../errors.ts';

export type OpenAiSettings = Config['services']['openai'];

export interface OpenAiOptions {
  settings: OpenAiSettings;
  clock: Clock;
}

/** @throws ERR_SERVICE_UNAVAILABLE when there is no key */
export function openAiClient(settings: OpenAiSettings): OpenAI {
  if (settings.apiKey === null) {
    throw new AntipodeError('ERR_SERVICE_UNAVAILABLE', 'OpenAI needs a key: set OPENAI_API_KEY.');
  }
  return new OpenAI({
    apiKey: settings.apiKey,
    baseURL: settings.baseUrl,
    timeout: settings.timeoutMs,
    maxRetries: 0,
    logLevel: 'off',
  });
}

/** Aborts a request when its turn is over, or when nothing came of it for too long. */
export class Deadline {
  readonly #controller = new AbortController();
  readonly #clock: Clock;
  readonly #timeoutMs: number;
  readonly #turn: AbortSignal;
  readonly #onAbort: () => void;
  #timer: Timer;
  #expired = false;

  constructor(options: { clock: Clock; timeoutMs: number; signal: AbortSignal }) {
    this.#clock = options.clock;
    this.#timeoutMs = options.timeoutMs;
    this.#turn = options.signal;
    this.#onAbort = () => this.#controller.abort(this.#turn.reason);
    if (this.#turn.aborted) this.#onAbort();
    else this.#turn.addEventListener('abort', this.#onAbort, { once: true });
    this.#timer = this.#arm();
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Something came: the time runs anew. */
  touch(): void {
    this.#timer.cancel();
    this.#timer = this.#arm();
  }

  #arm(): Timer {
    return this.#clock.setTimeout(() => {
      this.#expired = true;
      this.#controller.abort(new Error('deadline'));
    }, this.#timeoutMs);
  }

  /** Throw what ended the request from our side, if anything did: the client library ends aborted streams silently. */
  check(): void {
    if (this.#turn.aborted) throw this.#turn.reason;
    if (this.#expired) throw timedOut(this.#timeoutMs);
  }

  /** The error to throw for what the request threw. */
  explain(error: unknown): unknown {
    if (this.#turn.aborted) return this.#turn.reason;
    if (this.#expired) return timedOut(this.#timeoutMs, error);
    return explainOpenAi(error);
  }

  close(): void {
    this.#timer.cancel();
    this.#turn.removeEventListener('abort', this.#onAbort);
  }
}

function timedOut(timeoutMs: number, cause?: unknown): AntipodeError {
  return new AntipodeError('ERR_SERVICE_TIMEOUT', `OpenAI said nothing for ${timeoutMs} ms.`, { cause });
}

function explainOpenAi(cause: unknown): AntipodeError {
  if (cause instanceof AntipodeError) return cause;
  if (cause instanceof APIConnectionTimeoutError) {
    return new AntipodeError('ERR_SERVICE_TIMEOUT', 'OpenAI did not answer in time.', { cause });
  }
  if (cause instanceof APIConnectionError) {
    return new AntipodeError('ERR_SERVICE_UNAVAILABLE', 'OpenAI cannot be reached.', { cause });
  }
  if (!(cause instanceof APIError)) {
    return new AntipodeError('ERR_SERVICE_FAILED', "OpenAI's answer broke off or made no sense.", { cause });
  }
  switch (cause.status) {
    case 401:
    case 403:
      return new AntipodeError('ERR_SERVICE_FAILED', `OpenAI refused our key (${cause.status}).`, { cause });
    case 429:
      return new AntipodeError('ERR_SERVICE_UNAVAILABLE', 'OpenAI limits our rate or quota (429).', { cause });
    default:
      return new AntipodeError('ERR_SERVICE_FAILED', `OpenAI failed (${cause.status ?? 'in its stream'}).`, { cause });
  }
}
