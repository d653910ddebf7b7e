/**
 * What a service's failure means for the next request, by what the adapters say of it: whether it refused us for good,
 * and whether only a connection was lost. Pure.
 */
import type { AntipodeError } from '../../../errors.ts';
import { refusalOf } from '../refusal.ts';

/** Codes of connections that ended under a request: the peer may be well, such as when it ended an idle connection. */
const LOST_CONNECTION = new Set(['ECONNRESET', 'EPIPE', 'UND_ERR_SOCKET', 'UND_ERR_CLOSED']);
/** Causes may be nested by each library on the way. */
const MAX_CAUSES = 8;

/** The service does not take our key: trying again soon is of no use. */
export function refusesUs(error: AntipodeError): boolean {
  const status = refusalOf(error)?.status;
  return status === 401 || status === 403;
}

/** How long the service asked to be left alone, ms; null when it did not say. */
export function askedToWaitMs(error: AntipodeError): number | null {
  return refusalOf(error)?.retryAfterMs ?? null;
}

/** The connection was lost under the request, so that the same service may answer on a new one. */
export function lostConnection(error: AntipodeError): boolean {
  let cause: unknown = error.cause;
  for (let depth = 0; depth < MAX_CAUSES && typeof cause === 'object' && cause !== null; depth++) {
    if ('code' in cause && LOST_CONNECTION.has(String(cause.code))) return true;
    cause = 'cause' in cause ? cause.cause : null;
  }
  return false;
}
