/**
 * Round-trip times between regions, each with its source: a live measurement, else an operator's figure, else the
 * shipped matrix, else distance; where nobody knows a region, an assumption. Measurements age out; one that is faster
 * than light, or absurd against what is known, is bounded. Owns figures and their rank; who measures is elsewhere.
 */
import { readFileSync } from 'node:fs';
import { AntipodeError } from '../errors.ts';
import { hasQualityMoved, haveTimesMoved } from './material.ts';
import type { PathQuality } from './path-quality.ts';
import { type Coordinates, distanceKm, type Region, type Regions } from './regions.ts';

export const PATH_SOURCES = ['measured', 'operator', 'matrix', 'distance', 'assumed'] as const;
export type PathSource = (typeof PATH_SOURCES)[number];

export interface PathEstimate extends PathQuality {
  /** Round trip, ms. */
  readonly p50: number;
  readonly p95: number;
  readonly source: PathSource;
  /** Of a measurement; null otherwise. */
  readonly ageMs: number | null;
}

/** A measured path, as a node tells it. */
export interface PathMeasurement extends PathQuality {
  readonly from: string;
  readonly to: string;
  readonly p50: number;
  readonly p95: number;
  /** Clock.now of whoever keeps the book, not of whoever measured: clocks disagree. */
  readonly atMs: number;
}

export interface PathBookOptions {
  regions: Regions;
  /** Measurements count for this long. */
  measurementTtlMs?: number;
  /** `from,to,p50_ms,p90_ms` with a header; @defaultValue the shipped AWS matrix */
  matrixCsv?: string;
}

export const PATH_BOOK_DEFAULTS = { measurementTtlMs: 600_000 } as const;

/** Light in fiber: 200 km a millisecond, there and back. */
const MIN_MS_PER_KM = 0.01;
/** A year of measurements between AWS regions: intercept, slope and how far p95 lies above p50 (data/SOURCES.md). */
const DISTANCE_MODEL = { interceptMs: 8, msPerKm: 0.016, p95Share: 1.35 } as const;
/** Normal quantiles: from the 90th to the 95th. */
const P95_OF_P90 = 1.6449 / 1.2816;
/** A measurement counts as far as this from what was known before. */
const PRIOR_BOUNDS = { lowest: 0.3, highest: 5, slackMs: 20 } as const;

export class PathBook {
  readonly #regions: Regions;
  readonly #ttlMs: number;
  readonly #matrix: ReadonlyMap<string, { p50: number; p95: number }>;
  readonly #operator = new Map<string, { p50: number; p95: number }>();
  readonly #measured = new Map<string, PathMeasurement>();
  /** Grows with each change: what was compiled from an older one is stale. */
  version = 0;

  constructor(options: PathBookOptions) {
    this.#regions = options.regions;
    this.#ttlMs = options.measurementTtlMs ?? PATH_BOOK_DEFAULTS.measurementTtlMs;
    this.#matrix = parseMatrix(options.matrixCsv ?? readFileSync(new URL('data/aws-rtt.csv', import.meta.url), 'utf8'));
  }

  /** An operator's figure, ms; counts both ways unless the other way is given too. */
  declare(from: string, to: string, p50: number, p95 = p50): void {
    this.#operator.set(key(from, to), { p50, p95: Math.max(p50, p95) });
    this.version += 1;
  }

