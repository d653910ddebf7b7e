/**
 * What a service's refusal means to us: one table from its HTTP status to our error codes, whatever the wire. Owns the
 * words; when to ask again is for those who ask.
 */
import { AntipodeError } from '../../errors.ts';

/** The `cause` of an error by which a service refused us; its message may quote the service, never our key. */
export class ServiceRefusal extends Error {
  override readonly name = 'ServiceRefusal';
  /** HTTP status, or what stands for one in the service's protocol. */
  readonly status: number;
  /** From `Retry-After`, when it was given in seconds. */
  readonly retryAfterMs: number | null;

  constructor(status: number, options: { retryAfter?: string | null; cause?: unknown } = {}) {
    super(`Refused with ${status}.`, options.cause === undefined ? undefined : { cause: options.cause });
    this.status = status;
    const seconds = Number(options.retryAfter ?? Number.NaN);
    this.retryAfterMs = options.retryAfter && seconds >= 0 ? seconds * 1_000 : null;
  }
}

export interface RefusalOptions {
  /** The service's own words, as `quotable` gives them. */
  words?: string;
  /** The header of that name. */
  retryAfter?: string | null;
  cause?: unknown;
}

/**
 * ERR_SERVICE_UNAVAILABLE for a limit or an overload, which may pass; ERR_SERVICE_FAILED for all else. Its cause is a
 * `ServiceRefusal`.
 */
export function refusal(service: string, status: number, options: RefusalOptions = {}): AntipodeError {
  const { words = '', retryAfter = null, cause } = options;
  const [code, what] = meaning(status);
  const says = words === '' ? '' : ` It says: ${words}`;
  return new AntipodeError(code, `${service} ${what}.${says}`, {
    cause: new ServiceRefusal(status, { retryAfter, cause }),
  });
}

/** The refusal behind an error, or null when it failed in another way. */
export function refusalOf(error: unknown): ServiceRefusal | null {
  return error instanceof AntipodeError && error.cause instanceof ServiceRefusal ? error.cause : null;
}

/** What a service says of a failure, as it may be shown: short, and without our key should it be quoted. */
export function quotable(words: string, apiKey: string): string {
  return words.replaceAll(apiKey, '[secret]').slice(0, 300).trim();
}

function meaning(status: number): ['ERR_SERVICE_FAILED' | 'ERR_SERVICE_UNAVAILABLE', string] {
  if (status >= 300 && status < 400) {
    return ['ERR_SERVICE_FAILED', `sends us to another address (${status}), where our key does not go`];
  }
  switch (status) {
    case 401:
    case 403:
      return ['ERR_SERVICE_FAILED', `refused our key (${status})`];
    case 402:
    case 429:
      return ['ERR_SERVICE_UNAVAILABLE', `limits our rate or quota (${status})`];
    case 503:
    case 529:
      return ['ERR_SERVICE_UNAVAILABLE', `is overloaded or down (${status})`];
    default:
      return ['ERR_SERVICE_FAILED', `failed (${status})`];
  }
}
