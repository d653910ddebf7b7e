/** Results for a terminal: a line for each eval, what went wrong under it, and configurations side by side. */
import { type Cell, type Column, tableLines, toned } from '../operate/text-table.ts';
import { type ConfigResult, checkProblems, type EvalResult, hasPassed, passesOf, problemsOf } from './results.ts';

export interface TableOptions {
  readonly width: number | null;
  readonly colors: boolean;
}

/** One configuration's evals, with what went wrong. */
export function resultLines({ results }: ConfigResult, options: TableOptions): string[] {
  const columns: Column[] = [
    { title: 'EVAL', atLeast: 16 },
    { title: 'MODE', dropAs: 1 },
    { title: 'PASSES', right: true },
    { title: 'P50 MS', right: true, dropAs: 3 },
    { title: 'P95 MS', right: true, dropAs: 2 },
    { title: '' },
  ];
  const rows = results.map((result): Cell[] => [
    { text: result.eval.name },
    { text: result.eval.mode, tone: 'quiet' },
    { text: shareOf(result) },
    { text: figure(result.latency.p50Ms) },
    { text: figure(result.latency.p95Ms) },
    verdict(result),
  ]);
  const lines = tableLines(columns, rows, options);
  for (const result of results.filter(({ passed, runs }) => !passed || runs.some((run) => !run.passed))) {
    lines.push('', result.eval.name);
    for (const [index, run] of result.runs.entries()) {
      const which = result.runs.length === 1 ? '' : `run ${index + 1}: `;
      for (const problem of problemsOf(run)) lines.push(toned(`  ${which}${problem}`, 'bad', options.colors));
    }
    for (const problem of checkProblems(result.checks)) lines.push(toned(`  ${problem}`, 'bad', options.colors));
  }
  return lines;
}

/** Configurations beside each other: passes and latencies of each eval. */
export function comparisonLines(configs: readonly ConfigResult[], options: TableOptions): string[] {
  const columns: Column[] = [{ title: 'EVAL', atLeast: 16 }];
  for (const { config } of configs) {
    columns.push({ title: config }, { title: 'P50 MS', right: true }, { title: 'P95 MS', right: true });
  }
  const names = configs[0]?.results ?? [];
  const rows = names.map((first, index): Cell[] => [
    { text: first.eval.name },
    ...configs.flatMap(({ results }): Cell[] => {
      const result = results[index]!;
      return [
        { text: `${shareOf(result)} ${verdict(result).text}`, tone: result.passed ? 'plain' : 'bad' },
        { text: figure(result.latency.p50Ms) },
        { text: figure(result.latency.p95Ms) },
      ];
    }),
  ]);
  return tableLines(columns, rows, options);
}

/** The last line. */
export function summaryLine(configs: readonly ConfigResult[]): string {
  const all = configs.flatMap(({ results }) => results);
  const failed = all.filter(({ passed }) => !passed).length;
  return hasPassed(configs) ? `${all.length} passed` : `${failed} of ${all.length} failed`;
}

function shareOf(result: EvalResult): string {
  return `${passesOf(result)}/${result.runs.length}`;
}

function verdict({ passed }: EvalResult): Cell {
  return passed ? { text: 'passed' } : { text: 'FAILED', tone: 'bad' };
}

function figure(value: number | null): string {
  return value === null ? '-' : value.toFixed(0);
}
