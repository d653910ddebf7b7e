/**
 * Regret: what a caller waits longer at the place that a rule chose than at the best place in hindsight. Replays calls
 * in many worlds, each with its own truth, stack of services and measurements, at places that are never full. Owns the
 * replay and its figures; budgets are the benchmark's.
 *
 * Hindsight knows the truth of the call itself: the paths, the caller's way and the services as they were while it
 * lasted, none of which had been measured then. It does not know the luck of single turns: a call has many.
 */
import type { AiEndpoint } from '../endpoint.ts';
import { endpointingPart } from '../endpointing.ts';
import { PathBook } from '../paths.ts';
import type { LegChoice, PlanLeg, PlanNode } from '../plan-types.ts';
import { DEFAULT_POLICY, type Policy } from '../policy.ts';
import { Regions } from '../regions.ts';
import { Fleet, Seats } from './fleet.ts';
import { Knowledge, NO_VEIL, VEIL, type Veil } from './knowledge.ts';
import { LEARNING, Learning } from './learning.ts';
import { MapRule } from './map-rule.ts';
import { RandomStream } from './noise.ts';
import { PlanRule } from './plan-rule.ts';
import { type City, loadPopulation } from './population.ts';
import { RULES, type Rule, type RuleName } from './rule.ts';
import { placesOf } from './simulate.ts';
import { TRUTH_SPREADS, Truth } from './truth.ts';

/**
 * What stands between the truth and the planner.
 * - `paths`: paths and callers' ways differ from what is known; services take their known times.
 * - `services`: they differ too, from what is published and from what was measured.
 * - `learnt`: they differ from what is published, and are known as far as earlier calls have used them.
 * - `timed`: they differ from what is published, but each has been timed without an error.
 * - `weather`: everything is known of the day, and only the call's own weather is not: nobody who decides before the
 *   call can have less regret.
 */
export type Hidden = 'paths' | 'services' | 'learnt' | 'timed' | 'weather';

export interface RegretOptions {
  hidden: Hidden;
  worlds: number;
  callsPerWorld: number;
  seed: number;
  policy?: Policy;
  signal: AbortSignal;
  progress?: (worldsDone: number) => void;
}

/** Of each replayed call, by rule: share of the best's time that was lost, and ms. */
export interface Regrets {
  readonly share: Readonly<Record<RuleName, Float64Array>>;
  readonly ms: Readonly<Record<RuleName, Float64Array>>;
  /** Of the best place, ms. */
  readonly best: Float64Array;
}

const CORES_AT_LEAST = 5;
const CORES_AT_MOST = 20;
/** Addresses of each kind of service in a world. */
const ADDRESSES_AT_MOST = 5;
const ROUND_TRIPS = [1, 2, 3, 4] as const;

export function measureRegret(options: RegretOptions): Regrets {
  const { worlds, callsPerWorld, seed, signal, progress } = options;
  const policy = options.policy ?? DEFAULT_POLICY;
  const regions = Regions.load();
  const { cities } = loadPopulation();
  const users = cities.map(({ usersMillions }) => usersMillions);
  const count = worlds * callsPerWorld;
  const empty = () => Object.fromEntries(RULES.map((rule) => [rule, new Float64Array(count)]));
  const share = empty() as Record<RuleName, Float64Array>;
  const ms = empty() as Record<RuleName, Float64Array>;
  const best = new Float64Array(count);
  for (let world = 0; world < worlds; world++) {
    signal.throwIfAborted();
    const random = new RandomStream(seed + world);
    const replay = new Replay(random, { ...options, seed: seed + world, policy, regions, cities });
    replay.warmUp(users);
    for (let call = 0; call < callsPerWorld; call++) {
      const at = world * callsPerWorld + call;
      const city = drawn(users, random);
      best[at] = replay.bestMs(call, city);
      for (const rule of replay.rules) {
        const chosen = replay.chosenMs(rule, call, city);
        ms[rule.name][at] = chosen - best[at];
        share[rule.name][at] = (chosen - best[at]) / best[at];
      }
    }
    progress?.(world + 1);
  }
  return { share, ms, best };
}

