/**
 * What a core at its limit does to the calls that it has when as many again ask: a real core process on one CPU finds its
 * own limit, then twice that is offered for a while through the HTTP door of a POP, each caller who is refused coming back
 * when Retry-After says. Lateness of the running calls' frames before and meanwhile, and how long a refusal takes.
 * Conversations are those of `density` without the turn model and with longer silences, each side speaking a third of
 * the time: an answer that began too soon and was taken back would look like a late one.
 */
import { execFileSync } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Offered } from './fake-pop/messages.ts';
import type { ConverserMetadata } from './nodes/converser-metadata.ts';
import { CoreUnderLoad } from './nodes/core-under-load.ts';
import { type Answered, OfferedDoor } from './nodes/offered-door.ts';
import { type BenchOptions, percentile, result } from './result.ts';

const AGENT = 'converser';
const SPEECH_MS = 3_260;
/** So long that an answer which comes late is over before the caller speaks again: a mouth that is paused is not late. */
const CYCLE_MS = 10_000;
const RECORDING_MS = 3_675;
const METADATA: ConverserMetadata = { replyMs: SPEECH_MS, endSilenceMs: 800, smartTurn: false, greets: false };
const CALL = {
  agent: AGENT,
  metadata: { ...METADATA },
  script: [{ say: 'book-table' }, { silenceMs: CYCLE_MS - RECORDING_MS }],
  dtx: true,
} as const;

/** While the core finds its limit, this many ask in a second. */
const FILL_PER_SECOND = 10;
const MOST_FILL_MS = 60_000;
/** Nobody was let in for so long: the limit is found. */
const FULL_MS = 8_000;
/** The last who were let in have had a turn by then. */
const WARM_UP_MS = 10_000;
const BASELINE_MS = 10_000;
const DEFAULT_SECONDS = 25;
const ANNOUNCE_MS = 500;
const DEFAULT_RETRY_MS = 5_000;

type Stats = {
  sessions: number;
  capacity: { sessions: number; reserved: number };
  load: { utilization: number; latenessP99Ms: number | null };
};

/** What came of those who asked. */
interface Asked {
  admitted: number;
  refusedAtDoor: Answered[];
  refusedByCore: Offered[];
}

export async function run({ seconds = DEFAULT_SECONDS, calls, progress, signal }: BenchOptions) {
  const settings = { 'core.capacity': calls ?? 'auto' };
  await using load = await CoreUnderLoad.start({ pinned: true, quiet: true, settings });
  const cpus = availableParallelism();
  // The door is no part of the core: it runs beside the load.
  runOn('1');
  await using door = await OfferedDoor.start(AGENT);
  const announcing = new AbortController();
  const announced = announce(load, door, announcing.signal);
  try {
    progress('finding the limit');
    const filled = await fill(load, door, signal);
    const running = (await statsOf(load)).sessions;
    progress(`${running} calls: how late they are when nobody asks`);
    await sleep(WARM_UP_MS, undefined, { signal });
    await load.measure();
    await sleep(BASELINE_MS, undefined, { signal });
    const before = await load.report();
    progress(`${running} calls: as many again ask for ${seconds} s`);
    await load.measure();
    const asked = await overload(load, door, running, seconds * 1_000, signal);
    const after = await load.report();
    const { sessions, capacity, load: busy } = await statsOf(load);
    const refusals = asked.refusedAtDoor.map(({ tookMs }) => tookMs);
    const coreRefusals = [...filled.refusedByCore, ...asked.refusedByCore].map(({ tookMs }) => tookMs);
    const change = ratio(after.lateness.p99Ms, before.lateness.p99Ms);
    const told = asked.refusedAtDoor.filter(({ retryAfterMs, elsewhere }) => retryAfterMs !== null && elsewhere).length;
    runOn(`0-${cpus - 1}`);
    return result(
      'overload',
      'Do calls that run stay on time when as many again ask, and how soon are those refused?',
      {
        callsRunning: running,
        callsOffered: running,
        seconds,
        admittedMeanwhile: asked.admitted,
        callsAfter: sessions,
        limitAfter: capacity.sessions,
        busyPercentAfter: busy.utilization * 100,
        latenessBeforeP50Ms: before.lateness.p50Ms,
        latenessBeforeP99Ms: before.lateness.p99Ms,
        latenessMeanwhileP50Ms: after.lateness.p50Ms,
        latenessMeanwhileP99Ms: after.lateness.p99Ms,
        latenessGrewPercent: change,
        framesLost: after.calls.reduce((sum, log) => sum + log.lost, 0),
        callsCut: after.calls.filter(({ ended }) => ended !== null).length,
        refusals: refusals.length,
        refusalsWithoutAnotherPop: refusals.length - told,
        refusalP50Ms: percentile(refusals, 50),
        refusalP99Ms: percentile(refusals, 99),
        refusalMaxMs: percentile(refusals, 100),
        refusalsByCore: coreRefusals.length,
        refusalByCoreMaxMs: percentile(coreRefusals, 100),
      },
      { latenessGrewPercent: 20, refusalP99Ms: 50, framesLost: 0, callsCut: 0, refusalsWithoutAnotherPop: 0 },
      refusals.length === 0 ? ['Nobody was refused: the core was not at its limit.'] : [],
    );
  } finally {
    announcing.abort();
    await announced;
  }
}

