/**
 * Fifty conversations for a minute, in which the caller's stream never pauses and the agent speaks half of the time: no
 * packet lost, no frame later than 10 ms, and what a call costs at the POP and the core.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { startPair } from './nodes/pair.ts';
import { type BenchOptions, result } from './result.ts';

/** Code is compiled and queues of the start are drained by then. */
const WARM_UP_MS = 10_000;

export async function run({ calls = 50, seconds = 60, progress, signal }: BenchOptions) {
  await using pair = await startPair('bench/agents');
  const idle = await pair.usage();
  progress(`opening ${calls} calls`);
  const callers = await pair.callers(calls, 'talker', false);
  await sleep(WARM_UP_MS, undefined, { signal });
  for (const caller of callers) caller.measureFromNow();
  const before = await pair.usage();
  const beforeMs = performance.now();
  progress(`carrying them for ${seconds} s`);
  await sleep(seconds * 1_000, undefined, { signal });
  const after = await pair.usage();
  const elapsedMs = performance.now() - beforeMs;
  const reports = await Promise.all(callers.map((caller) => caller.stop()));
  const sum = (pick: (report: (typeof reports)[number]) => number) =>
    reports.reduce((total, report) => total + pick(report), 0);
  /** Share of one CPU core that a call takes, percent. */
  const cpu = (node: 'pop' | 'core', of: 'nodeMs' | 'workersMs') =>
    ((after[node][of] - before[node][of]) / elapsedMs / calls) * 100;
  const memory = (node: 'pop' | 'core', of: 'nodeRssBytes' | 'workersRssBytes') =>
    (after[node][of] - idle[node][of]) / calls / 1_024;
  /** What the core itself counted: its frames are due up to 5 ms before their tick, which no caller can tell. */
  const counted = (total: 'mouthLateFrames' | 'mouthUnderruns') => {
    const [from, to] = [before, after].map(({ core }) => (core.stats.totals as Record<string, number>)[total]);
    return from === undefined || to === undefined ? null : to - from;
  };
  return result(
    'carry',
    'What does the server lose and delay at this many calls, and what does a call cost?',
    {
      calls,
      seconds: Math.round(elapsedMs / 1_000),
      sent: sum((report) => report.sent),
      received: sum((report) => report.received),
      silentCalls: reports.filter((report) => report.received === 0).length,
      packetsLost: sum((report) => report.lost),
      packetsDisordered: sum((report) => report.disordered),
      lateFrames: sum((report) => report.late),
      lateFramesSeen: sum((report) => report.lateSeen),
      worstLatenessMs: Math.max(...reports.map((report) => report.worstMs)),
      mouthLateFrames: counted('mouthLateFrames'),
      mouthUnderruns: counted('mouthUnderruns'),
      loadSendLateMs: Math.max(...reports.map((report) => report.sendLateMs)),
      popNodeCpuPercentPerCall: cpu('pop', 'nodeMs'),
      popWorkerCpuPercentPerCall: cpu('pop', 'workersMs'),
      coreNodeCpuPercentPerCall: cpu('core', 'nodeMs'),
      coreWorkerCpuPercentPerCall: cpu('core', 'workersMs'),
      popMemoryKibPerCall: memory('pop', 'nodeRssBytes') + memory('pop', 'workersRssBytes'),
      coreMemoryKibPerCall: memory('core', 'nodeRssBytes') + memory('core', 'workersRssBytes'),
    },
    { packetsLost: 0, lateFrames: 0, mouthUnderruns: 0, silentCalls: 0 },
  );
}
