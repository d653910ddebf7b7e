/**
 * Whether a call was as expected: pure, from what is written down of it. Owns the words of each disappointment. What needs
 * others to be asked (sounds, a judge) is asked before and comes in.
 */
import type { CallRecord, ToolUse } from './eval-call.ts';
import type { CallExpectation, ToolsExpectation, TurnExpectation } from './schema.ts';

/** Something that was expected, and what came instead; null when it came. */
export interface Check {
  /** Where it is expected, such as `turns.1.contains`. */
  readonly path: string;
  /** What was expected, for people. */
  readonly expected: string;
  readonly problem: string | null;
}

interface Words {
  readonly contains?: readonly string[] | undefined;
  readonly matches?: readonly string[] | undefined;
  readonly not?: readonly string[] | undefined;
}

/** @param turn from 1, as in the record */
export function checkTurn(expect: TurnExpectation, record: CallRecord, turn: number): Check[] {
  const path = `turns.${turn - 1}`;
  const held = record.turns[turn - 1];
  if (held === undefined) return [{ path, expected: 'the turn is held', problem: 'the call was over before it' }];
  const checks = [...checkWords(expect, answerOf(record, turn), path)];
  if (expect.tools) checks.push(...checkTools(expect.tools, inTurn(record.tools, turn), `${path}.tools`));
  if (expect.withinMs !== undefined) {
    checks.push(atMost(`${path}.withinMs`, 'the answer begins', held.latencyMs, expect.withinMs));
  }
  if (expect.silentWithinMs !== undefined) {
    checks.push(atMost(`${path}.silentWithinMs`, 'the agent is silent', held.silentAfterMs, expect.silentWithinMs));
  }
  return checks;
}

export function checkCall(expect: CallExpectation, record: CallRecord): Check[] {
  const said = record.lines.flatMap(({ role, text }) => (role === 'agent' ? [text] : [])).join(' ');
  const checks = checkWords(expect, said, 'call');
  if (expect.inOrder) checks.push(inOrder(expect.inOrder, said));
  if (expect.tools) checks.push(...checkTools(expect.tools, record.tools, 'call.tools'));
  if (expect.endedBy !== undefined) {
    const problem = record.endedBy === expect.endedBy ? null : `it was ended by ${record.endedBy ?? 'a failure'}`;
    checks.push({ path: 'call.endedBy', expected: `the ${expect.endedBy} hangs up`, problem });
  }
  return checks;
}

/** Latencies over all repeats. */
export function checkLatency(latency: NonNullable<CallExpectation['latency']>, figures: LatencyFigures): Check[] {
  const checks: Check[] = [];
  for (const key of ['p50Ms', 'p95Ms'] as const) {
    const budget = latency[key];
    if (budget === undefined) continue;
    checks.push(atMost(`call.latency.${key}`, `${key.slice(0, 3)} of the answers begin`, figures[key], budget));
  }
  return checks;
}

export interface LatencyFigures {
  readonly p50Ms: number | null;
  readonly p95Ms: number | null;
}

/** The agent's words to a turn. */
export function answerOf({ lines }: Pick<CallRecord, 'lines'>, turn: number): string {
  const answers = lines.filter((line) => line.role === 'agent' && line.turn === turn && line.text !== '');
  return answers.map(({ text }) => text).join(' ');
}

function checkWords({ contains = [], matches = [], not = [] }: Words, said: string, path: string): Check[] {
  const plain = plainOf(said);
  const heard = `the agent said ${quoted(said)}`;
  return [
    ...contains.map((words) => ({
      ...{ path: `${path}.contains`, expected: quoted(words) },
      problem: plain.includes(plainOf(words)) ? null : heard,
    })),
    ...matches.map((source) => ({
      ...{ path: `${path}.matches`, expected: `/${source}/` },
      problem: new RegExp(source, 'iu').test(said) ? null : heard,
    })),
    ...not.map((words) => ({
      ...{ path: `${path}.not`, expected: `not ${quoted(words)}` },
      problem: plain.includes(plainOf(words)) ? heard : null,
    })),
  ];
}