  /**
   * Take a measurement in; answers with what was kept of it, or null when it was none: not finite, negative, or of a
   * region that nobody knows.
   */
  measure(measurement: PathMeasurement): PathEstimate | null {
    const { from, to, p50, p95, atMs } = measurement;
    const { jitterMs = null, loss = null } = measurement;
    if (![p50, p95, atMs].every(Number.isFinite) || p50 < 0 || p95 < p50) return null;
    if (!(jitterMs === null || jitterMs >= 0) || !(loss === null || (loss >= 0 && loss <= 1))) return null;
    if (this.#regions.get(from) === null || this.#regions.get(to) === null) return null;
    const prior = this.#withoutMeasurement(from, to);
    const { lowest, highest } = measurementBounds(prior.p50, this.#lightMs(from, to));
    const kept = Math.min(highest, Math.max(lowest, p50));
    const bounded = { ...measurement, p50: kept, p95: Math.max(kept, Math.min(p95, highest * 2)) };
    const before = this.#measured.get(key(from, to));
    this.#measured.set(key(from, to), bounded);
    // The same as before, or nearly, outdates nothing.
    const isNews =
      before === undefined ||
      atMs - before.atMs > this.#ttlMs ||
      haveTimesMoved(before, bounded) ||
      hasQualityMoved(before, bounded);
    if (isNews) this.version += 1;
    return { p50: bounded.p50, p95: bounded.p95, ...qualityOf(bounded), source: 'measured', ageMs: 0 };
  }

  /** Measurements that still count. */
  measurements(nowMs: number): PathMeasurement[] {
    return [...this.#measured.values()].filter(({ atMs }) => atMs <= nowMs + 1_000 && nowMs - atMs <= this.#ttlMs);
  }

  /** What is known of a path now. */
  between(from: string, to: string, nowMs: number): PathEstimate {
    for (const measured of [this.#measured.get(key(from, to)), this.#measured.get(key(to, from))]) {
      // A time to come is a clock that jumped.
      if (measured === undefined || measured.atMs > nowMs + 1_000) continue;
      const ageMs = Math.max(0, nowMs - measured.atMs);
      const { p50, p95 } = measured;
      if (ageMs <= this.#ttlMs) return { p50, p95, ...qualityOf(measured), source: 'measured', ageMs };
    }
    return this.#withoutMeasurement(from, to);
  }

  #withoutMeasurement(from: string, to: string): PathEstimate {
    const operator = this.#operator.get(key(from, to)) ?? this.#operator.get(key(to, from));
    if (operator) return { ...operator, source: 'operator', ageMs: null };
    const a = this.#regions.get(from);
    const b = this.#regions.get(to);
    const rowA = a?.matrixRow ?? null;
    const rowB = b?.matrixRow ?? null;
    const known =
      rowA !== null && rowB !== null ? (this.#matrix.get(key(rowA, rowB)) ?? this.#matrix.get(key(rowB, rowA))) : null;
    if (known) return { ...known, source: 'matrix', ageMs: null };
    return byDistance(a, b, from === to);
  }

  #lightMs(from: string, to: string): number {
    const a = this.#regions.get(from);
    const b = this.#regions.get(to);
    return a === null || b === null ? 0 : lightMs(distanceKm(a, b));
  }
}

/** Between which a measured round trip counts, ms: not faster than light, not absurd against what was known before. */
export function measurementBounds(priorMs: number, lightMs: number): { lowest: number; highest: number } {
  return {
    lowest: Math.max(lightMs, priorMs * PRIOR_BOUNDS.lowest - PRIOR_BOUNDS.slackMs),
    highest: Math.max(lightMs, priorMs * PRIOR_BOUNDS.highest + PRIOR_BOUNDS.slackMs),
  };
}

/** What a round trip over a distance takes by the model, ms. */
export function distanceMs(km: number): number {
  return DISTANCE_MODEL.interceptMs + DISTANCE_MODEL.msPerKm * km;
}

/** The round trip of light in fiber over a distance, ms. */
export function lightMs(km: number): number {
  return km * MIN_MS_PER_KM;
}

/** From somewhere on the globe to a region. */
export function pathFrom(place: Coordinates, region: Region, accessMs: number): PathEstimate {
  const { p50, p95 } = byDistance(place, region, false);
  // The access network is shared by both ends of the first intercept.
  return { p50: p50 + accessMs, p95: p95 + 2 * accessMs, source: 'distance', ageMs: null };
}

function byDistance(a: Coordinates | null, b: Coordinates | null, same: boolean): PathEstimate {
  if (same) return { p50: 2, p95: 4, source: 'distance', ageMs: null };
  // Nobody knows where one of them is: as far as the other side of the world.
  const km = a === null || b === null ? 20_000 : distanceKm(a, b);
  const p50 = distanceMs(km);
  const source = a === null || b === null ? 'assumed' : 'distance';
  return { p50, p95: p50 * DISTANCE_MODEL.p95Share, source, ageMs: null };
}

/** @throws ERR_CONFIG_INVALID naming the line: a hole is allowed, a figure that is none is not */
function parseMatrix(csv: string): Map<string, { p50: number; p95: number }> {
  const matrix = new Map<string, { p50: number; p95: number }>();
  const lines = csv.split(/\r?\n/);
  if (lines[0]?.trim() !== 'from,to,p50_ms,p90_ms') {
    throw new AntipodeError('ERR_CONFIG_INVALID', 'The matrix must begin with the line "from,to,p50_ms,p90_ms".');
  }
  for (const [index, line] of lines.entries()) {
    if (index === 0 || line.trim() === '') continue;
    const [from, to, p50Text, p90Text] = line.split(',').map((cell) => cell.trim());
    if (p50Text === '' && p90Text === '') continue;
    const p50 = Number(p50Text);
    const p90 = Number(p90Text);
    if (!from || !to || p50Text === '' || !Number.isFinite(p50) || !Number.isFinite(p90) || p50 < 0 || p90 < p50) {
      throw new AntipodeError(
        'ERR_CONFIG_INVALID',
        `The matrix's line ${index + 1} is no path: "${line.slice(0, 80)}".`,
        {
          path: `matrix.${index + 1}`,
        },
      );
    }
    matrix.set(key(from, to), { p50, p95: p50 + (p90 - p50) * P95_OF_P90 });
  }
  return matrix;
}

/** As far as it was measured. */
function qualityOf({ jitterMs = null, loss = null }: PathQuality): PathQuality {
  return { ...(jitterMs !== null && { jitterMs }), ...(loss !== null && { loss }) };
}

function key(from: string, to: string): string {
  return `${from.toLowerCase()} ${to.toLowerCase()}`;
}
