/**
 * What cores measured of AI services, and what placement makes of it: the time of each endpoint without the path, for
 * cores that have not asked it, and with the path for those that have. Owns which measurement is of which endpoint, what
 * of it is believed, and how much it counts beside what was known before; measures nothing.
 */
import type { AiEndpoint, SeenFrom } from './endpoint.ts';
import { spreadOf } from './leg-tables.ts';
import { lightMs, measurementBounds, type PathBook, type PathEstimate } from './paths.ts';
import type { MeasurementResult } from './placement-metrics.ts';
import { distanceKm, type Regions } from './regions.ts';
import { type MeasuringNode, type ToldService, ToldServices } from './told-services.ts';
import { weightedMedian } from './weighted-median.ts';

/** From so many requests on what was known before counts nothing; of fewer each counts a twentieth. */
export const ENOUGH_RUNS = 20;
/** Nobody measured or published an assumed time: a measurement may be this far from it. */
const ASSUMED_BOUNDS = { lowest: 0.1, highest: 10, slackMs: 20 } as const;
/** How far off the path between may be, of itself, when it is taken out of what was measured over it. */
const PATH_ERROR_SHARE = 0.1;
export interface MeasuredServicesOptions {
  /** Told once of each new figure that is used or refused. */
  onJudged(result: MeasurementResult, figure: Readonly<Record<string, unknown>>): void;
}

export interface ServiceWorld {
  readonly regions: Regions;
  readonly paths: PathBook;
  readonly nowMs: number;
  /** Older measurements do not count. */
  readonly ttlMs: number;
}

/** What one core region saw of one endpoint, bounded. */
interface Seen {
  readonly core: string;
  readonly p50: number;
  readonly p95: number;
  readonly count: number;
  readonly ageMs: number;
  readonly path: PathEstimate;
}

export class MeasuredServices {
  readonly #options: MeasuredServicesOptions;
  readonly #told = new ToldServices();

  constructor(options: MeasuredServicesOptions) {
    this.#options = options;
  }

  /** Take in what the records tell that were read at `readAtMs`. What a core that is gone has told stays until it is old. */
  take(nodes: readonly MeasuringNode[], readAtMs: number): void {
    this.#told.take(nodes, readAtMs);
  }

  /** The same endpoints, with what was measured of them. */
  apply(endpoints: readonly AiEndpoint[], world: ServiceWorld): AiEndpoint[] {
    const figures = this.#told.since(world.nowMs - world.ttlMs).filter((figure) => this.#isFigure(figure));
    if (figures.length === 0) return [...endpoints];
    const told = Map.groupBy(figures, ({ endpoint }) => endpoint);
    const byService = Map.groupBy(endpoints, ({ kind, service }) => `${kind} ${service}`);
    return endpoints.map((endpoint) => {
      const { id, kind, service, model } = endpoint;
      const isOnly = byService.get(`${kind} ${service}`)!.length === 1;
      // Where no region is told it is an address of one's own, or the only one that there is.
      const others = (isOnly && told.get(`${kind} ${service}@own`)) || [];
      const all = [...(told.get(`${kind} ${id}`) ?? []), ...others.filter((each) => each.told.region === null)];
      const own = [...new Set(all)].filter((each) => !model || each.told.model === null || each.told.model === model);
      return own.length === 0 || kind === 'tool' ? endpoint : this.#measured(endpoint, own, world);
    });
  }

