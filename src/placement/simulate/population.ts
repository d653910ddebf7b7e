/** Who lives where: the shipped table of large countries and the cities that stand for them. Owns facts, no demand. */
import { readFileSync } from 'node:fs';

export interface Country {
  /** ISO 3166-1 alpha-2, upper case. */
  readonly code: string;
  readonly name: string;
  readonly populationMillions: number;
  /** Share of the people who use the Internet, 0..100. */
  readonly internetPercent: number;
}

/** A city that stands for a share of its country's callers. */
export interface City {
  readonly country: Country;
  /** Of `country` in `Population.countries`. */
  readonly countryIndex: number;
  readonly name: string;
  readonly lat: number;
  readonly lon: number;
  /** Standard time; nobody saves daylight here. */
  readonly utcOffsetMinutes: number;
  /** Internet users that it stands for, millions. */
  readonly usersMillions: number;
}

export interface Population {
  readonly countries: readonly Country[];
  readonly cities: readonly City[];
}

/** The shipped table; its sources are in ../data/SOURCES.md. */
export function loadPopulation(): Population {
  const countries = rows('countries.csv').map(
    ([code, name, population, internet]): Country => ({
      code: code!,
      name: name!,
      populationMillions: Number(population),
      internetPercent: Number(internet),
    }),
  );
  const cities = rows('cities.csv').map(([code, name, lat, lon, offset, share]): City => {
    const countryIndex = countries.findIndex((country) => country.code === code);
    const country = countries[countryIndex]!;
    const usersMillions = ((country.populationMillions * country.internetPercent) / 100) * (Number(share) / 100);
    return {
      country,
      countryIndex,
      name: name!,
      lat: Number(lat),
      lon: Number(lon),
      utcOffsetMinutes: Number(offset),
      usersMillions,
    };
  });
  return { countries, cities };
}

function rows(file: string): string[][] {
  const [, ...lines] = readFileSync(new URL(`data/${file}`, import.meta.url), 'utf8')
    .trim()
    .split('\n');
  return lines.map((line) => line.split(','));
}
