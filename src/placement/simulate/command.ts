/**
 * `antipode placement simulate`: its arguments, files, progress and the table that a person reads. Owns no figure.
 * Exit codes: 0 done, 1 a file is refused, 2 wrong arguments, 130 interrupted.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { AntipodeError } from '../../errors.ts';
import { DEFAULT_POLICY, type Policy } from '../policy.ts';
import { readPolicy } from '../read-policy.ts';
import { nearestWord } from '../regions.ts';
import { readWorldDocument } from '../world-document.ts';
import { MINUTES_A_DAY } from './demand.ts';
import { reportPage } from './report/page.ts';
import { RULE_WORDS } from './rule.ts';
import { defaultScenario, type Scenario, scenarioOf } from './scenario.ts';
import { simulate } from './simulate.ts';
import type { SimulationResult } from './simulation-result.ts';

export interface SimulateStreams {
  readonly out: { write(text: string): unknown };
  readonly err: { write(text: string): unknown; readonly isTTY?: boolean };
}

export const SIMULATE_DEFAULTS = { sessions: 1_000_000, seed: 1, meanMinutes: 4, out: 'simulation.html' } as const;
const MOST_SESSIONS = 20_000_000;

const HELP = `Usage: antipode placement simulate [options]

A day of the world's callers, placed by your policy and, beside it, by three rules of the map.

  --sessions N      sessions of the day (default: ${SIMULATE_DEFAULTS.sessions})
  --seed N          the same seed gives the same day (default: ${SIMULATE_DEFAULTS.seed})
  --minutes N       mean length of a session (default: ${SIMULATE_DEFAULTS.meanMinutes})
  --world FILE      nodes, agents and endpoints, as GET /v1/world tells them (default: a made-up planet)
  --agent NAME      which agent of that world (default: its only one)
  --cores A,B,C     core regions of the made-up planet
  --policy FILE     the policy (default: the world's own, else the defaults)
  --lost REGION     the region that is lost: a name, "busiest" or "none" (default: busiest)
  --lost-at HH:MM   when, UTC (default: when the world calls most)
  --out FILE        the report, HTML (default: ${SIMULATE_DEFAULTS.out}; with --json none)
  --json            print the figures as JSON
`;

const OPTIONS = {
  sessions: { type: 'string' },
  seed: { type: 'string' },
  minutes: { type: 'string' },
  world: { type: 'string' },
  agent: { type: 'string' },
  cores: { type: 'string' },
  policy: { type: 'string' },
  lost: { type: 'string' },
  'lost-at': { type: 'string' },
  out: { type: 'string' },
  json: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
} as const;

class BadArguments extends Error {}

/** Answers with the exit code. `argv` begins after `simulate`. */
export async function runSimulate(
  argv: readonly string[],
  streams: SimulateStreams = { out: process.stdout, err: process.stderr },
): Promise<number> {
  const interrupted = new AbortController();
  const interrupt = () => interrupted.abort(new Error('interrupted'));
  process.once('SIGINT', interrupt);
  try {
    return await run(argv, streams, interrupted.signal);
  } catch (error) {
    if (interrupted.signal.aborted) return 130;
    if (error instanceof BadArguments) {
      streams.err.write(`${error.message}\n\n${HELP}`);
      return 2;
    }
    if (!(error instanceof AntipodeError)) throw error;
    streams.err.write(`${error.code}: ${error.message}\n`);
    return 1;
  } finally {
    process.off('SIGINT', interrupt);
  }
}

async function run(argv: readonly string[], { out, err }: SimulateStreams, signal: AbortSignal): Promise<number> {
  const values = parse(argv);
  if (values.help) {
    out.write(HELP);
    return 0;
  }
  const sessions = wholeNumber(values.sessions, '--sessions', 1, MOST_SESSIONS) ?? SIMULATE_DEFAULTS.sessions;
  const seed = wholeNumber(values.seed, '--seed', 0, 2 ** 31 - 1) ?? SIMULATE_DEFAULTS.seed;
  const meanMinutes = wholeNumber(values.minutes, '--minutes', 1, 30) ?? SIMULATE_DEFAULTS.meanMinutes;
  const { scenario, policy } = await worldAndPolicy(values, sessions, meanMinutes);
  const region = lostRegion(values.lost ?? 'busiest', scenario);
  const lost = region === null ? null : { region, minute: minuteOf(values['lost-at']) };
  const bar = new ProgressBar(err, sessions);
  const result = await simulate({
    scenario,
    policy,
    sessions,
    seed,
    meanMinutes,
    lost,
    signal,
    progress: (done) => bar.show(done),
  }).finally(() => bar.clear());
  if (values.json) out.write(`${JSON.stringify(result)}\n`);
  else printResult(result, out);
  const file = values.out ?? (values.json ? undefined : SIMULATE_DEFAULTS.out);
  if (file !== undefined) {
    await writeFile(file, reportPage(result)).catch((cause: unknown) => {
      throw new AntipodeError('ERR_CONFIG_INVALID', `Cannot write ${file}: ${(cause as Error).message}`, { cause });
    });
    if (!values.json) out.write(`\nThe report with the map is in ${file}.\n`);
  }
  return 0;
}

