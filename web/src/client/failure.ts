/**
 * What can go wrong as the page knows it: a code (the server's or one of the page's own), a message and how long to
 * wait. Owns the codes and the class; the words for people are in failure-words.ts.
 */
import type { ErrorCode, WireError } from '../../../src/errors.ts';

/** Failures that only a page can see. */
export const PAGE_FAILURE_CODES = [
  'MIC_INSECURE',
  'MIC_DENIED',
  'MIC_DISMISSED',
  'MIC_BLOCKED_BY_SYSTEM',
  'MIC_NONE',
  'MIC_BUSY',
  'MIC_LOST',
  'CAMERA_BLOCKED',
  'CAMERA_NONE',
  'CAMERA_BUSY',
  'CAMERA_LOST',
  'BROWSER_UNSUPPORTED',
  'AGENTS_NONE',
  'AGENTS_CLOSED',
  'SERVER_UNREACHABLE',
  'SERVER_ANSWER',
  'CONNECTION_LOST',
  'MEDIA_UNREACHABLE',
  'PAGE_BROKEN',
] as const;
export type PageFailureCode = (typeof PAGE_FAILURE_CODES)[number];

/** Codes of a process that does not start, and of `antipode call`: no server tells them to a page. */
export type ProcessErrorCode = Extract<
  ErrorCode,
  'ERR_CONFIG_INVALID' | 'ERR_PORT_IN_USE' | 'ERR_STATE_DIR' | `ERR_CALL_${string}`
>;
export type FailureCode = Exclude<ErrorCode, ProcessErrorCode> | PageFailureCode;

/** Plain data of a failure, as the call's state keeps it. */
export interface Failure {
  /** A FailureCode, or a code of a server that is newer than this page. */
  readonly code: string;
  /** For people who report it; may be empty. */
  readonly message: string;
  /** Whether the same attempt may succeed later. */
  readonly retryable: boolean;
  /** From Retry-After: not to try again before these milliseconds have passed. */
  readonly retryAfterMs: number | null;
}

const RETRYABLE_HERE: ReadonlySet<string> = new Set<PageFailureCode>([
  'SERVER_UNREACHABLE',
  'CONNECTION_LOST',
  'MEDIA_UNREACHABLE',
]);

/** A failure of one of the page's own codes, or of a code that it concludes by itself. */
export function failureOf(code: FailureCode, message: string, retryAfterMs: number | null = null): Failure {
  return { code, message, retryable: RETRYABLE_HERE.has(code), retryAfterMs };
}

/** A failure that is thrown. */
export class CallFailure extends Error {
  override readonly name = 'CallFailure';
  readonly failure: Failure;

  constructor(failure: Failure, options: { cause?: unknown } = {}) {
    super(`${failure.code}: ${failure.message}`, options);
    this.failure = failure;
  }

  static of(code: FailureCode, message: string, cause?: unknown): CallFailure {
    return new CallFailure(failureOf(code, message), { cause });
  }

  /** What a server said, with the Retry-After of its answer. */
  static fromWire(error: Omit<WireError, 'code'> & { code: string }, retryAfterMs: number | null = null): CallFailure {
    return new CallFailure({ code: error.code, message: error.message, retryable: error.retryable, retryAfterMs });
  }
}

/** The failure behind anything thrown; what nobody foresaw is PAGE_BROKEN, with its message kept. */
export function asFailure(error: unknown): Failure {
  if (error instanceof CallFailure) return error.failure;
  return failureOf('PAGE_BROKEN', error instanceof Error ? `${error.name}: ${error.message}` : String(error));
}
