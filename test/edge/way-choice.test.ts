import { describe, expect, test } from 'vitest';
import { afterReading, chosenWay, NEW_WAY, type WayReading, type WayState } from '../../src/edge/way-choice.ts';

const reading = (p50: number, loss = 0): WayReading => ({
  quality: { rttMs: { p50, p95: p50 }, jitterMs: 1, loss, probes: 50 },
  silentMs: 50,
});

/** Readings twice a second; what its health is after each. */
function healths(readings: readonly WayReading[], from: WayState = NEW_WAY): WayState[] {
  const states: WayState[] = [];
  let state = from;
  for (const [index, each] of readings.entries()) {
    state = afterReading(state, each, index * 500);
    states.push(state);
  }
  return states;
}

const times = (count: number, each: WayReading) => Array.from({ length: count }, () => each);

describe('a way', () => {
  test('that loses more than 5 % is poor after two seconds of it', () => {
    const states = healths([...times(10, reading(40)), ...times(6, reading(40, 0.06))]);
    expect(states.slice(10).map(({ health }) => health)).toEqual(['well', 'well', 'well', 'well', 'poor', 'poor']);
  });

  test('that takes half as long again as usual, and 30 ms more, is poor too', () => {
    const bounds = [89, 91].map(
      (p50) => healths([...times(10, reading(40)), ...times(6, reading(p50))]).at(-1)?.health,
    );
    expect(bounds).toEqual(['well', 'poor']);
  });

  test('that is only bad for a moment stays', () => {
    const readings = [
      ...times(10, reading(40)),
      ...times(3, reading(40, 0.5)),
      reading(40),
      ...times(3, reading(40, 0.5)),
    ];
    expect(healths(readings).every(({ health }) => health === 'well')).toBe(true);
  });

  test('is well again after half a minute without a loss, by its usual round trip of before', () => {
    const poor = healths([...times(10, reading(40)), ...times(6, reading(40, 0.3))]).at(-1)!;
    const states = healths(times(70, reading(62)), poor);
    const firstWell = states.findIndex(({ health }) => health === 'well');
    expect(firstWell * 500).toBe(30_000);
    expect(healths(times(200, reading(64)), poor).at(-1)?.health).toBe('poor');
    expect(healths(times(200, reading(40, 0.02)), poor).at(-1)?.health).toBe('poor');
  });

  test('that is silent for over a second is dead at once, and comes back like a poor one', () => {
    const dead = afterReading(NEW_WAY, { quality: null, silentMs: 1_001 }, 0);
    expect(dead.health).toBe('dead');
    expect(afterReading(NEW_WAY, { quality: null, silentMs: 1_000 }, 0).health).toBe('well');
    const states = healths(times(70, reading(40)), dead);
    expect(states.findIndex(({ health }) => health === 'well') * 500).toBe(30_000);
  });

  test('of which little is known stays what it was', () => {
    const few = { quality: { ...reading(40, 0.9).quality!, probes: 7 }, silentMs: 0 };
    expect(healths(times(20, few)).at(-1)).toEqual(NEW_WAY);
  });
});

describe('chosenWay()', () => {
  const of = (...states: WayState['health'][]) => states.map((health) => ({ ...NEW_WAY, health }));
  test.each([
    [of('well', 'well'), 1, 0],
    [of('poor', 'well'), 0, 1],
    [of('dead', 'well'), 0, 1],
    [of('poor', 'poor'), 0, 0],
    [of('poor', 'poor'), 1, 1],
    [of('poor', 'dead'), 1, 0],
    [of('dead', 'dead'), 1, 1],
    [of('dead', 'poor', 'well'), 0, 2],
  ])('of %o with way %i in use', (ways, present, expected) => {
    expect(chosenWay(ways, present)).toBe(expected);
  });
});
