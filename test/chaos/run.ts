/**
 * `npm run -s chaos -- --scenario NAME [--calls N] [--seed K] [--seconds N] [--delay MS] [--json] [--logs DIR] [--loopback]`: runs one
 * scenario on a cluster of real processes and prints what the callers heard. Exits 1 when its budget is broken. As root
 * every node is in a network namespace of its own; else all are on loopback.
 */
import { inspect, parseArgs } from 'node:util';
import { enterNamespace, isInNamespace, namespacesMissing } from '../wan/namespaces.ts';
import { type ChaosResult, runChaos } from './chaos-run.ts';
import type { ChaosNetwork } from './cluster/chaos-network.ts';
import { LoopbackHosts } from './cluster/loopback-hosts.ts';
import { NamespacedHosts } from './cluster/namespaced-hosts.ts';
import { SCENARIOS } from './scenarios/index.ts';

const HELP = `Usage: npm run -s chaos -- --scenario NAME [options]

Runs calls on a cluster of real processes, lets something happen to it, and counts what the callers heard.

  --scenario NAME  what happens: --list tells which there are
  --calls N        calls at once, 1 to 500 (default: 10)
  --seed K         chooses when, and which node; the same seed does the same (default: 1)
  --seconds N      how long it lasts, where it lasts
  --delay MS       between cores and POPs, each way, 0 to 500 (default: 0)
  --json           print the result as JSON
  --logs DIR       keep the output of every process there
  --loopback       no network namespaces, also as root
  --list           print the scenarios
  --help           print this

Exit code: 0 within budget, 1 out of it, 2 when the arguments are wrong or it can't be run here.
`;

const { values } = parseArgs({
  options: {
    scenario: { type: 'string' },
    calls: { type: 'string', default: '10' },
    seed: { type: 'string', default: '1' },
    seconds: { type: 'string' },
    delay: { type: 'string', default: '0' },
    json: { type: 'boolean', default: false },
    logs: { type: 'string' },
    loopback: { type: 'boolean', default: false },
    list: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

if (values.help) {
  process.stdout.write(HELP);
  process.exit(0);
}
if (values.list) {
  const width = Math.max(...[...SCENARIOS.keys()].map((name) => name.length));
  for (const { name, about } of SCENARIOS.values()) process.stdout.write(`${name.padEnd(width)}  ${about}\n`);
  process.exit(0);
}

const scenario = SCENARIOS.get(values.scenario ?? '');
if (scenario === undefined) refuse(`Which scenario? One of: ${[...SCENARIOS.keys()].join(', ')}`);
const calls = numberOf('calls', 1, 500) ?? 10;
const seed = numberOf('seed', 0, 2 ** 31) ?? 1;
// A call has numbers for eleven minutes.
const seconds = numberOf('seconds', 1, 420);
const delayMs = numberOf('delay', 0, 500) ?? 0;
const notNamespaced = values.loopback ? 'asked for' : namespacesMissing();
const missing = scenario.missing?.(notNamespaced === null ? 'namespaces' : 'loopback') ?? null;
if (missing !== null) refuse(missing);
if (notNamespaced === null && !isInNamespace()) process.exit(await enterNamespace());

const interrupted = new AbortController();
process.on('SIGINT', () => interrupted.abort(new Error('interrupted')));
process.on('SIGTERM', () => interrupted.abort(new Error('terminated')));

try {
  const result = await run();
  clearProgress();
  if (values.json) process.stdout.write(`${JSON.stringify(result)}\n`);
  else print(result);
  process.exit(result.pass ? 0 : 1);
} catch (error) {
  clearProgress();
  if (!interrupted.signal.aborted) {
    // What failed, and what failed in ending what was started.
    const errors = error instanceof SuppressedError ? [error.suppressed, error.error] : [error];
    for (const each of errors) process.stderr.write(`${inspect(each)}\n`);
    process.exit(2);
  }
  process.stderr.write(`${(interrupted.signal.reason as Error).message}\n`);
  process.exit(130);
}

async function run(): Promise<ChaosResult> {
  await using network: ChaosNetwork =
    notNamespaced === null
      ? await NamespacedHosts.open(delayMs)
      : new LoopbackHosts({ reason: notNamespaced, cuts: scenario!.cuts === true, delayMs });
  return await runChaos({
    ...{ scenario: scenario!, calls, seed, seconds, network },
    keepLogs: values.logs ?? null,
    signal: interrupted.signal,
    progress: showProgress,
  });
}

function numberOf(option: 'calls' | 'seed' | 'seconds' | 'delay', least: number, most: number): number | undefined {
  const text = values[option];
  if (text === undefined) return undefined;
  const value = Number(text);
  if (!Number.isInteger(value) || value < least || value > most) {
    refuse(`--${option} must be a whole number from ${least} to ${most}, not "${text}".`);
  }
  return value;
}

function refuse(words: string): never {
  process.stderr.write(`${words}\n`);
  process.exit(2);
}

/** One line on a terminal, that the next one replaces; lines elsewhere. */
function showProgress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`);
  else if (!values.json) process.stderr.write(`${text}\n`);
}

function clearProgress(): void {
  if (process.stderr.isTTY) process.stderr.write('\r\x1b[K');
}

function print(result: ChaosResult): void {
  const { budget, gapMs } = result;
  const rows: [string, string, string][] = [
    ['calls', String(result.calls), ''],
    ['survived', String(result.survived), verdict(result.survived >= result.calls, `>= ${result.calls}`)],
    ['gap p50', `${gapMs.p50 ?? '-'} ms`, ''],
    ['gap p99', `${gapMs.p99 ?? '-'} ms`, verdict((gapMs.p99 ?? 0) <= budget.gapP99Ms, `<= ${budget.gapP99Ms} ms`)],
  ];
  for (const name of ['callerWordsLost', 'agentWordsLost', 'agentWordsRepeated', 'toolsRunTwice'] as const) {
    rows.push([name, String(result[name]), verdict(result[name] <= budget[name], `<= ${budget[name]}`)]);
  }
  for (const name of ['callerWordsRepeated', 'turnsUnanswered', 'otherWords'] as const) {
    rows.push([name, String(result[name]), '']);
  }
  process.stdout.write(`${result.scenario}, seed ${result.seed}: ${scenario!.about}\n`);
  for (const [name, value, word] of rows)
    process.stdout.write(`  ${name.padEnd(20)}  ${value.padStart(10)}  ${word}\n`);
  for (const account of result.troubled) process.stdout.write(`  ${JSON.stringify(account)}\n`);
  for (const words of result.missed) process.stdout.write(`  missed: ${words}\n`);
  process.stdout.write(`  ${result.pass ? 'within budget' : 'OUT OF BUDGET'}\n`);
  for (const note of result.notes.toReversed()) process.stdout.write(`  ${note}\n`);
}

function verdict(isKept: boolean, bound: string): string {
  return isKept ? `ok (${bound})` : `NOT ${bound}`;
}
