/**
 * geoip-lite's answer for an address. Importing this loads its database, some 110 MB in one synchronous go (60..190 ms
 * measured): a process with calls on its event loop does so in a thread (geoip-worker.ts).
 */
import { createRequire } from 'node:module';
import type { Coordinates } from './regions.ts';

/** The part of geoip-lite's answer that we read; it brings no types. */
interface GeoipAnswer {
  /** ISO 3166-1 alpha-2, empty when unknown. */
  country: string;
  city: string;
  /** Latitude and longitude. */
  ll?: readonly [number | null, number | null];
  /** Radius in kilometers. */
  area?: number;
}

export interface AddressPlace {
  readonly country: string | null;
  readonly city: string | null;
  /** The middle of the area that the address is known to be of. */
  readonly at: Coordinates | null;
  /** Kilometers around `at`, or null. */
  readonly withinKm: number | null;
}

/** An address that is known by its country alone may be anywhere in it; `at` is then the country's middle. */
const COUNTRY_WITHIN_KM = 2_500;

const require = createRequire(import.meta.url);
const geoip = require('geoip-lite') as { lookup(address: string): GeoipAnswer | null };

export function lookUp(address: string): AddressPlace {
  const answer = geoip.lookup(address);
  const [lat = null, lon = null] = answer?.ll ?? [];
  const at = lat === null || lon === null ? null : { lat, lon };
  const leastKm = answer?.city ? 0 : COUNTRY_WITHIN_KM;
  return {
    country: answer?.country || null,
    city: answer?.city || null,
    at,
    withinKm: at === null ? null : Math.max(answer?.area ?? 0, leastKm),
  };
}
