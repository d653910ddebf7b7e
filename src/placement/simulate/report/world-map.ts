/** The report's map: callers by country, where their sessions run, and where the models stand. No coasts: places alone. */
import type { PlaceResult, SimulationResult } from '../simulation-result.ts';
import { at, count, escaped, milliseconds } from './markup.ts';

/** Plate carrée: three units a degree, without the poles, where nobody calls from. */
const UNITS = 3;
const NORTH = 72;
const SOUTH = -52;
const WIDTH = 360 * UNITS;
const HEIGHT = (NORTH - SOUTH) * UNITS;
const STEPS = 5;
/** Thinner flows than this share of all sessions are not drawn. */
const LEAST_FLOW = 0.0004;
/** Regions named on a phone's map too. */
const MAJOR_LABELS = 4;

interface Point {
  readonly x: number;
  readonly y: number;
}

export function worldMap(result: SimulationResult): string {
  const ours = result.rules[0]!;
  const limits = stepLimits(ours.byCountry.flatMap(({ latencyMs }) => latencyMs.p50 ?? []));
  const places = new Map(result.places.map((place) => [place.region, place]));
  const homes = new Map<string, Point>();
  for (const [country, cities] of Map.groupBy(result.cities, (city) => city.country)) {
    const mean = (pick: (city: (typeof cities)[number]) => number) =>
      cities.reduce((sum, city) => sum + pick(city), 0) / cities.length;
    homes.set(
      country,
      point(
        mean(({ lat }) => lat),
        mean(({ lon }) => lon),
      ),
    );
  }
  const countries = ours.byCountry.filter(({ placed }) => placed > 0).toSorted((a, b) => b.placed - a.placed);

  const flows = countries.flatMap(({ country, regions, name }) =>
    regions
      .filter(({ sessions }) => sessions >= LEAST_FLOW * result.sessions)
      .map(({ region, sessions }) =>
        flow(
          homes.get(country)!,
          places.get(region)!,
          sessions / result.sessions,
          `${name} to ${region}: ${count(sessions)} sessions`,
        ),
      ),
  );
  const callers = countries.map(({ country, name, placed, latencyMs }) => {
    const { x, y } = homes.get(country)!;
    const radius = 2 + 34 * Math.sqrt(placed / result.sessions);
    const title = `${name}: ${count(placed)} sessions, p50 ${milliseconds(latencyMs.p50)} ms, p95 ${milliseconds(latencyMs.p95)} ms`;
    return `<circle cx="${at(x)}" cy="${at(y)}" r="${at(radius)}" fill="var(--step-${stepOf(latencyMs.p50, limits)})" fill-opacity=".72" stroke="var(--sea)"><title>${escaped(title)}</title></circle>`;
  });
  const pops = result.pops.map((place) =>
    mark(
      place,
      ({ x, y }) =>
        `<circle cx="${at(x)}" cy="${at(y)}" r="2.2" fill="none" stroke="var(--soft)"><title>POP ${escaped(place.region)}</title></circle>`,
    ),
  );
  const models = result.inference.map((place) =>
    mark(
      place,
      ({ x, y }) =>
        `<path class="mark" d="M${at(x)} ${at(y - 12)}l12 12-12 12-12-12z" fill="none" stroke="var(--nearest-inference)" stroke-width="1.6"><title>Models in ${escaped(place.city)}</title></path>`,
    ),
  );
  const most = Math.max(1, ...ours.byRegion.map(({ peak }) => peak));
  const busy = ours.byRegion.toSorted((a, b) => b.peak - a.peak);
  const neighbors = result.places.flatMap(({ lat, lon }) => (lat === null || lon === null ? [] : point(lat, lon)));
  const cores = busy.map(({ region, peak, capacity }, rank) => {
    const place = places.get(region)!;
    const side = 5 + 9 * Math.sqrt(peak / most);
    return mark(place, ({ x, y }) => {
      const words = `${place.city} (${region}): at most ${count(peak)} of ${count(capacity)} sessions`;
      const gone = region === result.lost?.region;
      const square = `<rect class="mark" x="${at(x - side / 2)}" y="${at(y - side / 2)}" width="${at(side)}" height="${at(side)}" rx="1.5" fill="${peak > 0 ? 'var(--ink)' : 'var(--sea)'}" stroke="${gone ? 'var(--bad)' : 'var(--ink)'}" stroke-width="${gone ? 2.5 : 1.2}"><title>${escaped(words)}</title></rect>`;
      const isEast =
        x > WIDTH - 110 || neighbors.some((other) => other.x > x && other.x < x + 80 && Math.abs(other.y - y) < 16);
      const label = `<text class="${rank < MAJOR_LABELS && peak > 0 ? 'major' : 'minor'}" x="${at(x + (isEast ? -15 : 15))}" y="${at(y + 4)}" text-anchor="${isEast ? 'end' : 'start'}">${escaped(place.city)}</text>`;
      return square + label;
    });
  });
  return `<figure><div class="map"><svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="Map of callers and core regions">${graticule()}<g fill="none" stroke="var(--antipode)" stroke-linecap="round">${flows.join('')}</g>${callers.join('')}${pops.join('')}${models.join('')}${cores.join('')}</svg></div>
${legend(limits)}
<figcaption>Each country’s callers stand amid its cities, the disc as large as they are many; the lines go to the cores that their sessions run on. The grid is every 30 degrees.</figcaption></figure>`;
}

