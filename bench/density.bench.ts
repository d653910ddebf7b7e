/**
 * How many full-duplex conversations one CPU core carries: a real core process, its media worker and all its threads on
 * one CPU, calls from a fake POP on another. Each call has voice activity, the turn model and Opus both ways; both sides
 * speak 40 % of the time, and the services answer at once. Callers send nothing in silence (DTX), as our page does; the
 * number for callers whose streams never pause is told beside it. A number of calls is carried when 99 of 100 frames of
 * the mouth reach the POP no more than 10 ms after their time and nothing is lost.
 */
import { carryStep, type Step } from './density-step.ts';
import { type BenchOptions, result } from './result.ts';

/** Calls are tried in steps of this many. */
const STEP = 10;
const MOST_CALLS = 200;

/** ANTIPODE_BENCH_DTX=0 with --calls: that one step with callers whose streams never pause. */
const DTX = process.env.ANTIPODE_BENCH_DTX !== '0';

export async function run(options: BenchOptions) {
  const single = options.calls !== undefined;
  const steps = single
    ? [await carryStep(options.calls!, { ...options, dtx: DTX })]
    : await bisected(options, true, MOST_CALLS);
  const best = bestOf(steps) ?? steps.at(-1)!;
  const calls = best.carried ? best.calls : 0;
  const unpaused = single ? [] : await bisected(options, false, Math.max(STEP, calls));
  const profiled = options.profile && !single ? [await carryStep(best.calls, { ...options, dtx: true })] : [];
  const words = (title: string, some: readonly Step[]) =>
    some.map((step) => `${title}, ${step.calls} calls: ${step.because}`);
  return result(
    'density',
    'How many full-duplex calls does one CPU core carry with no frame later than 10 ms at p99?',
    {
      fullDuplexCallsPerCore: calls,
      ...best.figures,
      ...(!single && { neverPausingCallsPerCore: bestOf(unpaused)?.calls ?? 0 }),
    },
    { fullDuplexCallsPerCore: 100 },
    [
      ...words(DTX || !single ? 'DTX' : 'never pausing', steps),
      ...words('never pausing', unpaused),
      ...[...steps, ...unpaused, ...profiled].flatMap(({ notes }) => notes),
    ],
  );
}

function bestOf(steps: readonly Step[]): Step | undefined {
  return steps.filter((step) => step.carried).sort((a, b) => b.calls - a.calls)[0];
}

/** What carries n calls is taken to carry fewer, and what does not to carry no more. */
async function bisected(options: BenchOptions, dtx: boolean, most: number): Promise<Step[]> {
  const steps: Step[] = [];
  let [carried, tooMany] = [0, most / STEP + 1];
  while (tooMany - carried > 1) {
    const middle = Math.floor((carried + tooMany) / 2);
    const step = await carryStep(middle * STEP, { ...options, profile: false, dtx });
    steps.push(step);
    if (step.carried) carried = middle;
    else tooMany = middle;
  }
  return steps;
}
