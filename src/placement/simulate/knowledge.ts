/**
 * What a planner gets to know of the truth: measurements with noise, taken a while ago, some of them missing. Owns the
 * veil between the two; what is done with it is the rules'.
 */
import type { AiEndpoint } from '../endpoint.ts';
import type { PathBook } from '../paths.ts';
import type { Regions } from '../regions.ts';
import { distanceKm } from '../regions.ts';
import { NormalField, Z95 } from './noise.ts';
import type { City } from './population.ts';
import type { Truth } from './truth.ts';

/** How well is measured; spreads are standard deviations of logarithms. Set before the first run, as the truth's. */
export const VEIL = {
  /** Of a path's measurement, with what has changed since. */
  pathNoise: 0.08,
  /** Of a service's. */
  serviceNoise: 0.12,
  /** Of one probe by a caller's browser. */
  probeNoise: 0.1,
  /** Share of paths that nobody has measured: the published figure stands. */
  missingPaths: 0.2,
  /** The same of services. */
  missingServices: 0.2,
  /** Share of callers without any probe: the map stands. */
  unprobed: 0.2,
  /** A caller probes this many POPs, the nearest on the map. */
  probes: 5,
  /** Share of single probes that do not come back in time. */
  lostProbes: 0.1,
} as const;
export type Veil = Readonly<Record<keyof typeof VEIL, number>>;

/** Everything of the day is known; only what is a call's own stays hidden. */
export const NO_VEIL: Veil = {
  pathNoise: 0,
  serviceNoise: 0,
  probeNoise: 0,
  missingPaths: 0,
  missingServices: 0,
  unprobed: 0,
  probes: Number.POSITIVE_INFINITY,
  lostProbes: 0,
};

const DRAW = { path: 1, service: 2, probe: 3, unprobed: 4, lostProbe: 5 } as const;

export interface KnowledgeOptions {
  seed: number;
  truth: Truth;
  regions: Regions;
  endpoints: readonly AiEndpoint[];
  cities: readonly City[];
  /** Regions with POPs. */
  pops: readonly string[];
  /** @defaultValue VEIL */
  veil?: Veil;
  /** What is published or declared of paths, without measurements. */
  published: () => PathBook;
}

export class Knowledge {
  readonly paths: PathBook;
  #endpoints: readonly AiEndpoint[];
  readonly #truth: Truth;
  readonly #veil: Veil;
  readonly #field: NormalField;
  /** The POPs of each city in the order of the map, as places of the truth. */
  readonly #nearest: readonly (readonly number[])[];

  constructor({ seed, truth, regions, endpoints, cities, pops, published, veil }: KnowledgeOptions) {
    this.#truth = truth;
    this.#veil = veil ?? VEIL;
    this.#field = new NormalField(seed ^ 0x2545f491);
    this.paths = published();
    this.#measurePaths();
    this.#endpoints = endpoints.map((endpoint, index) => this.#measured(endpoint, index));
    this.#nearest = cities.map((city) =>
      pops
        .map((name) => ({ place: truth.indexOf(name), region: regions.get(name) }))
        .filter(({ region }) => region !== null)
        .map(({ place, region }) => ({ place, km: distanceKm(city, region!) }))
        .toSorted((a, b) => a.km - b.km)
        .slice(0, this.#veil.probes)
        .map(({ place }) => place),
    );
  }

  /** With measured times, where somebody has measured. */
  get endpoints(): readonly AiEndpoint[] {
    return this.#endpoints;
  }

  /** From now on this is known of them. */
  learn(endpoints: readonly AiEndpoint[]): void {
    this.#endpoints = endpoints;
  }

  /** What a caller's browser has measured when it joins; undefined for those that could not. */
  probesOf(call: number, city: number): ReadonlyMap<string, number> | undefined {
    if (this.#field.share(DRAW.unprobed, call) < this.#veil.unprobed) return undefined;
    const probes = new Map<string, number>();
    for (const place of this.#nearest[city]!) {
      if (this.#field.share(DRAW.lostProbe, call, place) < this.#veil.lostProbes) continue;
      const ms = this.#truth.callerMs(call, city, place);
      probes.set(
        this.#truth.places[place]!,
        ms * Math.exp(this.#veil.probeNoise * this.#field.at(DRAW.probe, call, place)),
      );
    }
    return probes.size === 0 ? undefined : probes;
  }

  #measurePaths(): void {
    const truth = this.#truth;
    for (let a = 0; a < truth.places.length; a++) {
      for (let b = a; b < truth.places.length; b++) {
        if (this.#field.share(DRAW.path, a, b) < this.#veil.missingPaths) continue;
        const p50 = truth.dayPathMs(a, b) * Math.exp(this.#veil.pathNoise * this.#field.at(DRAW.path, a, b));
        const p95 = p50 * Math.exp(truth.pathSigma(a, b) * Z95);
        this.paths.measure({ from: truth.places[a]!, to: truth.places[b]!, p50, p95, atMs: 0 });
      }
    }
  }

  #measured(endpoint: AiEndpoint, index: number): AiEndpoint {
    if (this.#field.share(DRAW.service, index) < this.#veil.missingServices) return endpoint;
    const ms = this.#truth.dayServiceMs(this.#truth.endpointIndex(endpoint));
    const p50 = ms * Math.exp(this.#veil.serviceNoise * this.#field.at(DRAW.service, index));
    return { ...endpoint, p50, p95: (p50 * endpoint.p95) / endpoint.p50, source: 'measured' };
  }
}
