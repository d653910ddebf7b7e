/**
 * How many sessions a core may hold, from what it measures of itself: a pure step from one second's measurements to the
 * next limit. Owns the rule and its figures; measures nothing and refuses nobody.
 *
 * The rule is additive increase, multiplicative decrease, with a gate before it:
 * - Strained for `STRAINED_SAMPLES` seconds in a row, the gate closes: no new session beyond `minSessions`. The limit comes
 *   down towards `DECREASE` of what runs, at most once in `SETTLE_SAMPLES`. Sessions that run are never ended.
 * - Calm for `CALM_SAMPLES` seconds in a row, the gate opens. Calm is well below strained, and what is between the two
 *   changes little: that is the hysteresis. A machine that is never calm would stay closed for ever, so `EASED_SAMPLES`
 *   without strain open the gate too, and `PROBE_SAMPLES` raise the limit by the least.
 * - Open and calm, with much of the limit used, the limit grows: by a quarter until the first strain, by a twentieth after
 *   it, never beyond what there is time for at the present cost of a session.
 */

/** What was measured in one interval, of about a second. */
export interface LoadSample {
  /** Sessions that ran at its end. */
  readonly sessions: number;
  /** 99th percentile of how late the 20 ms ticker woke up; null when it did not run. */
  readonly latenessP99Ms: number | null;
  /** Share of the mouths' frames that left more than 10 ms after they were due; null when too few did. */
  readonly lateFrameShare: number | null;
  /**
   * Share of the time in which the event loop had work, or of its CPUs that the process used, whichever is more: 0 to 1.
   */
  readonly utilization: number;
}

export interface AdmissionSettings {
  /** Up to these it takes sessions however late it is: what so few sessions suffer is not their doing. */
  readonly minSessions: number;
  /** The limit never goes above. */
  readonly maxSessions: number;
  /** Later than this at p99 is strained; half of it is calm. */
  readonly latenessTargetMs: number;
  /** Busier than this is strained; nine tenths of it is calm. */
  readonly utilizationTarget: number;
}

export type LoadVerdict = 'calm' | 'between' | 'strained';

export interface AdmissionState {
  /** Sessions that this core may hold while the gate is open. */
  readonly limit: number;
  /** Closed: no new session but the fewest, until it is calm. */
  readonly open: boolean;
  /** Whether its sessions ever strained it: growth is careful from then on. */
  readonly strainedOnce: boolean;
  /** The verdict of the last sample, and how many in a row had it. */
  readonly verdict: LoadVerdict;
  readonly inARow: number;
  /** Samples since the last strained one, or since the limit was raised for want of strain. */
  readonly eased: number;
  /** Samples until the limit may move again. */
  readonly settling: number;
}

/** A limit to begin with; measurements move it from there. */
const START_SESSIONS = 64;
const STRAINED_SAMPLES = 2;
const CALM_SAMPLES = 2;
const EASED_SAMPLES = 10;
const PROBE_SAMPLES = 30;
/** Between two steps down. */
const SETTLE_SAMPLES = 2;
/** Between two steps up: what was admitted shows its whole cost once the caller has spoken and the agent answers. */
const GROWTH_SETTLE_SAMPLES = 5;
const DECREASE = 0.9;
/** Most that a limit far above what runs comes down by at once: there the sessions may not be the reason. */
const LARGEST_DECREASE = 0.7;
const FIRST_GROWTH = 0.25;
const GROWTH = 0.05;
const LEAST_GROWTH = 2;
/** The limit grows when so much of it is used: policies that keep head-room never let placement use more than half. */
const MUCH_USED = 0.4;
const CALM_LATENESS = 0.5;
const CALM_UTILIZATION = 0.9;
/** Frames that leave late, of all. */
const MAX_LATE_FRAMES = 0.01;
/** Of fewer sessions, or with more time left than this, the cost of one cannot be told. */
const FORECAST_SESSIONS = 8;
const FORECAST_UTILIZATION = 0.3;

export function firstState(settings: AdmissionSettings): AdmissionState {
  const limit = bounded(START_SESSIONS, settings);
  return { limit, open: true, strainedOnce: false, verdict: 'calm', inARow: 0, eased: 0, settling: 0 };
}

export function judged(sample: LoadSample, settings: AdmissionSettings): LoadVerdict {
  const latenessMs = sample.latenessP99Ms ?? 0;
  const lateFrames = sample.lateFrameShare ?? 0;
  const { utilization } = sample;
  const { latenessTargetMs, utilizationTarget } = settings;
  if (latenessMs > latenessTargetMs || lateFrames > MAX_LATE_FRAMES || utilization > utilizationTarget)
    return 'strained';
  const calm =
    latenessMs <= latenessTargetMs * CALM_LATENESS &&
    lateFrames <= MAX_LATE_FRAMES * CALM_LATENESS &&
    utilization <= utilizationTarget * CALM_UTILIZATION;
  return calm ? 'calm' : 'between';
}

/** The state after one more sample. */
export function nextState(state: AdmissionState, sample: LoadSample, settings: AdmissionSettings): AdmissionState {
  const verdict = judged(sample, settings);
  const inARow = verdict === state.verdict ? state.inARow + 1 : 1;
  const settling = Math.max(0, state.settling - 1);
  const eased = verdict === 'strained' ? 0 : state.eased + 1;
  const same = { ...state, verdict, inARow, eased, settling };
  if (verdict === 'strained' && inARow >= STRAINED_SAMPLES) {
    // So few sessions are not the reason: a start, or another program. The limit says nothing of those.
    if (sample.sessions < settings.minSessions) return { ...same, open: false };
    const closed = { ...same, open: false, strainedOnce: true };
    if (settling > 0) return closed;
    return { ...closed, limit: decreased(state.limit, sample.sessions, settings), settling: SETTLE_SAMPLES };
  }
  const calm = verdict === 'calm' && inARow >= CALM_SAMPLES;
  if (!calm && eased < EASED_SAMPLES) return same;
  const open = { ...same, open: true };
  if (settling > 0 || sample.sessions < state.limit * MUCH_USED) return open;
  if (!calm && eased < PROBE_SAMPLES) return open;
  const limit = increased(state, sample, settings, calm);
  return limit === state.limit ? open : { ...open, limit, eased: 0, settling: GROWTH_SETTLE_SAMPLES };
}

function decreased(limit: number, sessions: number, settings: AdmissionSettings): number {
  const towards = Math.max(Math.floor(sessions * DECREASE), Math.floor(limit * LARGEST_DECREASE));
  return bounded(Math.min(limit, towards), settings);
}

function increased(state: AdmissionState, sample: LoadSample, settings: AdmissionSettings, calm: boolean): number {
  const growth = !calm ? 0 : state.strainedOnce ? GROWTH : FIRST_GROWTH;
  const grown = state.limit + Math.max(LEAST_GROWTH, Math.floor(state.limit * growth));
  return Math.max(state.limit, bounded(Math.min(grown, forecast(sample, settings)), settings));
}

/** Sessions for which there is time, if each costs what each costs now. */
function forecast({ sessions, utilization }: LoadSample, { utilizationTarget }: AdmissionSettings): number {
  if (sessions < FORECAST_SESSIONS || utilization < FORECAST_UTILIZATION) return Number.POSITIVE_INFINITY;
  return Math.floor((sessions * utilizationTarget) / utilization);
}

function bounded(limit: number, { minSessions, maxSessions }: AdmissionSettings): number {
  return Math.min(maxSessions, Math.max(minSessions, limit));
}
