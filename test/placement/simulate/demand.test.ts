import { describe, expect, test } from 'vitest';
import { Demand, MINUTES_A_DAY, sessionMinutes } from '../../../src/placement/simulate/demand.ts';
import { NormalField, RandomStream } from '../../../src/placement/simulate/noise.ts';
import { loadPopulation } from '../../../src/placement/simulate/population.ts';

const { cities } = loadPopulation();

describe('demand', () => {
  test('spreads exactly the sessions asked for over the day', () => {
    for (const sessions of [1, 999, 100_000]) {
      const demand = new Demand(cities, sessions);
      let sum = 0;
      for (let minute = 0; minute < MINUTES_A_DAY; minute++) sum += demand.startingIn(minute);
      expect(sum).toBe(sessions);
    }
  });

  test('follows each city’s own day: more by its noon than by its night', () => {
    const tokyo = cities.filter(({ name }) => name === 'Tokyo');
    const demand = new Demand(tokyo, 100_000);
    // Noon in Tokyo is 03:00 UTC.
    expect(demand.startingIn(180)).toBeGreaterThan(10 * demand.startingIn(18 * 60));
    expect(Math.abs(demand.peakMinute - 60) < 180 || Math.abs(demand.peakMinute - 360) < 180).toBe(true);
  });

  test('draws cities by their people', () => {
    const random = new RandomStream(3);
    const two = cities.filter(({ name }) => name === 'Shanghai' || name === 'Beijing');
    const draw = new Demand(two, 10).citiesAt(0);
    const drawn = Array.from({ length: 20_000 }, () => draw(random));
    // 40 and 30 of a hundred, in the same hour of the day.
    const shanghai = drawn.filter((index) => two[index]!.name === 'Shanghai').length;
    expect(shanghai / drawn.length).toBeCloseTo(4 / 7, 1);
  });

  test('lets sessions last about as long as they should, and an hour at most', () => {
    const random = new RandomStream(5);
    const minutes = Array.from({ length: 20_000 }, () => sessionMinutes(random, 4));
    const mean = minutes.reduce((sum, each) => sum + each, 0) / minutes.length;
    // Begun minutes count whole: half of one above.
    expect(mean).toBeGreaterThan(4.3);
    expect(mean).toBeLessThan(4.7);
    expect(Math.max(...Array.from({ length: 5_000 }, () => sessionMinutes(random, 30)))).toBe(60);
  });
});

describe('noise by name', () => {
  const field = new NormalField(1);

  test('is the same for the same name, in any order', () => {
    expect(field.at(1, 2, 3)).toBe(new NormalField(1).at(1, 2, 3));
    expect(field.at(1, 2, 3)).not.toBe(field.at(1, 3, 2));
    expect(field.at(1, 2, 3)).not.toBe(new NormalField(2).at(1, 2, 3));
  });

  test('is standard normal, and unrelated between neighbors', () => {
    const draws = Array.from({ length: 50_000 }, (_, index) => field.at(4, index, 9));
    const mean = draws.reduce((sum, each) => sum + each, 0) / draws.length;
    const variance = draws.reduce((sum, each) => sum + each * each, 0) / draws.length;
    const neighbors = draws.slice(1).reduce((sum, each, index) => sum + each * draws[index]!, 0) / draws.length;
    expect(Math.abs(mean)).toBeLessThan(0.02);
    expect(Math.abs(variance - 1)).toBeLessThan(0.03);
    expect(Math.abs(neighbors)).toBeLessThan(0.02);
  });

  test('gives shares that are even', () => {
    const below = Array.from({ length: 20_000 }, (_, index) => field.share(1, index)).filter((share) => share < 0.2);
    expect(below.length / 20_000).toBeCloseTo(0.2, 1);
  });
});
