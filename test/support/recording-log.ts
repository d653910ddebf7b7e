/** A logger that keeps what it is told, for tests of what an operator can read. */
import { type Logger, silentLogger } from '../../src/telemetry/index.ts';

export interface LogLine {
  readonly level: 'debug' | 'info' | 'warn' | 'error';
  readonly message: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

export function recordingLog(): { log: Logger; lines: LogLine[]; messages(): string[] } {
  const lines: LogLine[] = [];
  const at =
    (level: LogLine['level']) =>
    (fields: Record<string, unknown>, message = '') =>
      void lines.push({ level, message, fields });
  const levels = { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
  const log: Logger = Object.assign(Object.create(silentLogger), levels, { child: () => log });
  return { log, lines, messages: () => lines.map(({ message }) => message) };
}
