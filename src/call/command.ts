/** `antipode call` as a command: arguments in, report and exit code out. */
import { AntipodeError, asAntipodeError } from '../errors.ts';
import { CALL_HELP, parseCallArguments } from './arguments.ts';
import { formatReport, succeeded } from './report.ts';
import { runCalls } from './run-calls.ts';

export interface CommandStreams {
  stdout: NodeJS.WritableStream;
  stderr: NodeJS.WritableStream;
}

/**
 * Run the command.
 * @param argv what follows `antipode call`
 * @returns exit code: 0 when every call connected and was answered, 1 when not, 2 when the arguments are wrong
 */
export async function runCallCommand(
  argv: readonly string[],
  streams: CommandStreams = process,
  signal?: AbortSignal,
): Promise<number> {
  try {
    const parsed = parseCallArguments(argv);
    if (parsed.help) {
      streams.stdout.write(CALL_HELP);
      return 0;
    }
    const onNews = (line: string) => streams.stderr.write(`${line}\n`);
    const report = await runCalls({ ...parsed.options, onNews, ...(signal && { signal }) });
    streams.stdout.write(parsed.json ? `${JSON.stringify(report, null, 2)}\n` : formatReport(report));
    return succeeded(report) ? 0 : 1;
  } catch (error) {
    const known = asAntipodeError(error, 'ERR_CALL_FAILED', error instanceof Error ? error.message : String(error));
    streams.stderr.write(`antipode call: ${known.message} (${known.code})\n`);
    return known.code === 'ERR_REQUEST_MALFORMED' ? 2 : 1;
  }
}

/**
 * The command as a whole process: SIGINT and SIGTERM end the calls properly, and the process ends with the exit code
 * once its output is written. It has to end so: libwebrtc's Node module crashes when Node tears its environment down
 * by itself, so this promise never resolves.
 */
export async function callMain(argv: readonly string[]): Promise<never> {
  const stop = new AbortController();
  const onSignal = (name: NodeJS.Signals) => {
    stop.abort(new AntipodeError('ERR_CALL_FAILED', `the call was ended by ${name}`));
  };
  process.once('SIGINT', onSignal);
  process.once('SIGTERM', onSignal);
  const code = await runCallCommand(argv, process, stop.signal);
  return new Promise<never>(() => {
    process.stderr.write('', () => process.stdout.write('', () => process.exit(code)));
  });
}
