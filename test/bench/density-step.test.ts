import { describe, expect, it } from 'vitest';
import { judgeStep, type Measured } from '../../bench/density-step.ts';
import type { CallLog } from '../../bench/fake-pop/messages.ts';
import type { NodeUsage } from '../../bench/nodes/messages.ts';

const usage = (change: Partial<NodeUsage> = {}): NodeUsage => ({
  nodeMs: 0,
  workersMs: 0,
  nodeRssBytes: 100 * 2 ** 20,
  workersRssBytes: 0,
  threadsMs: { MainThread: 0 },
  vadMs: 0,
  turnModel: { answered: 0, unanswered: 0 },
  stats: { totals: { earLost: 0, earLate: 0 } },
  ...change,
});
const log = (change: Partial<CallLog> = {}): CallLog => ({
  sounds: [],
  spurts: [],
  told: [],
  received: 800,
  lost: 0,
  disordered: 0,
  unsent: 0,
  sendLateMs: 1,
  ended: null,
  ...change,
});
const lateness = (p99Ms: number | null) => ({ frames: 800, p50Ms: 0, p95Ms: 2, p99Ms, maxMs: 30 });

function judged(change: Partial<Measured> = {}, p99Ms: number | null = 9, logs = [log()]) {
  return judgeStep({
    calls: 1,
    elapsedMs: 40_000,
    idle: usage(),
    before: usage(),
    after: usage({ threadsMs: { MainThread: 20_000 }, turnModel: { answered: 100, unanswered: 0 } }),
    cpu: { busyMs: 20_400, stolenMs: 0 },
    report: { calls: logs, lateness: lateness(p99Ms), latenessSeen: lateness(p99Ms), strays: 0, cpuPercent: 10 },
    noTurnModel: null,
    ...change,
  });
}

describe('a step of density', () => {
  it('is carried with p99 in time and nothing lost', () => {
    const step = judged();
    expect(step).toMatchObject({ carried: true, notes: [] });
    expect(step.figures).toMatchObject({ mainThreadCpuPercent: 50, agentTalkPercent: 40, foreignCpuPercent: 1 });
    expect(step.because).toBe('carried, p99 9.0 ms; CPU MainThread 50.0 %');
  });

  it('is not carried with late frames, lost ones either way, silent calls or none at all', () => {
    expect(judged({}, 10.5).because).toMatch(/^p99 10\.5 ms late/);
    expect(judged({}, null).because).toMatch(/^nothing came/);
    expect(judged({}, 9, [log({ lost: 2 })]).because).toMatch(/^2 frames lost/);
    expect(judged({}, 9, [log(), log({ received: 0 })]).because).toMatch(/^1 calls silent/);
    const deaf = usage({ stats: { totals: { earLost: 3, earLate: 1 } }, turnModel: { answered: 9, unanswered: 0 } });
    expect(judged({ after: deaf }).because).toMatch(/^4 packets of callers lost/);
  });

  it('is not carried when the turn model has no time to answer', () => {
    const starved = usage({ turnModel: { answered: 90, unanswered: 10 } });
    expect(judged({ after: starved })).toMatchObject({ carried: false });
    expect(judged({ after: starved }).because).toMatch(/^the turn model left 10 of 100 turns unanswered/);
  });

  it('says when it is not to be trusted, and when there is no turn model', () => {
    expect(judged({ cpu: { busyMs: 30_000, stolenMs: 0 } }).notes.join()).toContain('Others took 25 %');
    expect(judged({}, 9, [log({ unsent: 7 })]).notes.join()).toContain('left out 7 packets');
    expect(judged({ noTurnModel: 'no weights' }).notes).toEqual(['Without the turn model: no weights']);
  });
});
