/** `antipode eval` as a command: arguments in, table, files and exit code out. */
import { writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import type { Clock } from '../clock.ts';
import { loadConfig } from '../config/index.ts';
import { AntipodeError, asAntipodeError } from '../errors.ts';
import type { Logger } from '../telemetry/index.ts';
import { EvalRunner } from './eval-runner.ts';
import { htmlReport } from './html-report.ts';
import { jsonReport } from './json-report.ts';
import { junitXml } from './junit.ts';
import { type Eval, evalJsonSchema, readEvals } from './read-evals.ts';
import { type ConfigResult, type EvalResult, hasPassed } from './results.ts';
import { comparisonLines, resultLines, summaryLine, type TableOptions } from './table.ts';

export const EVAL_HELP = `Usage: antipode eval FILE... [options]

Calls agents as the files say, and tells whether the calls went as expected (docs/evals.md).

  --config FILE        configuration; twice or more to compare them (default: antipode.yaml where it exists)
  --only TEXT          evals with this in their name alone
  --mode text|voice    evals of this mode alone
  --repeats N          hold each call so often, whatever the files say
  --url URL            server for spoken calls (default: one of their own)
  --api-key KEY        API key of that server (default: $ANTIPODE_API_KEY)
  --json               print one JSON object instead of a table
  --junit FILE         write JUnit XML
  --html FILE          write a page with the conversations, and the sound of spoken calls
  --schema             print the JSON Schema of the files
  --help               print this

Exit code: 0 when all passed, 1 when one failed, 2 when a file, an argument or the configuration is wrong.
`;

const DEFAULT_CONFIG_FILE = 'antipode.yaml';

export interface EvalCommandOptions {
  readonly out: { write(text: string): unknown; readonly isTTY?: boolean; readonly columns?: number };
  readonly err: { write(text: string): unknown };
  readonly environment: NodeJS.ProcessEnv;
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

/**
 * Run the command.
 * @param argv what follows `antipode eval`
 * @returns exit code
 */
export async function runEvalCommand(argv: readonly string[], options: EvalCommandOptions): Promise<number> {
  const { out, err } = options;
  try {
    const values = parse(argv);
    if (values.help) {
      out.write(EVAL_HELP);
      return 0;
    }
    if (values.schema) {
      out.write(`${JSON.stringify(evalJsonSchema(), null, 2)}\n`);
      return 0;
    }
    const evals = chosenEvals(values);
    const configs = await runAll(evals, values, options);
    if (values.json) out.write(`${JSON.stringify(jsonReport(configs), null, 2)}\n`);
    else printTables(configs, out);
    await writeReports(configs, values, options.clock);
    return hasPassed(configs) ? 0 : 1;
  } catch (error) {
    const known = asAntipodeError(error, 'ERR_INTERNAL', error instanceof Error ? error.message : String(error));
    err.write(`antipode eval: ${known.message} (${known.code})\n`);
    return known.code === 'ERR_CONFIG_INVALID' || known.code === 'ERR_REQUEST_MALFORMED' ? 2 : 1;
  }
}

type Arguments = ReturnType<typeof parse>;

function parse(argv: readonly string[]) {
  try {
    const { values, positionals } = parseArgs({
      args: [...argv],
      strict: true,
      allowPositionals: true,
      options: {
        config: { type: 'string', short: 'c', multiple: true, default: [] },
        only: { type: 'string' },
        mode: { type: 'string' },
        repeats: { type: 'string' },
        url: { type: 'string' },
        'api-key': { type: 'string' },
        json: { type: 'boolean', default: false },
        junit: { type: 'string' },
        html: { type: 'string' },
        schema: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    });
    return { ...values, files: positionals };
  } catch (cause) {
    throw new AntipodeError('ERR_REQUEST_MALFORMED', cause instanceof Error ? cause.message : String(cause), { cause });
  }
}

function chosenEvals({ files, mode, only, repeats: asked, url }: Arguments): Eval[] {
  const wrong = (message: string) => new AntipodeError('ERR_REQUEST_MALFORMED', message);
  if (files.length === 0) throw wrong('FILE is missing: which evals? (--help shows the arguments)');
  if (mode !== undefined && mode !== 'text' && mode !== 'voice')
    throw wrong(`--mode must be text or voice, not "${mode}"`);
  const repeats = asked === undefined ? null : Number(asked);
  if (repeats !== null && !(Number.isInteger(repeats) && repeats >= 1 && repeats <= 100)) {
    throw wrong(`--repeats must be a whole number from 1 to 100, not "${asked}"`);
  }
  if (url !== undefined && !/^https?:$/.test(URL.parse(url)?.protocol ?? '')) {
    throw wrong(`--url must be an http or https URL, not "${url}"`);
  }
  const chosen = files
    .flatMap(readEvals)
    .filter((each) => (mode === undefined || each.mode === mode) && (only === undefined || each.name.includes(only)))
    .map((each) => (repeats === null ? each : { ...each, repeats }));
  // A run that checks nothing must not look like one that passed.
  if (chosen.length === 0) throw wrong('no eval of these files is chosen by --only and --mode');
  return chosen;
}

async function runAll(evals: readonly Eval[], values: Arguments, options: EvalCommandOptions): Promise<ConfigResult[]> {
  const { environment, clock, log, signal, err } = options;
  const files = values.config.length > 0 ? values.config : [null];
  // All of them before the first call: a wrong one is no reason to wait for the others.
  const read = files.map((file) => ({
    name: file ?? DEFAULT_CONFIG_FILE,
    config: loadConfig({ file: file ?? DEFAULT_CONFIG_FILE, fileRequired: file !== null, environment }),
  }));
  const configs: ConfigResult[] = [];
  for (const { name, config } of read) {
    const apiKey = (values['api-key'] ?? environment.ANTIPODE_API_KEY) || null;
    const shared = { config, environment, clock, log, signal, apiKey, url: values.url ?? null };
    await using runner = new EvalRunner(shared);
    const results: EvalResult[] = [];
    for (const each of evals) {
      const result = await runner.run(each);
      results.push(result);
      if (!values.json) err.write(`${result.passed ? 'passed' : 'FAILED'}  ${each.name}\n`);
    }
    configs.push({ config: name, results });
  }
  return configs;
}

async function writeReports(configs: readonly ConfigResult[], values: Arguments, clock: Clock): Promise<void> {
  if (values.junit !== undefined) await writeReport(values.junit, junitXml(configs));
  if (values.html !== undefined) await writeReport(values.html, htmlReport(configs, clock.date()));
}

async function writeReport(file: string, text: string): Promise<void> {
  await writeFile(file, text).catch((cause: unknown) => {
    const words = `${file} cannot be written: ${(cause as Error).message}`;
    throw new AntipodeError('ERR_REQUEST_MALFORMED', words, { cause });
  });
}

function printTables(configs: readonly ConfigResult[], out: EvalCommandOptions['out']): void {
  const table: TableOptions = { width: out.isTTY ? (out.columns ?? null) : null, colors: out.isTTY === true };
  for (const config of configs) {
    if (configs.length > 1) out.write(`\n${config.config}\n`);
    out.write(`${resultLines(config, table).join('\n')}\n`);
  }
  if (configs.length > 1) out.write(`\n${comparisonLines(configs, table).join('\n')}\n`);
  out.write(`\n${summaryLine(configs)}\n`);
}
