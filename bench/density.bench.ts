/**
 * How many full-duplex conversations one CPU core carries: a real core process, its media worker and all its threads on
 * one CPU, calls from a fake POP on another. Each call has voice activity, the turn model, Opus both ways and a caller
 * whose stream never pauses; both sides speak 40 % of the time, and the services answer at once. A number of calls is
 * carried when 99 of 100 frames of the mouth reach the POP no more than 10 ms after their time and nothing is lost.
 */
import { carryStep, type Step } from './density-step.ts';
import { type BenchOptions, result } from './result.ts';

/** Calls are tried in steps of this many. */
const STEP = 10;
const MOST_CALLS = 200;

export async function run(options: BenchOptions) {
  const steps = options.calls === undefined ? await bisected(options) : [await carryStep(options.calls, options)];
  const carried = steps.filter((step) => step.carried).sort((a, b) => b.calls - a.calls);
  const best = carried[0] ?? steps.at(-1)!;
  const profiled =
    options.profile && options.calls === undefined ? await carryStep(best.calls, options) : { notes: [] };
  return result(
    'density',
    'How many full-duplex calls does one CPU core carry with no frame later than 10 ms at p99?',
    { fullDuplexCallsPerCore: best.carried ? best.calls : 0, ...best.figures },
    { fullDuplexCallsPerCore: 100 },
    [
      ...steps.map(({ calls, because }) => `${calls} calls: ${because}`),
      ...steps.flatMap(({ notes }) => notes),
      ...profiled.notes,
    ],
  );
}

/** What carries n calls is taken to carry fewer, and what does not to carry no more. */
async function bisected(options: BenchOptions): Promise<Step[]> {
  const steps: Step[] = [];
  let [carried, tooMany] = [0, MOST_CALLS / STEP + 1];
  while (tooMany - carried > 1) {
    const middle = Math.floor((carried + tooMany) / 2);
    const step = await carryStep(middle * STEP, { ...options, profile: false });
    steps.push(step);
    if (step.carried) carried = middle;
    else tooMany = middle;
  }
  return steps;
}
