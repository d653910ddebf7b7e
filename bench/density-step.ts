/**
 * One step of `density`: so many calls carried for a while, and whether they were. `carryStep` measures, `judgeStep` is
 * the pure judgment of what was measured.
 */
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { FakePopReport } from './fake-pop/messages.ts';
import type { ConverserMetadata } from './nodes/converser-metadata.ts';
import { CORE_CPU, CoreUnderLoad } from './nodes/core-under-load.ts';
import { type CpuTimes, cpuTimes } from './nodes/cpu-times.ts';
import type { NodeUsage } from './nodes/messages.ts';
import { profileSummary } from './nodes/profile-summary.ts';
import type { BenchOptions } from './result.ts';

export interface StepOptions extends BenchOptions {
  /** Callers send nothing in silence, as the page does. */
  dtx: boolean;
}

export interface Step {
  calls: number;
  carried: boolean;
  /** Why, or why not, in words. */
  because: string;
  figures: Record<string, number | null>;
  notes: string[];
}

/** What was measured of a step, from `before` to `after`. */
export interface Measured {
  calls: number;
  elapsedMs: number;
  idle: NodeUsage;
  before: NodeUsage;
  after: NodeUsage;
  /** Of the core's CPU meanwhile, its own work included; null where it is not told. */
  cpu: CpuTimes | null;
  report: FakePopReport;
  /** Why there is no turn model, for people; null when there is one. */
  noTurnModel: string | null;
}

/** Code is compiled, every caller has had a turn, and the queues of the start are drained by then. */
const WARM_UP_MS = 12_000;
const MAX_LATE_MS = 10;
/** Of the questions to the turn model: a core that ends its turns by silence for want of CPU does not carry them. */
const MAX_UNANSWERED = 0.01;
/** Interrupts are in it: some of this is the network's work for the core. */
const MAX_FOREIGN_PERCENT = 8;
/** What sounds of test/audio/book-table.wav, and as long an answer: 40 % each of the cycle. */
const SPEECH_MS = 3_260;
const CYCLE_MS = SPEECH_MS / 0.4;
/** The whole of that recording. */
const RECORDING_MS = 3_675;
const END_SILENCE_MS = 500;
const DEFAULT_SECONDS = 40;
/** Longer than a cycle: every agent has something to say in it. */
const MIN_SECONDS = Math.ceil(CYCLE_MS / 1_000) + 1;
const PROFILE_LINES = 25;

/** @throws when the processes do not start, and the signal's reason; calls that a core refuses make a step that failed */
export async function carryStep(calls: number, options: StepOptions): Promise<Step> {
  const { profile, progress, signal, dtx } = options;
  const seconds = Math.max(options.seconds ?? DEFAULT_SECONDS, MIN_SECONDS);
  progress(`${calls} calls: opening`);
  await using load = await CoreUnderLoad.start({ pinned: true, quiet: true });
  const idle = await load.usage();
  const metadata: ConverserMetadata = {
    replyMs: SPEECH_MS,
    endSilenceMs: END_SILENCE_MS,
    smartTurn: true,
    greets: false,
  };
  const script = [{ say: 'book-table' }, { silenceMs: CYCLE_MS - RECORDING_MS }] as const;
  try {
    await load.open({ calls, agent: 'converser', metadata: { ...metadata }, script, dtx });
  } catch (error) {
    const because = `the calls could not be opened (${(error as Error).message})`;
    return { calls, carried: false, because, figures: { calls }, notes: [] };
  }
  progress(`${calls} calls: warming up`);
  await sleep(WARM_UP_MS, undefined, { signal });
  const told = (await load.report()).calls.flatMap((log) => log.told);
  const noTurnModel = told.find(({ name }) => name === 'no-turn-model');
  if (profile) await load.core.ask({ type: 'profile' });
  await load.measure();
  const cpuBefore = await cpuTimes(CORE_CPU);
  const before = await load.usage();
  const beforeMs = performance.now();
  progress(`${calls} calls: carrying them for ${seconds} s`);
  await sleep(seconds * 1_000, undefined, { signal });
  const after = await load.usage();
  const elapsedMs = performance.now() - beforeMs;
  const cpuAfter = await cpuTimes(CORE_CPU);
  const step = judgeStep({
    calls,
    elapsedMs,
    idle,
    before,
    after,
    cpu: cpuBefore && cpuAfter && difference(cpuBefore, cpuAfter),
    report: await load.report(),
    noTurnModel: noTurnModel ? String(noTurnModel.data) : null,
  });
  if (profile) step.notes.push(...(await profileOf(load, calls)));
  progress(`${calls} calls: ${step.because}`);
  return step;
}