  #isFigure(figure: ToldService): boolean {
    const { p50Ms, p95Ms, count, ageMs } = figure.told;
    const areNumbers = [p50Ms, p95Ms, count, ageMs].every((value) => Number.isFinite(value) && value >= 0);
    const isFigure = areNumbers && p50Ms > 0 && p95Ms >= p50Ms && count > 0;
    if (!isFigure) this.#judge(figure, 'refused');
    return isFigure;
  }

  #measured(endpoint: AiEndpoint, kept: readonly ToldService[], world: ServiceWorld): AiEndpoint {
    const from = [...Map.groupBy(kept, ({ core }) => core)].map(([core, all]) =>
      this.#seenFrom(endpoint, core, all, world),
    );
    const weights = from.map(weightOf);
    const count = sum(from.map((each) => each.count));
    const own = weightedMedian(
      from.map(({ p50, path }) => Math.max(0, p50 - path.p50)),
      weights,
    );
    const spread = weightedMedian(
      from.map((each) => Math.max(0, spreadOf(each) - spreadOf(each.path))),
      weights,
    );
    const confidence = confidenceOf(count);
    const { p50, p95 } = blended({ p50: own, p95: own + Math.sqrt(spread) }, endpoint, confidence);
    const ageMs = Math.min(...from.map((each) => each.ageMs));
    return {
      ...endpoint,
      p50,
      p95,
      source: 'measured',
      measured: {
        ...{ count, ageMs, confidence },
        before: { p50: endpoint.p50, p95: endpoint.p95, source: endpoint.source },
        from: from.map((each) => withPrior(each, endpoint, world)),
      },
    };
  }

  /** What the cores of a region saw, one figure. */
  #seenFrom(endpoint: AiEndpoint, core: string, all: readonly ToldService[], world: ServiceWorld): Seen {
    const path = pathTo(endpoint, core, world);
    const light = lightTo(endpoint, core, world);
    const { lowest, highest } = boundsOf(endpoint, endpoint.p50 + path.p50, light);
    const bounded = all.map((kept) => {
      const { p50Ms, p95Ms } = kept.told;
      const p50 = Math.min(highest, Math.max(lowest, p50Ms));
      const p95 = Math.max(p50, Math.min(p95Ms, 2 * highest));
      this.#judge(kept, p50 === p50Ms && p95 === p95Ms ? 'kept' : 'bounded');
      return { p50, p95, count: kept.told.count, ageMs: Math.max(0, world.nowMs - kept.atMs), kept };
    });
    const weights = bounded.map(({ count }) => count);
    const connect = weightedMedian(
      bounded.flatMap(({ kept }) => kept.told.connectMs ?? []),
      bounded.flatMap(({ kept, count }) => (kept.told.connectMs === null ? [] : [count])),
    );
    return {
      core,
      p50: weightedMedian(
        bounded.map(({ p50 }) => p50),
        weights,
      ),
      p95: weightedMedian(
        bounded.map(({ p95 }) => p95),
        weights,
      ),
      count: sum(weights),
      ageMs: Math.min(...bounded.map(({ ageMs }) => ageMs)),
      path: believable(connect, path, light),
    };
  }

  #judge(figure: ToldService, result: MeasurementResult): void {
    if (figure.judged) return;
    figure.judged = true;
    this.#options.onJudged(result, { core: figure.core, ...figure.told });
  }
}

/** The figure with its path, for cores of that region: few requests leave room for what was known before. */
function withPrior({ core, path: _, ...seen }: Seen, endpoint: AiEndpoint, world: ServiceWorld): SeenFrom {
  const path = pathTo(endpoint, core, world);
  const prior = endpoint.p50 + path.p50;
  const known = { p50: prior, p95: prior + Math.sqrt(spreadOf(endpoint) + spreadOf(path)) };
  return { core, ...blended(seen, known, confidenceOf(seen.count)), count: seen.count, ageMs: seen.ageMs };
}

interface Times {
  readonly p50: number;
  readonly p95: number;
}

function blended(measured: Times, known: Times, confidence: number): Times {
  const of = (a: number, b: number) => confidence * a + (1 - confidence) * b;
  return { p50: of(measured.p50, known.p50), p95: of(measured.p95, known.p95) };
}

/** The share that so many requests have beside what was known before. */
export function confidenceOf(count: number): number {
  return Math.min(1, count / ENOUGH_RUNS);
}

/**
 * How well a region's figure tells the time without the path: the inverse of its variance. A median of n has 1.57 times
 * the variance of a mean; p95 lies 1.645 standard deviations above the middle.
 */
function weightOf(seen: Seen): number {
  const ofMedian = (1.57 * spreadOf(seen)) / 1.645 ** 2 / Math.max(1, seen.count);
  return 1 / (1 + ofMedian + (PATH_ERROR_SHARE * seen.path.p50) ** 2);
}

function boundsOf({ source }: AiEndpoint, priorMs: number, light: number): { lowest: number; highest: number } {
  if (source !== 'assumed') return measurementBounds(priorMs, light);
  const { lowest, highest, slackMs } = ASSUMED_BOUNDS;
  return {
    lowest: Math.max(light, priorMs * lowest - slackMs),
    highest: Math.max(light, priorMs * highest + slackMs),
  };
}

/**
 * The time to open a connection is the path, unless it is too short for it: then the connection ends at an edge of the
 * service's network, and the rest of the way is in the service's time.
 */
function believable(connectMs: number, path: PathEstimate, light: number): PathEstimate {
  const { lowest, highest } = measurementBounds(path.p50, light);
  if (!(connectMs > 0 && connectMs >= lowest && connectMs <= highest)) return path;
  return { p50: connectMs, p95: connectMs + (path.p95 - path.p50), source: 'measured', ageMs: null };
}

const NO_PATH: PathEstimate = { p50: 0, p95: 0, source: 'distance', ageMs: null };

function pathTo({ place }: AiEndpoint, core: string, { paths, nowMs }: ServiceWorld): PathEstimate {
  return place === 'local' ? NO_PATH : paths.between(core, place, nowMs);
}

function lightTo({ place }: AiEndpoint, core: string, { regions }: ServiceWorld): number {
  const a = regions.get(core);
  const b = regions.get(place);
  return a === null || b === null ? 0 : lightMs(distanceKm(a, b));
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
