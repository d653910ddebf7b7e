/** What kind of failure an error of ioredis or Redis is. Owns the words by which they are told apart. */

export class CommandTimeout extends Error {
  constructor() {
    super('no answer in time');
  }
}

/** The message alone: the rest of the error may hold the command that failed, with a password or a record in it. */
export function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const inner = (error as { lastNodeError?: unknown }).lastNodeError;
  if (inner instanceof Error) return inner.message;
  if (error instanceof AggregateError && error.message === '') return error.errors.map(messageOf).join('; ');
  return error.message;
}

const CONNECTION_WORDS = [
  'Connection is closed',
  "Stream isn't writeable",
  'enableOfflineQueue',
  'Reached the max retries per request limit',
  'Command aborted',
  'Socket timeout',
  'Failed to refresh slots cache',
  'Cluster is ended',
  'Too many Cluster redirections',
];
/** Redis answers, but not as who could serve: loading, no master, a part of the Cluster missing. */
const AWAY_CODES = ['LOADING', 'READONLY', 'MASTERDOWN', 'CLUSTERDOWN', 'TRYAGAIN', 'NOREPLICAS', 'UNBLOCKED'];
const SOCKET_CODES = ['ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'ETIMEDOUT', 'EHOSTUNREACH', 'ENETUNREACH', 'ENOTFOUND'];

/** Whether Redis is out of reach, rather than unwilling. */
export function isConnectionError(error: unknown): boolean {
  const message = messageOf(error);
  if (SOCKET_CODES.includes(String((error as NodeJS.ErrnoException | null)?.code))) return true;
  return CONNECTION_WORDS.some((word) => message.includes(word)) || AWAY_CODES.some((code) => message.startsWith(code));
}

/** Whether Redis refuses who we are or what we may do. */
export function isRefusal(error: unknown): boolean {
  return /^(WRONGPASS|NOAUTH|NOPERM|ERR AUTH|ERR invalid password)/.test(messageOf(error));
}
