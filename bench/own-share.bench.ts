/**
 * Our own share of a one-way trip: a caller's sound at the POP's socket to the same sound back at it, through pipe, ear,
 * echo agent, mouth and pipe. The frame's own 20 ms are not in it; what the codecs hold back is. All callers are live;
 * five of them are measured, so that the load generator's own work stays small beside the server's.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { startPair } from './nodes/pair.ts';
import { type BenchOptions, percentile, result } from './result.ts';

/** Code is compiled and queues of the start are drained by then. */
const WARM_UP_MS = 10_000;

export async function run({ calls = 50, seconds = 30, progress, signal }: BenchOptions) {
  await using pair = await startPair();
  progress(`opening ${calls} calls`);
  const measured = await pair.callers(Math.min(5, calls), 'echo', true);
  const others = await pair.callers(Math.max(0, calls - measured.length), 'echo', false);
  await sleep(WARM_UP_MS, undefined, { signal });
  for (const caller of [...measured, ...others]) caller.measureFromNow();
  progress(`measuring for ${seconds} s`);
  await sleep(seconds * 1_000, undefined, { signal });
  const reports = await Promise.all([...measured, ...others].map((caller) => caller.stop()));
  const trips = reports.flatMap((report) => report.tripsMs);
  const heard = reports.filter((report) => report.received > 0).length;
  return result(
    'own-share',
    'How long does a caller’s sound take from the POP’s socket through the echo agent and back to it?',
    {
      calls,
      silentCalls: calls - heard,
      tripsMeasured: trips.length,
      p50Ms: percentile(trips, 50),
      p95Ms: percentile(trips, 95),
      p99Ms: percentile(trips, 99),
      maxMs: percentile(trips, 100),
      loadSendLateMs: Math.max(...reports.map((report) => report.sendLateMs)),
    },
    { p50Ms: 10, p99Ms: 30, silentCalls: 0 },
  );
}
