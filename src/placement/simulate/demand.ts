/** When the world calls: how many sessions start in each minute of a day in UTC, and in which city. Places nobody. */
import type { RandomStream } from './noise.ts';
import type { City } from './population.ts';

export const MINUTES_A_DAY = 1_440;

/**
 * Calls by the hour of the caller's own day, relative to each other: few at night, most in working hours, a smaller
 * evening. Assumed, as a call center's day looks; only its shape counts.
 */
const CALLS_BY_HOUR = [2, 1, 1, 1, 1, 2, 4, 9, 16, 22, 25, 25, 22, 22, 24, 25, 24, 22, 20, 18, 15, 12, 8, 4] as const;

export class Demand {
  readonly #cities: readonly City[];
  readonly #sessions: number;
  /** Weight of all cities up to this minute's end, relative to the day's. */
  readonly #upTo = new Float64Array(MINUTES_A_DAY);
  /** The UTC minute in which most sessions start. */
  readonly peakMinute: number;

  constructor(cities: readonly City[], sessions: number) {
    this.#cities = cities;
    this.#sessions = sessions;
    let sum = 0;
    let peakMinute = 0;
    let peak = 0;
    for (let minute = 0; minute < MINUTES_A_DAY; minute++) {
      const weight = cities.reduce((total, city) => total + weightOf(city, minute), 0);
      sum += weight;
      this.#upTo[minute] = sum;
      if (weight > peak) {
        peak = weight;
        peakMinute = minute;
      }
    }
    for (let minute = 0; minute < MINUTES_A_DAY; minute++) this.#upTo[minute]! /= sum;
    this.peakMinute = peakMinute;
  }

  /** Sessions that start in a minute; over the day they are exactly the sessions asked for. */
  startingIn(minute: number): number {
    const before = minute === 0 ? 0 : Math.round(this.#upTo[minute - 1]! * this.#sessions);
    return Math.round(this.#upTo[minute]! * this.#sessions) - before;
  }

  /** Draws cities of the callers of a minute, by their people and their hour of the day. */
  citiesAt(minute: number): (random: RandomStream) => number {
    const upTo = new Float64Array(this.#cities.length);
    let sum = 0;
    for (const [index, city] of this.#cities.entries()) {
      sum += weightOf(city, minute);
      upTo[index] = sum;
    }
    return (random) => {
      const drawn = random.next() * sum;
      let low = 0;
      let high = upTo.length - 1;
      while (low < high) {
        const middle = (low + high) >> 1;
        if (upTo[middle]! > drawn) high = middle;
        else low = middle + 1;
      }
      return low;
    };
  }
}

/** Between the hours' figures it goes straight from one to the next. */
function weightOf(city: City, utcMinute: number): number {
  const local = (((utcMinute + city.utcOffsetMinutes) % MINUTES_A_DAY) + MINUTES_A_DAY) % MINUTES_A_DAY;
  const hour = Math.floor(local / 60);
  const share = (local % 60) / 60;
  return city.usersMillions * (CALLS_BY_HOUR[hour]! * (1 - share) + CALLS_BY_HOUR[(hour + 1) % 24]! * share);
}

/** Whole minutes that a session lasts: exponential, from one to sixty. */
export function sessionMinutes(random: RandomStream, meanMinutes: number): number {
  return Math.min(60, Math.max(1, Math.ceil(-Math.log(1 - random.next()) * meanMinutes)));
}
