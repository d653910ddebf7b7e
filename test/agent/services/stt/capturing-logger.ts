/** A logger whose lines a test can read. */
import { pino } from 'pino';
import type { Logger } from '../../../../src/telemetry/index.ts';

export function capturingLogger(): { logger: Logger; text(): string } {
  const lines: string[] = [];
  const logger = pino({ level: 'trace' }, { write: (line: string) => lines.push(line) });
  return { logger, text: () => lines.join('') };
}
