import { describe, expect, it } from 'vitest';
import {
  type AdmissionSettings,
  type AdmissionState,
  firstState,
  judged,
  type LoadSample,
  nextState,
} from '../../src/core/admission-control.ts';

const SETTINGS: AdmissionSettings = {
  minSessions: 8,
  maxSessions: 200,
  latenessTargetMs: 10,
  utilizationTarget: 0.85,
};

const sample = (sessions: number, latenessP99Ms: number | null, change: Partial<LoadSample> = {}): LoadSample => ({
  sessions,
  latenessP99Ms,
  lateFrameShare: 0,
  utilization: 0.2,
  ...change,
});

function fed(state: AdmissionState, ...samples: LoadSample[]): AdmissionState {
  return samples.reduce((at, each) => nextState(at, each, SETTINGS), state);
}

const times = (count: number, each: LoadSample): LoadSample[] => Array.from({ length: count }, () => each);

interface Simulated {
  /** Sessions that it carries, by the second. */
  capacity: (second: number) => number;
  /** Callers that want to be there, by the second. */
  offered: (second: number) => number;
  seconds: number;
  /** Lateness is up to so many times what it would be, by chance. @defaultValue 1 */
  noise?: number;
  /** The event loop seems idle: another program takes the CPU. @defaultValue false */
  foreign?: boolean;
}

/**
 * A core whose lateness is small up to its capacity and steep beyond. Each second callers fill what room there is; one in
 * fifty hangs up.
 */
function simulated({ capacity, offered, seconds, noise = 1, foreign = false }: Simulated) {
  let state = firstState(SETTINGS);
  let sessions = 0;
  let chance = 1;
  const trace: { limit: number; open: boolean; sessions: number; latenessMs: number }[] = [];
  for (let second = 0; second < seconds; second++) {
    const room = state.open ? state.limit : SETTINGS.minSessions;
    const wanted = offered(second);
    sessions = Math.min(sessions, wanted);
    if (sessions < room) sessions = Math.min(room, wanted);
    sessions -= Math.floor(sessions / 50);
    const busy = sessions / capacity(second);
    // A linear congruential generator (Lehmer), so that every run is the same.
    chance = (chance * 48_271) % 2_147_483_647;
    const factor = 1 + ((noise - 1) * chance) / 2_147_483_647;
    const latenessMs = (busy <= 1 ? 1 + 4 * busy ** 4 : 5 + 60 * (busy - 1)) * factor;
    const utilization = foreign ? 0.4 : Math.min(1, busy * 0.8);
    state = nextState(state, sample(sessions, latenessMs, { utilization }), SETTINGS);
    trace.push({ limit: state.limit, open: state.open, sessions, latenessMs });
  }
  return trace;
}

describe('what a second was', () => {
  it.each([
    ['calm', sample(50, 5)],
    ['calm when nothing ticked', sample(0, null, { lateFrameShare: null })],
    ['between at 5 to 10 ms', sample(50, 7)],
    ['between with a loop that is 80 % busy', sample(50, 1, { utilization: 0.8 })],
    ['strained later than 10 ms', sample(50, 10.1)],
    ['strained with more than one frame late of a hundred', sample(50, 1, { lateFrameShare: 0.011 })],
    ['strained with a loop that is 90 % busy', sample(50, 1, { utilization: 0.9 })],
  ])('is %s', (words, each) => {
    expect(words.startsWith(judged(each, SETTINGS))).toBe(true);
  });
});

describe('the gate', () => {
  it('stays open for one strained second, and closes for two in a row', () => {
    const one = fed(firstState(SETTINGS), sample(60, 30), sample(60, 1), sample(60, 30));
    expect(one.open).toBe(true);
    expect(fed(one, sample(60, 30)).open).toBe(false);
  });

  it('opens after two calm seconds in a row, not for what is between', () => {
    const closed = fed(firstState(SETTINGS), ...times(2, sample(60, 30)));
    expect(fed(closed, ...times(9, sample(60, 7))).open).toBe(false);
    expect(fed(closed, sample(60, 2), sample(60, 7), sample(60, 2)).open).toBe(false);
    expect(fed(closed, sample(60, 2), sample(60, 2)).open).toBe(true);
  });
});

describe('a machine that is never calm', () => {
  const between = sample(60, 7);

  it('opens after ten seconds without strain', () => {
    const closed = fed(firstState(SETTINGS), ...times(2, sample(60, 30)));
    expect(fed(closed, ...times(10, between)).open).toBe(true);
    expect(fed(closed, ...times(9, between), sample(60, 30), ...times(9, between)).open).toBe(false);
  });

  it('tries two more sessions every thirty seconds', () => {
    expect(fed(firstState(SETTINGS), ...times(29, between)).limit).toBe(64);
    expect(fed(firstState(SETTINGS), ...times(30, between)).limit).toBe(66);
    expect(fed(firstState(SETTINGS), ...times(59, between)).limit).toBe(66);
    expect(fed(firstState(SETTINGS), ...times(60, between)).limit).toBe(68);
  });
});

