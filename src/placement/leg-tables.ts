/**
 * The legs of an agent as each core region sees them: for each leg the best endpoint that the pins and the policy allow,
 * or why there is none. Computed once for an agent's legs and a set of pins, then looked up.
 */
import type { AiEndpoint } from './endpoint.ts';
import type { PathBook, PathEstimate } from './paths.ts';
import { forbiddingPin, type Pin, pinInWords } from './pin.ts';
import type { Exclusion, LegChoice, PlanLeg } from './plan-types.ts';
import type { Policy } from './policy.ts';
import type { Regions } from './regions.ts';

/** The legs of an agent seen from one core region, under some pins. */
export interface LegTable {
  readonly choices: readonly LegChoice[];
  readonly p50: number;
  /** Sum of the squared distances from p50 to p95. */
  readonly spread: number;
  readonly cents: number | null;
  readonly excluded: Exclusion | null;
}

/** Tables that are kept for pins and legs that come again. */
export const MAX_TABLES = 1_000;
/** Addresses of one service that a session may fall back to. */
const MAX_ALLOWED_OF_SERVICE = 2;
/** A program on the core itself is called without a network. */
const NO_PATH: PathEstimate = { p50: 0, p95: 0, source: 'distance', ageMs: null };

export interface LegTablesOptions {
  regions: Regions;
  paths: PathBook;
  endpoints: readonly AiEndpoint[];
  policy: Policy;
  /** Names of the core regions, in the order of the tables. */
  cores: readonly string[];
  nowMs: number;
}

export class LegTables {
  readonly #options: LegTablesOptions;
  readonly #endpoints: ReadonlyMap<string, readonly AiEndpoint[]>;
  readonly #tables = new WeakMap<readonly PlanLeg[], Map<string, readonly LegTable[]>>();

  constructor(options: LegTablesOptions) {
    this.#options = options;
    const { blocked } = options.policy.endpoints;
    const usable = options.endpoints.filter(({ id, service }) => !blocked.includes(id) && !blocked.includes(service));
    this.#endpoints = Map.groupBy(usable, ({ kind, service }) => `${kind} ${service}`);
  }

  /** One table a core region; the same arrays of legs and the same pins are looked up. */
  of(legs: readonly PlanLeg[], pins: readonly Pin[]): readonly LegTable[] {
    let byPins = this.#tables.get(legs);
    if (byPins === undefined) {
      byPins = new Map();
      this.#tables.set(legs, byPins);
    }
    const key = pinsKey(pins);
    let tables = byPins.get(key);
    if (tables === undefined) {
      tables = this.#options.cores.map((core) => this.#legTable(legs, pins, core));
      if (byPins.size >= MAX_TABLES) byPins.clear();
      byPins.set(key, tables);
    }
    return tables;
  }

