/** The shape of a benchmark and of its result, and the small arithmetic that they share. */
import { availableParallelism, cpus, totalmem } from 'node:os';

export interface BenchOptions {
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
  /** Upper bounds on figures of the same name. */
  budget: Record<string, number>;
  machine: string;
  pass: boolean;
}

export interface BenchModule {
  run(options: BenchOptions): Promise<BenchResult>;
}

export function result(
  name: string,
  question: string,
  figures: Record<string, number | null>,
  budget: Record<string, number>,
): BenchResult {
  const pass = Object.entries(budget).every(([figure, bound]) => {
    const value = figures[figure];
    return value !== null && value !== undefined && value <= bound;
  });
  return { name, question, figures, budget, machine: machine(), pass };
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
