/**
 * How long a million simulated sessions take: what `antipode placement simulate` does by default, four rules side by
 * side and the day with a lost region besides, then its report.
 */
import { DEFAULT_POLICY } from '../src/placement/policy.ts';
import { reportPage } from '../src/placement/simulate/report/page.ts';
import { defaultScenario } from '../src/placement/simulate/scenario.ts';
import { simulate } from '../src/placement/simulate/simulate.ts';
import { type BenchOptions, result } from './result.ts';

const SESSIONS = 1_000_000;
const MEAN_MINUTES = 4;

export async function run({ progress, signal }: BenchOptions) {
  const startedMs = performance.now();
  const cpu = process.cpuUsage();
  let shown = 0;
  const day = await simulate({
    scenario: defaultScenario({ sessions: SESSIONS, meanMinutes: MEAN_MINUTES }),
    policy: DEFAULT_POLICY,
    sessions: SESSIONS,
    seed: 1,
    meanMinutes: MEAN_MINUTES,
    lost: { region: 'busiest', minute: 'peak' },
    signal,
    progress: (done) => {
      const percent = Math.floor((done / SESSIONS) * 10) * 10;
      if (percent === shown) return;
      shown = percent;
      progress(`${percent} %`);
    },
  });
  const page = reportPage(day);
  const { user, system } = process.cpuUsage(cpu);
  const wallSeconds = (performance.now() - startedMs) / 1_000;
  const cpuSeconds = (user + system) / 1e6;
  const sums = day.rules.map(({ placed, refused }) => placed + refused);
  return result(
    'simulate',
    'How long do a million simulated sessions take, under four rules and with a lost region besides?',
    {
      sessions: SESSIONS,
      wallSeconds,
      cpuSeconds,
      placements: SESSIONS * day.rules.length + day.rules.reduce((sum, each) => sum + (each.afterLoss?.moved ?? 0), 0),
      unaccounted: Math.max(...sums.map((sum) => Math.abs(sum - SESSIONS))),
      memoryMiB: process.memoryUsage().rss / 2 ** 20,
      reportKiB: page.length / 1_024,
    },
    { wallSeconds: 60, cpuSeconds: 60, unaccounted: 0 },
    [
      'One thread; cpuSeconds counts the garbage collector’s too, and is what the machine’s other work does not change.',
      'placements: without those of the day’s other half after the loss, which are about as many again.',
    ],
  );
}
