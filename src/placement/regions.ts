/**
 * Regions: where each is and under whose law, from the shipped data and from what an operator declares. Owns names,
 * coordinates and jurisdictions; measures nothing.
 */
import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { AntipodeError } from '../errors.ts';

const code = z.string().min(1).max(64);
const latitude = z.number().min(-90).max(90);
const longitude = z.number().min(-180).max(180);

/** A region that an operator declares: a place of one's own, or a correction of a shipped one. */
export const declaredRegionSchema = z.strictObject({
  city: z.string().min(1).max(100).optional(),
  /** ISO 3166-1 alpha-2. */
  country: z.string().regex(/^[A-Za-z]{2}$/, 'must be a country of two letters'),
  /** Whose law holds there, such as `EU` or `US`. */
  jurisdiction: z.string().min(2).max(16),
  lat: latitude,
  lon: longitude,
});
export type DeclaredRegion = z.infer<typeof declaredRegionSchema>;

export interface Region {
  readonly code: string;
  readonly city: string;
  /** Upper case, two letters. */
  readonly country: string;
  /** Upper case. */
  readonly jurisdiction: string;
  readonly inEu: boolean;
  readonly inEea: boolean;
  readonly lat: number;
  readonly lon: number;
  /** The region whose row of the matrix stands for this one; itself when it has one; null when there is none near. */
  readonly matrixRow: string | null;
}

/** A point on the globe, degrees. */
export interface Coordinates {
  readonly lat: number;
  readonly lon: number;
}

const shippedSchema = z.object({
  regions: z.array(
    z.object({
      code,
      city: z.string(),
      country: z.string(),
      jurisdiction: z.string(),
      eu: z.boolean(),
      eea: z.boolean(),
      lat: latitude,
      lon: longitude,
      inRttMatrix: z.boolean().default(false),
      rttProxy: z.string().optional(),
      rttProxyKm: z.number().optional(),
    }),
  ),
});

/** A matrix row stands for a region within this distance, no farther. */
const MAX_PROXY_KM = 1_000;

export class Regions {
  readonly #byCode: ReadonlyMap<string, Region>;

  private constructor(regions: Iterable<Region>) {
    this.#byCode = new Map([...regions].map((region) => [region.code.toLowerCase(), Object.freeze(region)]));
  }

  /** The shipped regions, with an operator's own beside and over them. */
  static load(declared: Readonly<Record<string, DeclaredRegion>> = {}): Regions {
    const text = readFileSync(new URL('data/regions.json', import.meta.url), 'utf8');
    const shipped = shippedSchema.parse(JSON.parse(text)).regions.map(
      (region): Region => ({
        code: region.code,
        city: region.city,
        country: region.country.toUpperCase(),
        jurisdiction: region.jurisdiction.toUpperCase(),
        inEu: region.eu,
        inEea: region.eea,
        lat: region.lat,
        lon: region.lon,
        matrixRow: region.inRttMatrix
          ? region.code
          : (region.rttProxyKm ?? Number.POSITIVE_INFINITY) <= MAX_PROXY_KM
            ? (region.rttProxy ?? null)
            : null,
      }),
    );
    const own = Object.entries(declared).map(([name, region]): Region => {
      const jurisdiction = region.jurisdiction.toUpperCase();
      const inEu = jurisdiction === 'EU';
      return {
        code: name,
        city: region.city ?? name,
        country: region.country.toUpperCase(),
        jurisdiction,
        inEu,
        inEea: inEu || ['IS', 'LI', 'NO'].includes(region.country.toUpperCase()),
        lat: region.lat,
        lon: region.lon,
        matrixRow: shipped.find((each) => each.code === name)?.matrixRow ?? null,
      };
    });
    return new Regions([...shipped, ...own]);
  }

  get all(): readonly Region[] {
    return [...this.#byCode.values()];
  }

  get(name: string): Region | null {
    return this.#byCode.get(name.toLowerCase()) ?? null;
  }

  /** @throws ERR_CONFIG_INVALID for a region that neither the data nor the operator knows, with the nearest name */
  require(name: string, path: string): Region {
    const region = this.get(name);
    if (region !== null) return region;
    const near = nearestWord(
      name,
      this.all.map((each) => each.code),
    );
    throw new AntipodeError(
      'ERR_CONFIG_INVALID',
      `${path}: nobody knows the region "${name}"${near === null ? '' : ` (did you mean "${near}"?)`}. ` +
        'Declare it under "regions" with its country, jurisdiction and coordinates.',
      { path },
    );
  }
}

const EARTH_RADIUS_KM = 6_371;

/** Great circle, kilometers. */
export function distanceKm(a: Coordinates, b: Coordinates): number {
  const rad = Math.PI / 180;
  const dLat = (b.lat - a.lat) * rad;
  const dLon = (b.lon - a.lon) * rad;
  const h = Math.sin(dLat / 2) ** 2 + Math.cos(a.lat * rad) * Math.cos(b.lat * rad) * Math.sin(dLon / 2) ** 2;
  return 2 * EARTH_RADIUS_KM * Math.asin(Math.min(1, Math.sqrt(h)));
}

/** The word that is fewest edits away, when that is few for its length; null otherwise. */
export function nearestWord(word: string, words: readonly string[]): string | null {
  let best: string | null = null;
  let bestEdits = Math.min(Math.max(2, Math.floor(word.length / 3)), word.length - 1) + 1;
  for (const candidate of words) {
    const edits = editsBetween(word.toLowerCase(), candidate.toLowerCase());
    if (edits >= bestEdits) continue;
    bestEdits = edits;
    best = candidate;
  }
  return best;
}

/** Levenshtein's distance. */
function editsBetween(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, row[j]! + 1, next[j - 1]! + 1));
    }
    row = next;
  }
  return row[b.length]!;
}
