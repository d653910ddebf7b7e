/**
 * What a server does on SIGTERM and SIGINT: drains where it can (SIGTERM), then closes, then exits with 0. Owns the
 * process's exit; what draining and closing are is the server's.
 */
import type { Logger } from './telemetry/index.ts';

export interface Ending {
  log: Logger;
  /** On SIGTERM, before `close`; the signal is aborted when the waiting must end. Absent: nothing to wait for. */
  drain?(signal: AbortSignal): Promise<unknown>;
  close(): Promise<void>;
}

/** A shutdown that takes longer, after the drain, is cut short, loudly. */
const SHUTDOWN_LIMIT_MS = 8_000;

/**
 * One signal may arrive by several ways (the terminal, npm, us): all after the first are that first one, except that
 * SIGINT ends a drain.
 */
export function endOnSignal({ log, drain, close }: Ending): void {
  let ending: AbortController | null = null;
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    if (ending !== null) {
      if (signal === 'SIGINT') ending.abort();
      return;
    }
    ending = new AbortController();
    log.info({ signal }, 'shutting down');
    if (signal === 'SIGTERM') await drain?.(ending.signal);
    setTimeout(() => {
      log.error({ limitMs: SHUTDOWN_LIMIT_MS }, 'the shutdown took too long and was cut short');
      process.exit(1);
    }, SHUTDOWN_LIMIT_MS).unref();
    await close();
    log.info('the shutdown is complete');
  };
  const onSignal = (signal: NodeJS.Signals): void => {
    const isFirst = ending === null;
    end(signal).then(
      () => isFirst && process.exit(0),
      (error: unknown) => {
        log.error({ err: error }, 'the shutdown failed');
        process.exit(1);
      },
    );
  };
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
}
