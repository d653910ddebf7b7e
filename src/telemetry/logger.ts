/**
 * The process's logger. Owns redaction: secrets never reach a log line, and transcripts or audio are logged at `debug`
 * or below only (by convention under the keys `text` and `transcript`, which are dropped above debug).
 */
import { type Logger as PinoLogger, pino } from 'pino';
import pretty from 'pino-pretty';
import { logDestination } from './log-destination.ts';

export type Logger = Pick<PinoLogger, 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'child' | 'level'>;

export interface LoggerOptions {
  level: 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent';
  /** Colored lines for people instead of JSON. */
  pretty: boolean;
}

const SECRET_KEYS = ['token', 'resumeToken', 'apiKey', 'authorization', 'password', 'secret', 'keyBase64', 'ticket'];

export function createLogger(options: LoggerOptions): Logger {
  const settings = {
    level: options.level,
    redact: { paths: SECRET_KEYS.flatMap((key) => [key, `*.${key}`, `*.*.${key}`]), censor: '[secret]' },
  };
  if (!options.pretty) return pino(settings, logDestination(process.stdout.fd));
  // In process and synchronous: a line that was logged is on the terminal, even when the next statement exits.
  return pino(settings, pretty({ translateTime: 'HH:MM:ss.l', ignore: 'pid,hostname', singleLine: true, sync: true }));
}

/** A logger that says nothing, for tests. */
export const silentLogger: Logger = pino({ level: 'silent' });
