/**
 * The rules that go by the map, for comparison: nearest to the caller, nearest to inference, and one region for media
 * and agent. They hold the pins, spill to the next place by their own measure when one is full, and use the same
 * endpoint of each leg from a core as placement does: what differs is the place alone.
 */
import { LegTables } from '../leg-tables.ts';
import { forbiddingPin, type Pin } from '../pin.ts';
import type { PlanLeg, RefusalCode } from '../plan-types.ts';
import type { Policy } from '../policy.ts';
import { type Coordinates, distanceKm, type Regions } from '../regions.ts';
import type { Fleet, Seats, Site } from './fleet.ts';
import type { Knowledge } from './knowledge.ts';
import type { City } from './population.ts';
import type { CallToPlace, Placed, Rule, RuleName } from './rule.ts';

export interface MapRuleOptions {
  name: Exclude<RuleName, 'antipode'>;
  fleet: Fleet;
  knowledge: Knowledge;
  policy: Policy;
  regions: Regions;
  legs: readonly PlanLeg[];
  cities: readonly City[];
}

/** Places of a city under its pins, in the order in which they are tried. */
interface Order {
  readonly pops: readonly Site[];
  readonly cores: readonly number[];
}

/** Above this load LiveKit's selector passes a node by (node_selector.sysload_limit). */
const MAP_DISTANCE_LOAD = 0.9;

export class MapRule implements Rule {
  readonly name: RuleName;
  readonly #options: MapRuleOptions;
  readonly #tables: LegTables;
  readonly #orders = new Map<readonly Pin[], (Order | undefined)[]>();

  constructor(options: MapRuleOptions) {
    this.name = options.name;
    this.#options = options;
    const { knowledge, policy, regions, fleet } = options;
    const cores = fleet.cores.map(({ region }) => region);
    this.#tables = new LegTables({
      regions,
      policy,
      cores,
      paths: knowledge.paths,
      endpoints: knowledge.endpoints,
      nowMs: 0,
    });
  }

  startMinute(): void {}

  place({ city, pins, popNode }: CallToPlace, seats: Seats): Placed | RefusalCode {
    const { fleet, legs, policy } = this.#options;
    if (fleet.cores.length === 0 || fleet.pops.length === 0) return 'ERR_PLACEMENT_NO_CORE';
    const order = this.#orderOf(city, pins);
    if (order.cores.length === 0 || order.pops.length === 0) return 'ERR_PLACEMENT_RESIDENCY';
    const oneRegion = this.name === 'map-distance';
    for (const core of order.cores) {
      const site = fleet.cores[core]!;
      const coreNode = seats.leastLoaded(site, oneRegion ? MAP_DISTANCE_LOAD : 1);
      if (coreNode === -1) continue;
      const pops = oneRegion ? this.#popsFrom(site, order.pops) : order.pops;
      const pop = popNode !== null && !oneRegion ? popNode : firstWithRoom(pops, seats);
      if (pop === -1) return 'ERR_PLACEMENT_NO_CORE';
      const table = this.#tables.of(legs, pins)[core]!;
      const region = policy.cost.regionCentsPerMinute[site.region];
      const cents = region === undefined && table.cents === null ? null : (region ?? 0) + (table.cents ?? 0);
      return { popNode: pop, coreNode, choices: table.choices, cents };
    }
    return 'ERR_PLACEMENT_NO_CORE';
  }

  copy(): MapRule {
    return new MapRule(this.#options);
  }

  #orderOf(city: number, pins: readonly Pin[]): Order {
    let orders = this.#orders.get(pins);
    if (orders === undefined) {
      orders = [];
      this.#orders.set(pins, orders);
    }
    orders[city] ??= this.#order(city, pins);
    return orders[city];
  }

  #order(city: number, pins: readonly Pin[]): Order {
    const { fleet, regions, legs } = this.#options;
    const at = this.#options.cities[city]!;
    const allowed = ({ region }: Site) => forbiddingPin(pins, regions.get(region), region) === null;
    const tables = this.#tables.of(legs, pins);
    const pops = fleet.pops.filter(allowed).toSorted((a, b) => this.#km(at, a.region) - this.#km(at, b.region));
    const cores = fleet.cores
      .map((site, index) => ({ site, index }))
      .filter(({ site, index }) => allowed(site) && tables[index]!.excluded === null)
      .map(({ site, index }) => ({
        index,
        toModelKm: this.name === 'nearest-inference' ? this.#kmToInference(site.region, index, pins) : 0,
        toCallerKm: this.#km(at, site.region),
      }))
      .toSorted((a, b) => a.toModelKm - b.toModelKm || a.toCallerKm - b.toCallerKm)
      .map(({ index }) => index);
    return { pops, cores };
  }

  /** From a core region to the language model, or to whatever its turns ask most often. */
  #kmToInference(region: string, core: number, pins: readonly Pin[]): number {
    const { legs, regions } = this.#options;
    const choices = this.#tables.of(legs, pins)[core]!.choices;
    const choice =
      choices.find(({ leg }) => leg.kind === 'llm' || leg.kind === 's2s') ??
      choices.toSorted((a, b) => b.leg.k - a.leg.k)[0];
    if (choice === undefined || choice.endpoint.place === 'local' || choice.endpoint.place === region) return 0;
    const from = regions.get(region);
    return from === null ? 20_000 : this.#km(from, choice.endpoint.place);
  }

  /** The region's own POPs, then the others from there. */
  #popsFrom(site: Site, pops: readonly Site[]): readonly Site[] {
    const from = this.#options.regions.get(site.region);
    if (pops[0]?.region === site.region || from === null) return pops;
    const own = pops.find(({ region }) => region === site.region);
    if (own !== undefined) return [own, ...pops];
    return pops.toSorted((a, b) => this.#km(from, a.region) - this.#km(from, b.region));
  }

  #km(from: Coordinates, region: string): number {
    const to = this.#options.regions.get(region);
    return to === null ? 20_000 : distanceKm(from, to);
  }
}

function firstWithRoom(pops: readonly Site[], seats: Seats): number {
  for (const site of pops) {
    const node = seats.leastLoaded(site, 1);
    if (node !== -1) return node;
  }
  return -1;
}
