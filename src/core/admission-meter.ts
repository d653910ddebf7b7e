/**
 * What a core measures of itself from one second to the next, for its admission: ticker lateness, late frames of the
 * mouths, and how busy the event loop is. Owns the readings of one interval; judges nothing.
 */
import { type EventLoopUtilization, performance } from 'node:perf_hooks';
import type { LoadSample } from './admission-control.ts';
import type { CoreTotals } from './core-metrics.ts';
import { LatenessRecord } from './lateness-record.ts';

export interface AdmissionMeterOptions {
  totals: Pick<CoreTotals, 'mouthFrames' | 'mouthLateFrames'>;
  /** Since the start of the process. @defaultValue performance.eventLoopUtilization */
  loop?: () => EventLoopUtilization;
}

/** A share of fewer frames is an accident. Few ticks are none: a process that stalls has few. */
const MIN_FRAMES = 100;

export class AdmissionMeter {
  readonly #totals: AdmissionMeterOptions['totals'];
  readonly #loop: () => EventLoopUtilization;
  readonly #lateness = new LatenessRecord();
  #frames: number;
  #lateFrames: number;
  #last: EventLoopUtilization;

  constructor({ totals, loop = () => performance.eventLoopUtilization() }: AdmissionMeterOptions) {
    this.#totals = totals;
    this.#loop = loop;
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
    return {
      sessions,
      latenessP99Ms: count === 0 ? null : p99,
      lateFrameShare: frames < MIN_FRAMES ? null : late / frames,
      utilization: all <= 0 ? 0 : active / all,
    };
  }
}