interface ReplayOptions {
  hidden: Hidden;
  seed: number;
  regions: Regions;
  cities: readonly City[];
  policy: Policy;
}

class Replay {
  readonly rules: readonly Rule[];
  readonly #truth: Truth;
  readonly #seats: Seats;
  readonly #endpoints: readonly AiEndpoint[];
  readonly #legs: readonly PlanLeg[];
  readonly #policy: Policy;
  readonly #learning: Learning | null;
  readonly #seed: number;

  constructor(random: RandomStream, { hidden, seed, regions, cities, policy }: ReplayOptions) {
    const known = regions.all.filter((region) => region.matrixRow === region.code).map(({ code }) => code);
    const cores = some(known, CORES_AT_LEAST + random.below(CORES_AT_MOST - CORES_AT_LEAST + 1), random);
    const nodes = [...known.map((region) => node('pop', region)), ...cores.map((region) => node('core', region))];
    this.#policy = policy;
    this.#endpoints = stack(known, random);
    this.#legs = [
      { kind: 'stt', services: ['stt'], k: 1 },
      { kind: 'llm', services: ['llm'], k: ROUND_TRIPS[random.below(ROUND_TRIPS.length)]! },
      { kind: 'tts', services: ['tts'], k: 1 },
    ];
    const endpoints = this.#endpoints;
    // Paths are measured all the time; in a replay that takes an hour they are measured once.
    const measurementTtlMs = Number.POSITIVE_INFINITY;
    const published = () => new PathBook({ regions, measurementTtlMs });
    const places = placesOf({ nodes, endpoints });
    const spreads = hidden === 'paths' ? { ...TRUTH_SPREADS, service: 0, callService: 0 } : TRUTH_SPREADS;
    const veil = VEILS[hidden];
    const truth = new Truth({
      seed,
      regions,
      places,
      endpoints,
      cities,
      published,
      endpointing: policy.latency,
      spreads,
    });
    this.#truth = truth;
    const knowledge = new Knowledge({ seed, truth, regions, endpoints, cities, pops: known, published, veil });
    const fleet = new Fleet(nodes, 'desk');
    this.#seats = new Seats(fleet);
    const shared = { knowledge, policy, regions, legs: this.#legs, cities };
    this.rules = RULES.map((name) =>
      name === 'antipode'
        ? new PlanRule({ ...shared, agent: 'desk', drawOf: () => 0.5 })
        : new MapRule({ ...shared, name, fleet }),
    );
    for (const rule of this.rules) rule.startMinute(this.#seats);
    const ttlMs = policy.latency.serviceMeasurementTtlSeconds * 1_000;
    this.#learning = hidden === 'learnt' ? new Learning({ truth, knowledge, regions, endpoints, ttlMs }) : null;
    this.#seed = seed;
  }

  /** Calls before those that count, where something is learnt of them. */
  warmUp(users: readonly number[]): void {
    if (this.#learning === null) return;
    const random = new RandomStream(this.#seed ^ 0x3c6ef372);
    const planner = this.rules.find(({ name }) => name === 'antipode')!;
    for (let call = 0; call < LEARNING.warmUpCalls; call++) {
      this.chosenMs(planner, WARM_UP_FROM + call, drawn(users, random));
    }
  }

  chosenMs(rule: Rule, call: number, city: number): number {
    const placed = rule.place({ call, city, pins: NO_PINS, popNode: null, currentCore: null }, this.#seats);
    if (typeof placed === 'string') throw new Error(`${rule.name} refused a call in a world with room: ${placed}`);
    const { nodes } = this.#seats.fleet;
    const pop = this.#truth.indexOf(nodes[placed.popNode]!.region);
    const { region } = nodes[placed.coreNode]!;
    const core = this.#truth.indexOf(region);
    // Decided before it is known what the call will teach.
    const hasNews = rule.name === 'antipode' && this.#learning?.called(call, region, placed.choices);
    if (hasNews) rule.startMinute(this.#seats);
    return this.#accessMs(call, city, pop, core) + this.#turnMs(this.#legsMs(call, core, placed.choices));
  }

  bestMs(call: number, city: number): number {
    const { fleet } = this.#seats;
    let best = Number.POSITIVE_INFINITY;
    for (const site of fleet.cores) {
      const core = this.#truth.indexOf(site.region);
      let access = Number.POSITIVE_INFINITY;
      for (const pop of fleet.pops) {
        access = Math.min(access, this.#accessMs(call, city, this.#truth.indexOf(pop.region), core));
      }
      const legs = this.#legs.reduce((sum, leg) => sum + this.#bestLegMs(call, core, leg), 0);
      best = Math.min(best, access + this.#turnMs(legs));
    }
    return best;
  }

  #accessMs(call: number, city: number, pop: number, core: number): number {
    return this.#truth.callerMs(call, city, pop) + this.#truth.pathMs(call, pop, core);
  }

  /** Legs, with what the end of the turn takes beside them. */
  #turnMs(legsMs: number): number {
    return legsMs + endpointingPart(this.#policy.latency, legsMs);
  }

  #legsMs(call: number, core: number, choices: readonly LegChoice[]): number {
    return choices.reduce((sum, { leg, endpoint }) => sum + this.#legMs(call, core, leg, endpoint), 0);
  }

  #bestLegMs(call: number, core: number, leg: PlanLeg): number {
    const offered = this.#endpoints.filter(({ kind }) => kind === leg.kind);
    return Math.min(...offered.map((endpoint) => this.#legMs(call, core, leg, endpoint)));
  }

  #legMs(call: number, core: number, leg: PlanLeg, endpoint: AiEndpoint): number {
    return this.#truth.legMs(
      call,
      core,
      this.#truth.endpointIndex(endpoint),
      this.#truth.indexOf(endpoint.place),
      leg.k,
    );
  }
}

const NO_PINS = [] as const;
/** Numbers of calls that no call has that counts. */
const WARM_UP_FROM = 1_000_000;
const TIMED = { ...VEIL, serviceNoise: 0, missingServices: 0 };
const UNTIMED = { ...VEIL, missingServices: 1 };
const VEILS = {
  paths: TIMED,
  services: VEIL,
  learnt: UNTIMED,
  timed: TIMED,
  weather: NO_VEIL,
} as const satisfies Record<Hidden, Veil>;

/** One service of each kind, at one to five addresses. */
function stack(regions: readonly string[], random: RandomStream): AiEndpoint[] {
  const times = { stt: [250, 320], llm: [350, 800], tts: [180, 320] } as const;
  return (['stt', 'llm', 'tts'] as const).flatMap((kind) =>
    some(regions, 1 + random.below(ADDRESSES_AT_MOST), random).map((place): AiEndpoint => {
      const [p50, p95] = times[kind];
      const residency = 'pinned' as const;
      return {
        id: `${kind}@${place}`,
        kind,
        service: kind,
        region: place,
        place,
        residency,
        p50,
        p95,
        source: 'assumed',
        centsPerMinute: null,
      };
    }),
  );
}

function node(role: 'pop' | 'core', region: string): PlanNode {
  const agents = role === 'core' ? ['desk'] : [];
  return { nodeId: `${role}-${region}`, role, region, sessions: 0, capacity: 1_000_000, draining: false, agents };
}

function some(all: readonly string[], count: number, random: RandomStream): string[] {
  const left = [...all];
  return Array.from({ length: Math.min(count, left.length) }, () => left.splice(random.below(left.length), 1)[0]!);
}

function drawn(weights: readonly number[], random: RandomStream): number {
  let left = random.next() * weights.reduce((sum, weight) => sum + weight, 0);
  for (const [index, weight] of weights.entries()) {
    left -= weight;
    if (left < 0) return index;
  }
  return weights.length - 1;
}
