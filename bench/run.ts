/**
 * Runs one benchmark by name: `npm run -s bench -- NAME [--json] [--calls N] [--seconds N] [--runs N] [--profile] [--write]`.
 * A benchmark is a file beside this one that exports `run(options): Promise<BenchResult>`; this prints its table, or the
 * result as JSON, and exits 1 when a budget is broken. With --write it also writes its page of the documentation anew,
 * where it has one.
 */
import { readdirSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { type BenchModule, type BenchResult, isFloor, keeps } from './result.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    json: { type: 'boolean', default: false },
    calls: { type: 'string' },
    seconds: { type: 'string' },
    runs: { type: 'string' },
    profile: { type: 'boolean', default: false },
    write: { type: 'boolean', default: false },
  },
});
const known = readdirSync(import.meta.dirname)
  .filter((file) => file.endsWith('.bench.ts'))
  .map((file) => file.slice(0, -'.bench.ts'.length));
const name = positionals[0];

if (!name || !known.includes(name)) {
  process.stderr.write(`Which benchmark? One of: ${known.join(', ')}\n`);
  process.exit(2);
}

function positiveInteger(option: 'calls' | 'seconds' | 'runs'): number | undefined {
  const text = values[option];
  if (text === undefined) return undefined;
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1 || value > 10_000) {
    process.stderr.write(`--${option} must be a whole number from 1 to 10000, not "${text}".\n`);
    process.exit(2);
  }
  return value;
}

const module = (await import(`./${name}.bench.ts`)) as BenchModule;
if (values.write && module.page === undefined) {
  process.stderr.write(`${name} has no page of its own to --write.\n`);
  process.exit(2);
}
const interrupted = new AbortController();
process.once('SIGINT', () => interrupted.abort(new Error('interrupted')));
process.once('SIGTERM', () => interrupted.abort(new Error('terminated')));

try {
  const result = await module.run({
    calls: positiveInteger('calls'),
    seconds: positiveInteger('seconds'),
    runs: positiveInteger('runs'),
    profile: values.profile,
    write: values.write,
    signal: interrupted.signal,
    progress: showProgress,
  });
  clearProgress();
  if (values.json) process.stdout.write(`${JSON.stringify(result)}\n`);
  else printTable(result);
  process.exit(result.pass ? 0 : 1);
} catch (error) {
  clearProgress();
  if (!interrupted.signal.aborted) throw error;
  process.stderr.write(`${(interrupted.signal.reason as Error).message}\n`);
  process.exit(130);
}

/** One line on a terminal, that the next one replaces; lines elsewhere. */
function showProgress(text: string): void {
  if (values.json) return;
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`);
  else process.stderr.write(`${text}\n`);
}

function clearProgress(): void {
  if (process.stderr.isTTY && !values.json) process.stderr.write('\r\x1b[K');
}

function printTable(shown: BenchResult): void {
  const rows = Object.entries(shown.figures).map(([figure, value]) => {
    const budget = shown.budget[figure];
    const bound = `${isFloor(figure) ? '>=' : '<='} ${budget}`;
    const verdict = budget === undefined ? '' : keeps(figure, value, budget) ? `ok (${bound})` : `NOT ${bound}`;
    return { figure, value: value === null ? '-' : String(Math.round(value * 1000) / 1000), verdict };
  });
  const width = Math.max(...rows.map((row) => row.figure.length));
  process.stdout.write(`${shown.name}: ${shown.question}\n`);
  for (const row of rows)
    process.stdout.write(`  ${row.figure.padEnd(width)}  ${row.value.padStart(10)}  ${row.verdict}\n`);
  for (const note of shown.notes) process.stdout.write(`  ${note}\n`);
  process.stdout.write(`  ${shown.machine}\n  ${shown.pass ? 'within budget' : 'OUT OF BUDGET'}\n`);
}
