/** The shape of a benchmark and of its result, and the small arithmetic that they share. */
import { availableParallelism, cpus, totalmem } from 'node:os';

export interface BenchOptions {
  /** Aborted by Ctrl-C: a benchmark then ends what it started. */
  signal: AbortSignal;
  /** Write a CPU profile of the core's main thread, and say where its time goes. */
  profile: boolean;
  /** Write what was measured into the benchmark's own page of the documentation. */
  write?: boolean;
  calls?: number | undefined;
  seconds?: number | undefined;
  runs?: number | undefined;
  progress: (text: string) => void;
}

export interface BenchResult {
  name: string;
  /** What it answers, in one sentence. */
  question: string;
  /** Units are in the names; null where nothing could be measured, which breaks any budget on it. */
  figures: Record<string, number | null>;
  /** Upper bounds on figures of the same name; lower bounds in those whose name ends in PerCore: more is better. */
  budget: Record<string, number>;
  /** What a reader of the figures must know of this run. */
  notes: string[];
  machine: string;
  pass: boolean;
}

export interface BenchModule {
  /** Its own page of the documentation, from the root of the repository, for `--write`. */
  page?: string;
  run(options: BenchOptions): Promise<BenchResult>;
}

export function result(
  name: string,
  question: string,
  figures: Record<string, number | null>,
  budget: Record<string, number>,
  notes: string[] = [],
): BenchResult {
  const pass = Object.entries(budget).every(([figure, bound]) => keeps(figure, figures[figure] ?? null, bound));
  return { name, question, figures, budget, notes, machine: machine(), pass };
}

/** Whether more of a figure is better, so that its budget is the least that it may be. */
export function isFloor(figure: string): boolean {
  return figure.endsWith('PerCore');
}

export function keeps(figure: string, value: number | null, bound: number): boolean {
  return value !== null && (isFloor(figure) ? value >= bound : value <= bound);
}

/** The p-th percentile (0..100) by nearest rank; null of nothing. */
export function percentile(values: readonly number[], p: number): number | null {
  if (values.length === 0) return null;
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil((p / 100) * sorted.length) - 1))] as number;
}

function machine(): string {
  const model = cpus()[0]?.model ?? 'unknown processor';
  return `${availableParallelism()} x ${model}, ${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.version}`;
}