  /**
   * The endpoints that a session at this core may use at all, for a service that fails: of each service the nearest
   * allowed ones, those of `chosen` before the others.
   */
  allowed(pins: readonly Pin[], core: string, chosen: readonly LegChoice[]): readonly AiEndpoint[] {
    const { paths, nowMs } = this.#options;
    const away = ({ place }: AiEndpoint) => (place === 'local' ? 0 : paths.between(core, place, nowMs).p50);
    const rest = [...this.#endpoints.values()].flatMap((endpoints) =>
      endpoints
        .filter((endpoint) => endpoint.kind !== 'tool' && this.#endpointAllowed(endpoint, pins))
        .toSorted((a, b) => away(a) - away(b))
        .slice(0, MAX_ALLOWED_OF_SERVICE),
    );
    return [...new Set([...chosen.map(({ endpoint }) => endpoint), ...rest])];
  }

  /** Servers of tools that a session may reach. */
  allowedTools(pins: readonly Pin[]): readonly AiEndpoint[] {
    const all = [...this.#endpoints.values()].flat();
    return all.filter((endpoint) => endpoint.kind === 'tool' && this.#endpointAllowed(endpoint, pins));
  }

  #legTable(legs: readonly PlanLeg[], pins: readonly Pin[], core: string): LegTable {
    const choices: LegChoice[] = [];
    let spread = 0;
    let cents: number | null = null;
    const lacking: Exclusion[] = [];
    for (const leg of legs) {
      const choice = this.#bestEndpoint(leg, pins, core);
      if ('code' in choice) {
        lacking.push(choice);
        continue;
      }
      choices.push(choice);
      spread += leg.k * this.#trip(choice.endpoint, core).spread;
      if (choice.endpoint.centsPerMinute !== null) cents = (cents ?? 0) + choice.endpoint.centsPerMinute;
    }
    const reason = [...new Set(lacking.map((each) => each.reason))].join('; ');
    const excluded = lacking[0] === undefined ? null : { ...lacking[0], reason };
    return { choices, p50: choices.reduce((sum, choice) => sum + choice.p50, 0), spread, cents, excluded };
  }

  #bestEndpoint(leg: PlanLeg, pins: readonly Pin[], core: string): LegChoice | Exclusion {
    const offered = leg.services.flatMap((service) => this.#endpoints.get(`${leg.kind} ${service}`) ?? []);
    if (offered.length === 0) {
      const reason = `no endpoint is known for ${leg.kind} by ${leg.services.join(' or ') || 'any service'}`;
      return { code: 'endpoint-missing', reason, leg: leg.kind };
    }
    let best: LegChoice | null = null;
    let bestScore = Number.POSITIVE_INFINITY;
    for (const endpoint of offered) {
      if (!this.#endpointAllowed(endpoint, pins)) continue;
      const isLocal = endpoint.place === 'local' || endpoint.place === core;
      const { path, spread, ...trip } = this.#trip(endpoint, core);
      const p50 = leg.k * trip.p50;
      const tail = Math.sqrt(leg.k * spread);
      const score = p50 + this.#options.policy.objective.tailWeight * tail - (isLocal ? 1e-6 : 0);
      if (score >= bestScore) continue;
      bestScore = score;
      best = { leg, endpoint, path, p50 };
    }
    if (best !== null) return best;
    const pin = pins.map(pinInWords).join(' and ');
    const classes = offered.map(({ id, residency }) => `${id} (${residency})`).join(', ');
    const reason = `no endpoint for ${leg.kind} is promised to keep data within ${pin}: there are ${classes}`;
    return { code: 'endpoint-residency', reason, leg: leg.kind };
  }

  /** One round trip: as it was measured from there, else the path and the service's time. */
  #trip(endpoint: AiEndpoint, core: string): { path: PathEstimate | null; p50: number; spread: number } {
    const seen = endpoint.measured?.from.find((each) => each.core === core);
    if (seen !== undefined) return { path: null, p50: seen.p50, spread: spreadOf(seen) };
    const { paths, nowMs } = this.#options;
    const path = endpoint.place === 'local' ? NO_PATH : paths.between(core, endpoint.place, nowMs);
    return { path, p50: path.p50 + endpoint.p50, spread: spreadOf(path) + spreadOf(endpoint) };
  }

  #endpointAllowed(endpoint: AiEndpoint, pins: readonly Pin[]): boolean {
    if (pins.length === 0 || endpoint.region === 'local') return true;
    const promised =
      endpoint.residency === 'pinned' ||
      (endpoint.residency === 'best-effort' && this.#options.policy.residency.acceptBestEffort);
    if (!promised) return false;
    const region = this.#options.regions.get(endpoint.region);
    if (region !== null) return forbiddingPin(pins, region, endpoint.region) === null;
    // A promise of a whole jurisdiction satisfies a pin to all of it, not to one country in it.
    const names = endpoint.region === 'eu' ? ['eu', 'eea'] : [endpoint.region];
    return pins.every((pin) => names.some((name) => pin.places.includes(name)));
  }
}

export function spreadOf({ p50, p95 }: { readonly p50: number; readonly p95: number }): number {
  return (p95 - p50) ** 2;
}

export function pinsKey(pins: readonly Pin[]): string {
  let key = '';
  for (const { places } of pins) key += `${places.join(',')};`;
  return key;
}