describe('the limit', () => {
  it('grows by a quarter while it is nearly used and calm, at most every fifth second', () => {
    const calm = sample(60, 2);
    const at80 = sample(80, 2);
    const grown = fed(firstState(SETTINGS), ...times(2, calm));
    expect(grown.limit).toBe(80);
    expect(fed(grown, ...times(4, at80)).limit).toBe(80);
    expect(fed(grown, ...times(5, at80)).limit).toBe(100);
  });

  it('grows where policies let placement use half of it', () => {
    let state = firstState(SETTINGS);
    for (let second = 0; second < 60; second++) state = fed(state, sample(Math.floor(state.limit / 2), 1));
    expect(state.limit).toBe(200);
  });

  it('is not moved by what a core suffers with the fewest sessions, as at its start', () => {
    const started = fed(firstState(SETTINGS), ...times(20, sample(2, 80, { utilization: 1 })));
    expect(started).toMatchObject({ open: false, limit: 64, strainedOnce: false });
    expect(fed(started, ...times(2, sample(2, 1)))).toMatchObject({ open: true, limit: 64 });
  });

  it('does not grow when few sessions use it, nor beyond what the loop has time for', () => {
    expect(fed(firstState(SETTINGS), ...times(20, sample(20, 1))).limit).toBe(64);
    expect(fed(firstState(SETTINGS), ...times(2, sample(60, 2, { utilization: 0.75 }))).limit).toBe(68);
  });

  it('comes down to nine tenths of what runs, and no further while that stays as it is', () => {
    const strained = sample(64, 30);
    const state = fed(firstState(SETTINGS), ...times(30, strained));
    expect(state.limit).toBe(57);
    expect(fed(state, ...times(10, sample(57, 30))).limit).toBe(51);
  });

  it('never leaves its bounds', () => {
    expect(fed(firstState(SETTINGS), ...times(60, sample(8, 30))).limit).toBe(8);
    let state = firstState(SETTINGS);
    for (let second = 0; second < 60; second++) state = fed(state, sample(state.limit, 1));
    expect(state.limit).toBe(200);
    const few = { ...SETTINGS, minSessions: 3, maxSessions: 3 };
    expect(nextState(firstState(few), sample(3, 30), few).limit).toBe(3);
  });
});

describe('a core under simulated load', () => {
  const lateSeconds = (trace: { latenessMs: number }[]) => trace.filter(({ latenessMs }) => latenessMs > 10).length;

  it('finds what it carries when callers come slowly', () => {
    const trace = simulated({ capacity: () => 120, offered: (second) => second * 2, seconds: 240 });
    const settled = trace.slice(120);
    expect(Math.min(...settled.map(({ sessions }) => sessions))).toBeGreaterThan(95);
    expect(Math.max(...settled.map(({ sessions }) => sessions))).toBeLessThan(140);
    expect(lateSeconds(settled)).toBeLessThan(6);
  });

  it('is not overrun when twice as many as it carries come at once', () => {
    const trace = simulated({ capacity: () => 120, offered: () => 240, seconds: 300 });
    expect(trace[0]!.sessions).toBeLessThanOrEqual(64);
    expect(Math.max(...trace.map(({ sessions }) => sessions))).toBeLessThan(140);
    expect(lateSeconds(trace)).toBeLessThan(12);
    expect(Math.min(...trace.slice(60).map(({ sessions }) => sessions))).toBeGreaterThan(95);
  });

  it('takes fewer when each costs more, and again more when that is over', () => {
    const capacity = (second: number) => (second >= 100 && second < 200 ? 60 : 120);
    const trace = simulated({ capacity, offered: () => 240, seconds: 400 });
    expect(trace[99]!.sessions).toBeGreaterThan(95);
    const shrunk = trace.slice(170, 200);
    expect(Math.max(...shrunk.map(({ sessions }) => sessions))).toBeLessThan(75);
    expect(Math.min(...trace.slice(330).map(({ sessions }) => sessions))).toBeGreaterThan(95);
  });

  it('does not flap when lateness is noisy', () => {
    const trace = simulated({ capacity: () => 120, offered: () => 240, noise: 2, seconds: 600 }).slice(60);
    const changes = trace.filter(({ open }, index) => index > 0 && open !== trace[index - 1]!.open).length;
    expect(changes).toBeLessThan(trace.length / 20);
    expect(Math.min(...trace.map(({ sessions }) => sessions))).toBeGreaterThan(80);
  });

  it('goes by lateness when its event loop seems to have time', () => {
    const trace = simulated({ capacity: () => 120, offered: () => 240, foreign: true, seconds: 600 });
    expect(Math.max(...trace.slice(60).map(({ sessions }) => sessions))).toBeLessThan(140);
    expect(Math.min(...trace.slice(60).map(({ sessions }) => sessions))).toBeGreaterThan(90);
    expect(lateSeconds(trace.slice(60))).toBeLessThan(54);
  });

  it('has not forgotten what it carries after a quiet hour', () => {
    const offered = (second: number) => (second > 100 && second < 3_700 ? 10 : 240);
    const trace = simulated({ capacity: () => 120, offered, seconds: 3_720 });
    expect(trace[3_699]!.limit).toBeGreaterThan(95);
    expect(trace[3_701]!.sessions).toBeGreaterThan(90);
  });
});
