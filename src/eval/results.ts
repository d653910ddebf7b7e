/** What came of evals: the shapes that every kind of report is written from, and what they add up to. */
import { percentile } from '../call/report.ts';
import type { Check, LatencyFigures } from './checks.ts';
import type { CallRecord } from './eval-call.ts';
import type { Eval } from './read-evals.ts';

export interface RunResult {
  readonly passed: boolean;
  readonly checks: readonly Check[];
  readonly record: CallRecord;
}

export interface EvalResult {
  readonly eval: Eval;
  readonly passed: boolean;
  readonly runs: readonly RunResult[];
  /** Of all turns of all runs. */
  readonly latency: LatencyFigures;
  /** What is expected of all runs together. */
  readonly checks: readonly Check[];
}

/** All evals under one configuration. */
export interface ConfigResult {
  /** Its file, or what stands for none. */
  readonly config: string;
  readonly results: readonly EvalResult[];
}

export function latencyOf(records: readonly CallRecord[]): LatencyFigures {
  const values = records.flatMap(({ turns }) =>
    turns.flatMap(({ latencyMs }) => (latencyMs === null ? [] : [latencyMs])),
  );
  return { p50Ms: percentile(values, 0.5), p95Ms: percentile(values, 0.95) };
}

export function passesOf({ runs }: EvalResult): number {
  return runs.filter(({ passed }) => passed).length;
}

/** What went wrong in a run that has not passed, a line each: the failure of the call first. */
export function problemsOf({ passed, record, checks }: RunResult): string[] {
  if (passed) return [];
  const failure = record.failure ? [`${record.failure.code}: ${record.failure.message}`] : [];
  const troubles = record.notices.filter(({ level }) => level !== 'info');
  const told = troubles.map(({ code, text }) => `the agent tells of ${code}: ${text}`);
  return [...failure, ...checkProblems(checks), ...told, ...latenessOf(record)];
}

/** A microphone that is fed later than a frame of it lasts. */
const LATE_MS = 10;

/** A word on a machine that was too busy, whose failures may not be the agent's. */
export function latenessOf({ callerLateMs }: CallRecord): string[] {
  if (callerLateMs === null || callerLateMs < LATE_MS) return [];
  return [`this machine was too busy: it fed the caller's microphone up to ${Math.round(callerLateMs)} ms late (p95)`];
}

export function checkProblems(checks: readonly Check[]): string[] {
  return checks.flatMap(({ path, expected, problem }) =>
    problem === null ? [] : [`${path}: expected ${expected}; ${problem}`],
  );
}

export function hasPassed(configs: readonly ConfigResult[]): boolean {
  return configs.every(({ results }) => results.every(({ passed }) => passed));
}