function legend(limits: readonly number[]): string {
  const steps = Array.from({ length: STEPS }, (_, index) => {
    const from = limits[index - 1];
    const to = limits[index];
    const words =
      from === undefined
        ? `up to ${milliseconds(to ?? null)} ms`
        : to === undefined
          ? `above ${milliseconds(from)} ms`
          : `to ${milliseconds(to)} ms`;
    return `<li><i style="background:var(--step-${index + 1})"></i>${words}</li>`;
  });
  return `<ul class="legend"><li>Callers, p50:</li>${steps.join('')}<li><i class="square" style="background:var(--ink)"></i>cores</li><li><i style="border:1px solid var(--soft)"></i>POPs</li><li><i class="diamond" style="border:2px solid var(--nearest-inference)"></i>models</li></ul>`;
}

/** Limits between five steps that hold about as many countries each, to ten milliseconds. */
function stepLimits(values: readonly number[]): number[] {
  const sorted = values.toSorted((a, b) => a - b);
  const limits = Array.from({ length: STEPS - 1 }, (_, index) => {
    const value = sorted[Math.floor(((index + 1) / STEPS) * sorted.length)] ?? 0;
    return Math.round(value / 10) * 10;
  });
  return [...new Set(limits)];
}

function stepOf(value: number | null, limits: readonly number[]): number {
  const step = limits.findIndex((limit) => (value ?? 0) <= limit);
  return step === -1 ? STEPS : step + 1;
}

function flow(from: Point, place: PlaceResult, share: number, title: string): string {
  return mark(place, (to) => {
    // Bent toward the pole that is nearer, as the great circle is.
    const lift = Math.hypot(to.x - from.x, to.y - from.y) * 0.18;
    const isNorth = (from.y + to.y) / 2 < NORTH * UNITS;
    const x = (from.x + to.x) / 2;
    const y = (from.y + to.y) / 2 + (isNorth ? -lift : lift);
    const width = 0.6 + 26 * share;
    const opacity = Math.min(0.6, 0.14 + 5 * share);
    return `<path d="M${at(from.x)} ${at(from.y)}Q${at(x)} ${at(y)} ${at(to.x)} ${at(to.y)}" stroke-width="${at(width)}" stroke-opacity="${opacity.toFixed(2)}"><title>${escaped(title)}</title></path>`;
  });
}

function mark(place: PlaceResult, draw: (at: Point) => string): string {
  return place.lat === null || place.lon === null ? '' : draw(point(place.lat, place.lon));
}

function point(lat: number, lon: number): Point {
  return { x: (lon + 180) * UNITS, y: (NORTH - lat) * UNITS };
}

function graticule(): string {
  const lines: string[] = [];
  for (let lon = -150; lon < 180; lon += 30) {
    const { x } = point(0, lon);
    lines.push(`<path d="M${x} 0V${HEIGHT}" stroke="var(--grid)"/>`);
    lines.push(
      `<text class="degrees" x="${x + 3}" y="${HEIGHT - 4}">${Math.abs(lon)}°${lon < 0 ? 'W' : lon > 0 ? 'E' : ''}</text>`,
    );
  }
  for (const lat of [60, 30, 0, -30]) {
    const { y } = point(lat, 0);
    lines.push(`<path d="M0 ${y}H${WIDTH}" stroke="var(--grid)" stroke-width="${lat === 0 ? 1.8 : 1}"/>`);
    lines.push(
      `<text class="degrees" x="4" y="${y - 3}">${Math.abs(lat)}°${lat < 0 ? 'S' : lat > 0 ? 'N' : ''}</text>`,
    );
  }
  return lines.join('');
}