/** This process and all its threads. */
function runOn(cpus: string): void {
  execFileSync('taskset', ['-apc', cpus, String(process.pid)], { stdio: 'ignore' });
}

/** Tells the door what the core says of itself, as a node's announcements do. */
async function announce(load: CoreUnderLoad, door: OfferedDoor, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const { capacity, sessions } = await statsOf(load);
    await door.announce(capacity, sessions);
    await sleep(ANNOUNCE_MS, undefined, { signal }).catch(() => undefined);
  }
}

async function fill(load: CoreUnderLoad, door: OfferedDoor, signal: AbortSignal): Promise<Asked> {
  const asked: Asked = { admitted: 0, refusedAtDoor: [], refusedByCore: [] };
  const startedMs = performance.now();
  let admittedMs = startedMs;
  for (;;) {
    const nowMs = performance.now();
    if (nowMs - startedMs > MOST_FILL_MS || nowMs - admittedMs > FULL_MS) return asked;
    if ((await askOnce(load, door, asked)) === null) admittedMs = performance.now();
    await sleep(1_000 / FILL_PER_SECOND, undefined, { signal });
  }
}

/** `callers` ask over the whole time, each again when it was told to. */
async function overload(load: CoreUnderLoad, door: OfferedDoor, callers: number, forMs: number, signal: AbortSignal) {
  const asked: Asked = { admitted: 0, refusedAtDoor: [], refusedByCore: [] };
  const endMs = performance.now() + forMs;
  const caller = async (index: number) => {
    await sleep((index / callers) * Math.min(forMs, DEFAULT_RETRY_MS), undefined, { signal });
    while (performance.now() < endMs) {
      const againMs = await askOnce(load, door, asked);
      if (againMs === null) return;
      await sleep(Math.min(againMs, Math.max(0, endMs - performance.now())), undefined, { signal });
    }
  };
  await Promise.all(Array.from({ length: callers }, (_, index) => caller(index)));
  return asked;
}

/** Milliseconds after which to ask again; null when it was let in. */
async function askOnce(load: CoreUnderLoad, door: OfferedDoor, asked: Asked): Promise<number | null> {
  const answer = await door.ask();
  if (answer.sessionId === null) {
    asked.refusedAtDoor.push(answer);
    return answer.retryAfterMs ?? DEFAULT_RETRY_MS;
  }
  const offered = await load.pop.ask<Offered>({ type: 'offer', ...CALL });
  if (offered.refused === null) {
    asked.admitted += 1;
    return null;
  }
  asked.refusedByCore.push(offered);
  await door.end(answer.sessionId);
  return DEFAULT_RETRY_MS;
}

async function statsOf(load: CoreUnderLoad): Promise<Stats> {
  return (await load.usage()).stats as Stats;
}

function ratio(after: number | null, before: number | null): number | null {
  return after === null || before === null || before === 0 ? null : Math.max(0, (after / before - 1) * 100);
}
