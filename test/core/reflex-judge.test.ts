import { describe, expect, test } from 'vitest';
import { ReflexJudge } from '../../src/core/reflex-judge.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { MouthRig } from './support/mouth-rig.ts';

function setUp() {
  const clock = new FakeClock(0);
  const told: string[] = [];
  const judge = new ReflexJudge({
    clock,
    arm: (armed) => told.push(`armed ${armed}`),
    answer: (duck, verdict) => told.push(`${clock.now()} ${duck} ${verdict}`),
  });
  return { clock, told, judge };
}

describe('ReflexJudge', () => {
  test('says no when the agent does nothing for 240 ms', () => {
    const { clock, told, judge } = setUp();
    judge.ducked(1);
    clock.advance(239);
    expect(told).toEqual([]);
    clock.advance(1);
    expect(told).toEqual(['240 1 rejected']);
    clock.advance(5_000);
    expect(told).toHaveLength(1);
  });

  test('asks for time when the agent pauses, and says no when it goes on', () => {
    const { clock, told, judge } = setUp();
    judge.ducked(1);
    clock.advance(60);
    judge.paused();
    judge.paused();
    clock.advance(700);
    judge.resumed();
    expect(told).toEqual(['60 1 pending', '760 1 rejected']);
  });

  test('asks for time at once when the agent had paused before the POP told of it', () => {
    const { told, judge } = setUp();
    judge.paused();
    judge.ducked(4);
    judge.resumed();
    expect(told).toEqual(['0 4 pending', '0 4 rejected']);
  });

  test('leaves it to the flush to say that the agent was interrupted', () => {
    const { clock, told, judge } = setUp();
    judge.ducked(1);
    judge.paused();
    judge.flushed();
    judge.resumed();
    clock.advance(1_000);
    expect(told).toEqual(['0 1 pending']);
    judge.ducked(2);
    clock.advance(240);
    expect(told.slice(1)).toEqual(['1240 2 rejected']);
  });

  test('answers the newest duck only', () => {
    const { clock, told, judge } = setUp();
    judge.ducked(1);
    clock.advance(100);
    judge.ducked(2);
    clock.advance(300);
    expect(told).toEqual(['340 2 rejected']);
  });

  test('tells the POP when the agent begins or ceases to yield, and of nothing twice', () => {
    const { told, judge } = setUp();
    judge.yields(false);
    judge.yields(true);
    judge.yields(true);
    judge.yields(false);
    expect(told).toEqual(['armed true', 'armed false']);
  });

  test('says nothing after its session', () => {
    const { clock, told, judge } = setUp();
    judge.ducked(1);
    judge.close();
    judge.yields(true);
    judge.ducked(2);
    clock.advance(1_000);
    expect(told).toEqual([]);
    expect(clock.pendingCount).toBe(0);
  });
});

describe('CallMouth with a judge', () => {
  test('tells it of pauses that begin and end, and not of a resume without one', () => {
    const seen: string[] = [];
    const judge = {
      yields: (on: boolean) => seen.push(`yields ${on}`),
      paused: () => seen.push('paused'),
      resumed: () => seen.push('resumed'),
    };
    const { mouth } = new MouthRig({ judge });
    mouth.resume();
    mouth.yields(true);
    mouth.pause();
    mouth.resume();
    mouth.resume();
    expect(seen).toEqual(['yields true', 'paused', 'resumed']);
  });

  test('a flush of nothing ends a pause as a resume does', () => {
    const seen: string[] = [];
    const judge = { yields: () => {}, paused: () => seen.push('paused'), resumed: () => seen.push('resumed') };
    const { mouth, flushes } = new MouthRig({ judge });
    mouth.pause();
    expect(mouth.flush()).toEqual([]);
    expect(flushes).toEqual([]);
    expect(seen).toEqual(['paused', 'resumed']);
  });
});