function parse(argv: readonly string[]) {
  try {
    return parseArgs({ args: [...argv], options: OPTIONS, strict: true }).values;
  } catch (error) {
    const [, typed] = /^Unknown option '--?([^']+)'/.exec((error as Error).message) ?? [];
    const near = typed === undefined ? null : nearestWord(typed, Object.keys(OPTIONS));
    throw new BadArguments(`${(error as Error).message}${near === null ? '' : ` Did you mean "--${near}"?`}`);
  }
}

type Values = ReturnType<typeof parse>;

async function worldAndPolicy(values: Values, sessions: number, meanMinutes: number) {
  const { world, agent, cores } = values;
  const policyOfFile = values.policy === undefined ? null : readPolicy(await textOf(values.policy));
  if (world === undefined) {
    if (agent !== undefined) throw new BadArguments('--agent names an agent of a --world.');
    const coreRegions = cores?.split(',').map((name) => name.trim());
    const scenario = defaultScenario({ sessions, meanMinutes, coreRegions });
    return { scenario, policy: policyOfFile ?? DEFAULT_POLICY };
  }
  if (cores !== undefined) throw new BadArguments('--cores is of the made-up planet; --world brings its own.');
  const document = readWorldDocument(await textOf(world), world);
  const policy: Policy = policyOfFile ?? document.policy ?? DEFAULT_POLICY;
  return { scenario: scenarioOf({ document, policy, name: world, agent: agent ?? null }), policy };
}

function lostRegion(name: string, { nodes }: Scenario): string | null {
  if (name === 'none') return null;
  if (name === 'busiest') return name;
  const regions = [...new Set(nodes.map(({ region }) => region))];
  if (regions.includes(name)) return name;
  const near = nearestWord(name, [...regions, 'busiest', 'none']);
  throw new BadArguments(`No node stands in "${name}".${near === null ? '' : ` Did you mean "${near}"?`}`);
}

function minuteOf(text: string | undefined): number | 'peak' {
  if (text === undefined) return 'peak';
  const [, hours, minutes] = /^(\d{1,2}):(\d{2})$/.exec(text) ?? [];
  const minute = Number(hours) * 60 + Number(minutes);
  if (!(minute < MINUTES_A_DAY) || Number(minutes) > 59)
    throw new BadArguments('--lost-at must be a time such as 14:30.');
  return minute;
}

function wholeNumber(text: string | undefined, option: string, least: number, most: number): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (text.trim() === '' || !Number.isInteger(value) || value < least || value > most) {
    throw new BadArguments(`${option} must be a whole number from ${least} to ${most}, not "${text}".`);
  }
  return value;
}

async function textOf(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (cause) {
    throw new AntipodeError('ERR_CONFIG_INVALID', `Cannot read ${file}: ${(cause as Error).message}`, { cause });
  }
}

/** One line on a terminal, and nothing elsewhere. */
class ProgressBar {
  readonly #stream: SimulateStreams['err'];
  readonly #total: number;
  #shown = -1;

  constructor(stream: SimulateStreams['err'], total: number) {
    this.#stream = stream;
    this.#total = total;
  }

  show(done: number): void {
    const percent = Math.floor((done / this.#total) * 100);
    if (this.#stream.isTTY !== true || percent === this.#shown) return;
    this.#shown = percent;
    const filled = Math.round(percent * 0.4);
    const bar = '█'.repeat(filled) + '░'.repeat(40 - filled);
    this.#stream.write(`\r\x1b[K${bar} ${percent} %  ${done.toLocaleString('en-US')} sessions`);
  }

  clear(): void {
    if (this.#stream.isTTY === true) this.#stream.write('\r\x1b[K');
  }
}

function printResult(result: SimulationResult, out: SimulateStreams['out']): void {
  const ms = (value: number | null) => (value === null ? '-' : `${Math.round(value)}`).padStart(8);
  const number = (value: number) => value.toLocaleString('en-US').padStart(11);
  const cents = (value: number | null) => (value === null ? '-' : value.toFixed(2)).padStart(10);
  out.write(`${result.sessions.toLocaleString('en-US')} sessions of a day in ${result.world}, seed ${result.seed}\n\n`);
  out.write(`${''.padEnd(22)} p50 ms  p95 ms   refused  cents/min\n`);
  for (const each of result.rules) {
    const { p50, p95 } = each.latencyMs;
    out.write(
      `${RULE_WORDS[each.rule].title.padEnd(21)}${ms(p50)}${ms(p95)}${number(each.refused).slice(1)}${cents(each.centsPerMinute)}\n`,
    );
  }
  const ours = result.rules[0]!;
  if (result.lost !== null && ours.afterLoss !== null) {
    const { moved, ended, refused } = ours.afterLoss;
    const at = `${String(Math.floor(result.lost.minute / 60)).padStart(2, '0')}:${String(result.lost.minute % 60).padStart(2, '0')}`;
    out.write(
      `\nWithout ${result.lost.region} from ${at} UTC on: ${moved} sessions moved, ${ended} ended, ${refused} refused that day.\n`,
    );
  }
  out.write(
    `\n${'Antipode, by region'.padEnd(22)}   peak${result.lost === null ? '' : '  after the loss'}   capacity\n`,
  );
  for (const { region, peak, peakAfterLoss, capacity } of ours.byRegion) {
    const after = peakAfterLoss === null ? '' : String(peakAfterLoss).padStart(16);
    out.write(`${region.padEnd(22)}${String(peak).padStart(7)}${after}${String(capacity).padStart(11)}\n`);
  }
}
