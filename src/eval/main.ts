/**
 * The command as a whole process. It ends by `process.exit` once its output is written: where a call was spoken, libwebrtc
 * is loaded, which crashes when Node takes its environment down by itself.
 */
import { systemClock } from '../clock.ts';
import { AntipodeError } from '../errors.ts';
import { silentLogger } from '../telemetry/index.ts';
import { runEvalCommand } from './command.ts';

/** @param argv what follows `antipode eval` */
export async function evalMain(argv: readonly string[]): Promise<never> {
  const stop = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM'] as const) {
    process.once(name, () => stop.abort(new AntipodeError('ERR_CALL_FAILED', `the evals were ended by ${name}`)));
  }
  // The clock's timers hold no process, and between two calls nothing else may.
  const alive = setInterval(() => {}, 60_000);
  const code = await runEvalCommand(argv, {
    ...{ out: process.stdout, err: process.stderr, environment: process.env },
    ...{ clock: systemClock, log: silentLogger, signal: stop.signal },
  });
  clearInterval(alive);
  return new Promise<never>(() => {
    process.stderr.write('', () => process.stdout.write('', () => process.exit(code)));
  });
}
