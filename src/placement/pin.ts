/**
 * Residency pins: the places that a session's data may touch. Several pins hold together: what satisfies all of them.
 * Owns their meaning; where pins come from and what is checked against them is placement's and the egress guard's.
 */
import { AntipodeError } from '../errors.ts';
import type { Region, Regions } from './regions.ts';

/** One pin and who asked for it, such as `policy`, `request`, `token` or `agent`. */
export interface Pin {
  /** Lower case: jurisdictions, countries, regions; any of them satisfies it. */
  readonly places: readonly string[];
  readonly from: string;
}

const PLACE = /^[a-z0-9][a-z0-9._-]{0,63}$/;
const MAX_PLACES = 32;
const MAX_PINS = 8;

/**
 * A pin from its text: names of jurisdictions (`eu`, `eea`, `us`), countries (`de`) and regions (`eu-central-1`), with
 * commas between.
 * @throws ERR_REQUEST_MALFORMED
 */
export function parsePin(text: string, from: string): Pin {
  const places = text
    .toLowerCase()
    .split(',')
    .map((place) => place.trim());
  if (places.length > MAX_PLACES || places.some((place) => !PLACE.test(place))) {
    throw new AntipodeError(
      'ERR_REQUEST_MALFORMED',
      `A pin is up to ${MAX_PLACES} places with commas between, such as "eu" or "de,fr"; "${text.slice(0, 80)}" is none.`,
      { path: 'residency' },
    );
  }
  return { places: [...new Set(places)], from };
}

/**
 * Pins that hold together, from their text: `eu & de,fr` is the EU, and Germany or France.
 * @throws ERR_REQUEST_MALFORMED
 */
export function parsePins(text: string, from: string): Pin[] {
  const parts = text.split('&').slice(0, MAX_PINS + 1);
  if (parts.length > MAX_PINS) {
    throw new AntipodeError('ERR_REQUEST_MALFORMED', `At most ${MAX_PINS} pins hold together.`, { path: 'residency' });
  }
  return parts.map((part) => parsePin(part, from));
}

/** The text of pins that hold together, each once, which `parsePins` reads; null for none. */
export function pinsText(pins: readonly Pin[]): string | null {
  const texts = new Set(pins.map(({ places }) => places.join(',')));
  return texts.size === 0 ? null : [...texts].join('&');
}

/** Whether a pin allows a region. What nobody knows the law of is allowed by its own name only. */
export function pinAllows(pin: Pin, region: Region | null, name: string): boolean {
  return pin.places.some((place) => {
    if (place === name.toLowerCase()) return true;
    if (region === null) return false;
    if (place === 'eu') return region.inEu;
    if (place === 'eea') return region.inEea;
    return place === region.jurisdiction.toLowerCase() || place === region.country.toLowerCase();
  });
}

/** The first pin that does not allow the region, or null. */
export function forbiddingPin(pins: readonly Pin[], region: Region | null, name: string): Pin | null {
  return pins.find((pin) => !pinAllows(pin, region, name)) ?? null;
}

/** Two pins that no known region satisfies together, or null. */
export function contradiction(pins: readonly Pin[], regions: Regions): readonly [Pin, Pin] | null {
  for (const [index, first] of pins.entries()) {
    for (const second of pins.slice(index + 1)) {
      const both = regions.all.some(
        (region) => pinAllows(first, region, region.code) && pinAllows(second, region, region.code),
      );
      const byName = first.places.some((place) => second.places.includes(place));
      if (!both && !byName) return [first, second];
    }
  }
  return null;
}

/** For people. */
export function pinInWords({ places, from }: Pin): string {
  return `"${places.join(',')}" (${from})`;
}
