/**
 * What a core measures of itself from one second to the next, for its admission: ticker lateness, late frames of the
 * mouths, and how busy it is. Owns the readings of one interval; judges nothing.
 */
import { availableParallelism } from 'node:os';
import { type EventLoopUtilization, performance } from 'node:perf_hooks';
import type { LoadSample } from './admission-control.ts';
import type { CoreTotals } from './core-metrics.ts';
import { LatenessRecord } from './lateness-record.ts';

export interface AdmissionMeterOptions {
  totals: Pick<CoreTotals, 'mouthFrames' | 'mouthLateFrames'>;
  /** Since the start of the process, ms. @defaultValue performance.eventLoopUtilization */
  loop?: () => EventLoopUtilization;
  /** Of all threads of the process since its start, microseconds; media workers are processes of their own. */
  cpu?: () => NodeJS.CpuUsage;
  /** CPUs that the process may use. @defaultValue os.availableParallelism */
  cpus?: number;
}

/** A share of fewer frames is an accident. Few ticks are none: a process that stalls has few. */
const MIN_FRAMES = 100;

export class AdmissionMeter {
  readonly #totals: AdmissionMeterOptions['totals'];
  readonly #loop: () => EventLoopUtilization;
  readonly #cpu: () => NodeJS.CpuUsage;
  readonly #cpus: number;
  readonly #lateness = new LatenessRecord();
  #frames: number;
  #lateFrames: number;
  #last: EventLoopUtilization;
  #cpuMs: number;

  constructor(options: AdmissionMeterOptions) {
    const { totals, loop = () => performance.eventLoopUtilization(), cpu = () => process.cpuUsage() } = options;
    this.#totals = totals;
    this.#loop = loop;
    this.#cpu = cpu;
    this.#cpus = options.cpus ?? availableParallelism();
    this.#cpuMs = inMs(cpu());
    this.#frames = totals.mouthFrames;
    this.#lateFrames = totals.mouthLateFrames;
    this.#last = loop();
  }

  /** The ticker woke up this late. */
  readonly ticked = (latenessMs: number): void => this.#lateness.add(latenessMs);

  /** What was measured since the last call, with the sessions that run now. */
  take(sessions: number): LoadSample {
    const { count, p99 } = this.#lateness.percentiles();
    this.#lateness.clear();
    const { mouthFrames, mouthLateFrames } = this.#totals;
    const frames = mouthFrames - this.#frames;
    const late = mouthLateFrames - this.#lateFrames;
    this.#frames = mouthFrames;
    this.#lateFrames = mouthLateFrames;
    const loop = this.#loop();
    const active = loop.active - this.#last.active;
    const all = active + loop.idle - this.#last.idle;
    this.#last = loop;
    const cpuMs = inMs(this.#cpu());
    const used = cpuMs - this.#cpuMs;
    this.#cpuMs = cpuMs;
    return {
      sessions,
      latenessP99Ms: count === 0 ? null : p99,
      lateFrameShare: frames < MIN_FRAMES ? null : late / frames,
      utilization: all <= 0 ? 0 : Math.min(1, Math.max(active, used / this.#cpus) / all),
    };
  }
}

function inMs({ user, system }: NodeJS.CpuUsage): number {
  return (user + system) / 1_000;
}
