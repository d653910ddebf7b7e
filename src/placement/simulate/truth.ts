/**
 * What the world is really like, which no rule gets to see: each path's and each service's own figure, away from what
 * is published, and the weather of each call. Owns the hidden figures; what is measured of them is knowledge.ts.
 *
 * The spreads were set before anything was measured with them, and stay what they are: a simulation whose world is
 * bent until the planner looks good says nothing.
 */
import type { AiEndpoint } from '../endpoint.ts';
import { type EndpointingTimes, endpointingPart } from '../endpointing.ts';
import type { PathBook } from '../paths.ts';
import type { LegChoice } from '../plan-types.ts';
import { distanceKm, type Region, type Regions } from '../regions.ts';
import { NormalField, Z95 } from './noise.ts';
import type { City } from './population.ts';

/** Standard deviations of logarithms, where no unit is named. */
export const TRUTH_SPREADS = {
  /** A path today against the year's median of the shipped matrix. */
  path: 0.12,
  /** A service today against its published time. */
  service: 0.2,
  /** A city's way to a POP against the map. */
  way: 0.2,
  /** A call's way to its POP against the city's. */
  callWay: 0.1,
  /** A service during one call against its day. */
  callService: 0.1,
  /** A caller's access network against the country's. */
  access: 0.5,
} as const;
export type TruthSpreads = Readonly<Record<keyof typeof TRUTH_SPREADS, number>>;

/** Round trip over the caller's own network, median, ms; by how common the Internet is in the country. */
const ACCESS_MS = { common: 12, rare: 25, commonFromPercent: 85 } as const;
/** Of the map: as placement's own model of distance, which is the best that is known of it. */
const MAP = { interceptMs: 8, msPerKm: 0.016 } as const;
/** Light in fiber, there and back. */
const MIN_MS_PER_KM = 0.01;
/** Paths within a region have p95 far above p50; a logarithm of that would give a second now and then. */
const MAX_PATH_SIGMA = 0.4;

/** Which draws of the field are whose. */
const DRAW = {
  path: 1,
  service: 2,
  way: 3,
  callPath: 4,
  callWay: 5,
  access: 6,
  callService: 7,
  turn: 8,
  trip: 9,
} as const;

export interface TruthOptions {
  seed: number;
  regions: Regions;
  /** Names of all regions with nodes or endpoints. */
  places: readonly string[];
  endpoints: readonly AiEndpoint[];
  cities: readonly City[];
  endpointing: EndpointingTimes;
  /** @defaultValue TRUTH_SPREADS */
  spreads?: TruthSpreads;
  /** What is published or declared of paths, without measurements. */
  published: () => PathBook;
}

export class Truth {
  readonly places: readonly string[];
  readonly #options: TruthOptions;
  readonly #spreads: TruthSpreads;
  readonly #field: NormalField;
  readonly #indexes: ReadonlyMap<string, number>;
  readonly #endpointIndexes: ReadonlyMap<string, number>;
  /** A million turns ask by the same few objects. */
  readonly #seenEndpoints = new Map<AiEndpoint, number>();
  /** Place i to place j, ms at p50, and the sigma of a call's. */
  readonly #paths: Float64Array;
  readonly #sigmas: Float64Array;
  readonly #services: Float64Array;
  readonly #turnSigmas: Float64Array;
  /** City i to place j, ms without the access network. */
  readonly #ways: Float64Array;

