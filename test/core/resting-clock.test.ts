import { describe, expect, it } from 'vitest';
import { RestingClock } from '../../src/core/resting-clock.ts';
import { FakeClock } from '../support/fake-clock.ts';

function started() {
  const clock = new FakeClock(0);
  const resting = new RestingClock(clock);
  const fired: string[] = [];
  const set = (name: string, ms: number) => resting.setTimeout(() => fired.push(`${name} ${clock.now()}`), ms);
  return { clock, resting, fired, set };
}

describe('RestingClock', () => {
  it('fires as the clock below it does while it runs', () => {
    const { clock, fired, set } = started();
    set('a', 100);
    set('b', 50).cancel();
    clock.advance(100);
    expect(fired).toEqual(['a 100']);
    expect(clock.pendingCount).toBe(0);
  });

  it('fires nothing while it rests, and each with what was left afterwards', () => {
    const { clock, resting, fired, set } = started();
    set('a', 100);
    clock.advance(60);
    resting.rest();
    resting.rest();
    set('while resting', 30);
    clock.advance(5_000);
    expect(fired).toEqual([]);
    expect(clock.pendingCount).toBe(0);
    resting.wake();
    resting.wake();
    clock.advance(40);
    expect(fired).toEqual(['while resting 5090', 'a 5100']);
  });

  it('goes on telling the time, and lets a timer be cancelled in its rest', () => {
    const { clock, resting, fired, set } = started();
    const timer = set('a', 100);
    resting.rest();
    clock.advance(200);
    expect(resting.now()).toBe(200);
    timer.cancel();
    resting.wake();
    clock.advance(1_000);
    expect(fired).toEqual([]);
  });
});