export function judgeStep(measured: Measured): Step {
  const { calls, elapsedMs, idle, before, after, report, noTurnModel } = measured;
  const { calls: logs, lateness, latenessSeen } = report;
  const percent = (ms: number) => (ms / elapsedMs) * 100;
  const sum = (pick: (log: (typeof logs)[number]) => number) => logs.reduce((total, log) => total + pick(log), 0);
  const lost = sum((log) => log.lost);
  const unsent = sum((log) => log.unsent);
  const silent = logs.filter((log) => log.received === 0 || log.ended !== null).length;
  const uplinkLost =
    total(after, 'earLost') + total(after, 'earLate') - total(before, 'earLost') - total(before, 'earLate');
  const unanswered = after.turnModel.unanswered - before.turnModel.unanswered;
  const asked = after.turnModel.answered - before.turnModel.answered + unanswered;
  const { p99Ms } = lateness;
  const faults = [
    p99Ms === null ? 'nothing came' : null,
    p99Ms !== null && p99Ms > MAX_LATE_MS ? `p99 ${p99Ms.toFixed(1)} ms late` : null,
    lost > 0 ? `${lost} frames lost` : null,
    uplinkLost > 0 ? `${uplinkLost} packets of callers lost` : null,
    unanswered > asked * MAX_UNANSWERED ? `the turn model left ${unanswered} of ${asked} turns unanswered` : null,
    silent > 0 ? `${silent} calls silent` : null,
  ].filter((fault) => fault !== null);
  const threads = Object.fromEntries(
    Object.entries(after.threadsMs).map(([name, ms]) => [name, percent(ms - (before.threadsMs[name] ?? 0))]),
  );
  const foreign = foreignPercent(measured, threads);
  const stolen = measured.cpu && percent(measured.cpu.stolenMs);
  const verdict = faults.length === 0 ? `carried, p99 ${p99Ms?.toFixed(1)} ms` : faults.join(', ');
  return {
    calls,
    carried: faults.length === 0,
    because: `${verdict}; ${cpuWords(threads)}`,
    figures: {
      calls,
      seconds: Math.round(elapsedMs / 1_000),
      latenessP50Ms: lateness.p50Ms,
      latenessP99Ms: p99Ms,
      latenessMaxMs: lateness.maxMs,
      latenessSeenP99Ms: latenessSeen.p99Ms,
      latenessSeenMaxMs: latenessSeen.maxMs,
      frames: lateness.frames,
      framesLost: lost,
      framesDisordered: sum((log) => log.disordered),
      callerPacketsLost: uplinkLost,
      silentCalls: silent,
      agentTalkPercent: percent(lateness.frames * 20) / calls,
      turnModelAsked: asked,
      turnModelUnanswered: unanswered,
      mainThreadCpuPercent: threads.MainThread ?? null,
      mediaWorkerCpuPercent: threads['media-worker'] ?? null,
      turnModelCpuPercent: threads['smart-turn'] ?? null,
      otherThreadsCpuPercent: others(threads),
      voiceActivityRunsPercent: percent(after.vadMs - before.vadMs),
      foreignCpuPercent: foreign,
      stolenCpuPercent: stolen,
      memoryKibPerCall: (rss(after) - rss(idle)) / calls / 1_024,
      loadCpuPercent: report.cpuPercent,
      loadSendLateMs: Math.max(...logs.map((log) => log.sendLateMs)),
      loadUnsent: unsent,
      strayPackets: report.strays,
    },
    notes: [
      noTurnModel === null ? null : `Without the turn model: ${noTurnModel}`,
      unsent > 0 ? `The load stalled and left out ${unsent} packets at ${calls} calls: do not trust that step.` : null,
      (foreign ?? 0) + (stolen ?? 0) > MAX_FOREIGN_PERCENT
        ? `Others took ${foreign?.toFixed(0)} % of the core's CPU, and the hypervisor ${stolen?.toFixed(0)} %, at ${calls} calls: do not trust that step.`
        : null,
    ].filter((note) => note !== null),
  };
}

async function profileOf(load: CoreUnderLoad, calls: number): Promise<string[]> {
  const file = join(tmpdir(), `antipode-density-${calls}.cpuprofile`);
  await load.core.ask({ type: 'profiled', file });
  const title = `Where the core's main thread was, percent of the time, waiting for the CPU included (${file}):`;
  return [title, ...(await profileSummary(file, PROFILE_LINES))];
}

function difference(from: CpuTimes, to: CpuTimes): CpuTimes {
  return { busyMs: to.busyMs - from.busyMs, stolenMs: to.stolenMs - from.stolenMs };
}

/** What was not the core's own on its CPU. */
function foreignPercent({ cpu, elapsedMs }: Measured, threads: Record<string, number>): number | null {
  if (cpu === null) return null;
  const own = Object.values(threads).reduce((all, value) => all + value, 0);
  return Math.max(0, (cpu.busyMs / elapsedMs) * 100 - own);
}

/** What the core itself counted since its start. */
function total({ stats }: NodeUsage, name: string): number {
  return (stats.totals as Record<string, number>)[name] ?? 0;
}

function rss({ nodeRssBytes, workersRssBytes }: NodeUsage): number {
  return nodeRssBytes + workersRssBytes;
}

const NAMED = ['MainThread', 'media-worker', 'smart-turn'];

function others(threads: Record<string, number>): number {
  return Object.entries(threads).reduce((all, [name, value]) => (NAMED.includes(name) ? all : all + value), 0);
}

/** Threads that take half a percent or more, by name. */
function cpuWords(threads: Record<string, number>): string {
  const parts = Object.entries(threads)
    .filter(([, value]) => value >= 0.5)
    .sort(([, a], [, b]) => b - a);
  return `CPU ${parts.map(([name, value]) => `${name} ${value.toFixed(1)} %`).join(', ')}`;
}