  constructor(options: TruthOptions) {
    const { places, regions, endpoints, cities, seed } = options;
    this.#options = options;
    this.#spreads = options.spreads ?? TRUTH_SPREADS;
    this.places = places;
    this.#field = new NormalField(seed);
    this.#indexes = new Map(places.map((place, index) => [place, index]));
    this.#endpointIndexes = new Map(endpoints.map((endpoint, index) => [endpointKey(endpoint), index]));
    const published = options.published();
    const count = places.length;
    this.#paths = new Float64Array(count * count);
    this.#sigmas = new Float64Array(count * count);
    for (let a = 0; a < count; a++) {
      for (let b = a; b < count; b++) {
        const { p50, p95 } = published.between(places[a]!, places[b]!, 0);
        const bent = p50 * Math.exp(this.#spreads.path * this.#field.at(DRAW.path, a, b));
        const ms = Math.max(bent, this.#lightMs(places[a]!, places[b]!));
        const sigma = Math.min(MAX_PATH_SIGMA, Math.log(p95 / Math.max(p50, 1e-6)) / Z95);
        this.#paths[a * count + b] = this.#paths[b * count + a] = ms;
        this.#sigmas[a * count + b] = this.#sigmas[b * count + a] = sigma;
      }
    }
    this.#services = Float64Array.from(
      endpoints,
      ({ p50 }, index) => p50 * Math.exp(this.#spreads.service * this.#field.at(DRAW.service, index)),
    );
    this.#turnSigmas = Float64Array.from(endpoints, ({ p50, p95 }) => Math.log(p95 / p50) / Z95);
    this.#ways = new Float64Array(cities.length * count);
    for (const [index, city] of cities.entries()) {
      for (const [place, name] of places.entries()) {
        const region = regions.get(name);
        const km = region === null ? 20_000 : distanceKm(city, region);
        const bent = Math.exp(this.#spreads.way * this.#field.at(DRAW.way, index, place));
        this.#ways[index * count + place] = Math.max(km * MIN_MS_PER_KM, (MAP.interceptMs + MAP.msPerKm * km) * bent);
      }
    }
  }

  indexOf(place: string): number {
    return this.#indexes.get(place)!;
  }

  endpointIndex(endpoint: AiEndpoint): number {
    const seen = this.#seenEndpoints.get(endpoint);
    if (seen !== undefined) return seen;
    const index = this.#endpointIndexes.get(endpointKey(endpoint))!;
    this.#seenEndpoints.set(endpoint, index);
    return index;
  }

  /** A path of this day, ms at p50. */
  dayPathMs(a: number, b: number): number {
    return this.#paths[a * this.places.length + b]!;
  }

  /** How a path's calls spread about its p50: sigma of the logarithm. */
  pathSigma(a: number, b: number): number {
    return this.#sigmas[a * this.places.length + b]!;
  }

  /** A service of this day, ms at p50. */
  dayServiceMs(endpoint: number): number {
    return this.#services[endpoint]!;
  }

  /** A caller's round trip to a place during one call, ms. */
  callerMs(call: number, city: number, place: number): number {
    const way = this.#ways[city * this.places.length + place]!;
    const { country } = this.#options.cities[city]!;
    const access = country.internetPercent >= ACCESS_MS.commonFromPercent ? ACCESS_MS.common : ACCESS_MS.rare;
    return (
      way * Math.exp(this.#spreads.callWay * this.#field.at(DRAW.callWay, call, place)) +
      access * Math.exp(this.#spreads.access * this.#field.at(DRAW.access, call))
    );
  }

  /** A path during one call, ms: the same there and back. */
  pathMs(call: number, a: number, b: number): number {
    const count = this.places.length;
    const low = a < b ? a : b;
    const pair = low * count + (a < b ? b : a);
    return this.#paths[pair]! * Math.exp(this.#sigmas[pair]! * this.#field.at(DRAW.callPath, call, pair));
  }

  /** A service during one call, ms at p50. */
  serviceMs(call: number, endpoint: number): number {
    return (
      this.#services[endpoint]! * Math.exp(this.#spreads.callService * this.#field.at(DRAW.callService, call, endpoint))
    );
  }

  /** One leg of a call's middle turn: k round trips. */
  legMs(call: number, core: number, endpoint: number, place: number | null, k: number): number {
    return k * ((place === null ? 0 : this.pathMs(call, core, place)) + this.serviceMs(call, endpoint));
  }

  /** One round trip of a call to an endpoint, ms, as its core sees it: the spread from turn to turn is in it. */
  tripMs(call: number, core: number, endpoint: AiEndpoint, trip: number): number {
    const index = this.endpointIndex(endpoint);
    const path = endpoint.place === 'local' ? 0 : this.pathMs(call, core, this.indexOf(endpoint.place));
    const turn = Math.exp(this.#turnSigmas[index]! * this.#field.at(DRAW.trip, call, index * 256 + trip));
    return path + this.serviceMs(call, index) * turn;
  }

  /** Voice to voice of one turn of a call, ms: the services' own spread from turn to turn is in it. */
  turnMs(call: number, city: number, pop: number, core: number, choices: readonly LegChoice[]): number {
    let ms = 0;
    for (const { leg, endpoint } of choices) {
      const index = this.endpointIndex(endpoint);
      if (endpoint.place !== 'local') ms += leg.k * this.pathMs(call, core, this.indexOf(endpoint.place));
      const service = this.serviceMs(call, index);
      const sigma = this.#turnSigmas[index]!;
      for (let trip = 0; trip < leg.k; trip++) {
        // A share of a round trip, where a measured k has one.
        const share = Math.min(1, leg.k - trip);
        ms += share * service * Math.exp(sigma * this.#field.at(DRAW.turn, call, index * 16 + trip));
      }
    }
    const access = this.callerMs(call, city, pop) + this.pathMs(call, pop, core);
    return access + ms + endpointingPart(this.#options.endpointing, ms);
  }

  #lightMs(a: string, b: string): number {
    const from: Region | null = this.#options.regions.get(a);
    const to: Region | null = this.#options.regions.get(b);
    return from === null || to === null ? 0 : distanceKm(from, to) * MIN_MS_PER_KM;
  }
}

function endpointKey({ kind, id }: AiEndpoint): string {
  return `${kind} ${id}`;
}