function inOrder(wanted: readonly string[], said: string): Check {
  const plain = plainOf(said);
  let from = 0;
  let problem: string | null = null;
  for (const words of wanted) {
    const at = plain.indexOf(plainOf(words), from);
    if (at < 0) {
      problem = `${quoted(words)} does not come ${from === 0 ? 'at all' : 'after that'}: the agent said ${quoted(said)}`;
      break;
    }
    from = at + plainOf(words).length;
  }
  return { path: 'call.inOrder', expected: wanted.map(quoted).join(', then '), problem };
}

function checkTools(expect: ToolsExpectation, used: readonly ToolUse[], path: string): Check[] {
  const { called = [], notCalled = [], inOrder: ordered = false, atMost: most } = expect;
  const were = used.length === 0 ? 'no tool was called' : `called were ${used.map(toolWords).join(', ')}`;
  const checks: Check[] = [];
  let from = 0;
  for (const [index, each] of called.entries()) {
    const wanted = typeof each === 'string' ? { name: each } : each;
    const fits = (use: ToolUse) => use.name === wanted.name && fitsArguments(wanted.arguments, use.arguments);
    const candidates = ordered ? used.slice(from) : used;
    const at = candidates.findIndex(fits);
    const times = used.filter(fits).length;
    const wrongTimes = wanted.times !== undefined && times !== wanted.times;
    const expected = `${wanted.name}${wanted.arguments ? ` with ${JSON.stringify(wanted.arguments)}` : ''}`;
    const often = wanted.times === undefined ? '' : `, ${wanted.times} times`;
    const after = ordered && index > 0 ? ' after the one before' : '';
    const missed = at < 0 || wrongTimes;
    checks.push({
      path: `${path}.called.${index}`,
      expected: `${expected}${often}${after}`,
      problem: missed ? were : null,
    });
    if (ordered && at >= 0) from += at + 1;
  }
  for (const name of notCalled) {
    const problem = used.some((use) => use.name === name) ? were : null;
    checks.push({ path: `${path}.notCalled`, expected: `${name} is not called`, problem });
  }
  if (most !== undefined) {
    const problem = used.length > most ? were : null;
    checks.push({ path: `${path}.atMost`, expected: `at most ${most} calls of tools`, problem });
  }
  return checks;
}

/** Whether all that is wanted is there; `/text/` is a regular expression. */
export function fitsArguments(wanted: unknown, given: unknown): boolean {
  if (wanted === undefined) return true;
  if (typeof wanted === 'string' && typeof given === 'string') {
    const source = /^\/(.+)\/$/.exec(wanted)?.[1];
    return source === undefined ? wanted === given : new RegExp(source, 'iu').test(given);
  }
  if (Array.isArray(wanted)) {
    return (
      Array.isArray(given) &&
      wanted.length === given.length &&
      wanted.every((each, at) => fitsArguments(each, given[at]))
    );
  }
  if (typeof wanted !== 'object' || wanted === null) return wanted === given;
  if (typeof given !== 'object' || given === null || Array.isArray(given)) return false;
  return Object.entries(wanted).every(
    ([key, value]) => Object.hasOwn(given, key) && fitsArguments(value, (given as Record<string, unknown>)[key]),
  );
}

function atMost(path: string, what: string, value: number | null, budget: number): Check {
  const expected = `${what} within ${budget} ms`;
  if (value === null) return { path, expected, problem: 'it never came' };
  return { path, expected, problem: value <= budget ? null : `it took ${Math.round(value)} ms` };
}

function inTurn(tools: readonly ToolUse[], turn: number): ToolUse[] {
  return tools.filter((use) => use.turn === turn);
}

function toolWords({ name, arguments: given, outcome }: ToolUse): string {
  return `${name}(${given === undefined ? '' : JSON.stringify(given)})${outcome === 'ok' ? '' : ` [${outcome}]`}`;
}

/** As words are compared: no capitals, one blank between. */
function plainOf(text: string): string {
  return text.toLowerCase().replace(/\s+/g, ' ').trim();
}

function quoted(text: string): string {
  return text === '' ? 'nothing' : `"${text}"`;
}
