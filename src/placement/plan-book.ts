/**
 * The plan in force: compiled of the nodes, the measured paths, the policy and the endpoints when one of them changed,
 * and at most every interval. Owns the paths and when a plan is outdated; neither reads the registry nor promises slots.
 */
import type { Clock } from '../clock.ts';
import type { NodeRecord, NodeStores } from '../registry/index.ts';
import type { Logger } from '../telemetry/index.ts';
import { LegBook, type PlacedAgent } from './agent-legs.ts';
import { localEndpoint } from './catalogue-endpoints.ts';
import type { AiEndpoint } from './endpoint.ts';
import { haveEndpointsMoved, haveLegsMoved } from './material.ts';
import { MeasuredServices } from './measured-services.ts';
import { MeasuredTurns } from './measured-turns.ts';
import { PathBook, type PathEstimate, type PathMeasurement } from './paths.ts';
import type { MeasurementResult, PlacementMetrics } from './placement-metrics.ts';
import { Plan } from './plan.ts';
import type { PlanNode } from './plan-types.ts';
import type { Policy } from './policy.ts';
import type { PolicySource } from './policy-file.ts';
import { Regions } from './regions.ts';
import { ToldPaths } from './told-paths.ts';
import { declarePaths, unknownRegionsOf } from './world-document.ts';

export interface PlanBookOptions {
  /** This POP; it counts as alive for itself, whatever the registry says. */
  pop: { readonly nodeId: string; readonly region: string; readonly stores?: NodeStores };
  /** False where placement runs apart from POPs: `pop` only says who tells. @defaultValue true */
  isPop?: boolean;
  /** Sessions that this POP can take, for as long as it has not announced itself. */
  popCapacity: number;
  policy: PolicySource;
  /** The addresses that cores use, under a policy. Programs on cores need none. */
  endpoints(policy: Policy): readonly AiEndpoint[];
  clock: Clock;
  log: Logger;
  metrics: PlacementMetrics;
  /** @defaultValue 1000 */
  compileIntervalMs?: number;
}

export const PLAN_BOOK_DEFAULTS = { compileIntervalMs: 1_000 } as const;
/** Measurements age: a plan that nothing else outdates is made anew after this. */
const MAX_PLAN_AGE_MS = 30_000;
/** Cores tell every ten seconds. */
const MEASURED_INTERVAL_MS = 5_000;

/** A plan and what it was made of. */
export interface Compiled {
  readonly plan: Plan;
  readonly policy: Policy;
  readonly nodes: readonly PlanNode[];
  readonly records: ReadonlyMap<string, NodeRecord>;
  readonly agents: ReadonlyMap<string, PlacedAgent>;
  readonly endpoints: readonly AiEndpoint[];
  readonly unknownRegions: readonly string[];
  /** Promises by core that are in the plan's own counts. */
  readonly counted: ReadonlyMap<string, number>;
}

export class PlanBook {
  readonly #options: PlanBookOptions;
  readonly #legs = new LegBook();
  readonly #services: MeasuredServices;
  readonly #turns = new MeasuredTurns();
  readonly #told = new ToldPaths();
  /** When this POP last measured the path to a region itself. */
  readonly #ownAtMs = new Map<string, number>();
  /** The endpoints with what was measured of them, for these agents and this policy. */
  #measured: { readonly of: string; readonly atMs: number; readonly endpoints: readonly AiEndpoint[] } | null = null;
  /** Whose measurements were taken in last. */
  #taken: readonly NodeRecord[] | null = null;
  #policy: Policy;
  #regions: Regions;
  #paths: PathBook;
  #last: { compiled: Compiled; atMs: number; signature: string; records: readonly NodeRecord[] } | null = null;
  /** When it was last asked whether the plan is outdated. */
  #lookedAtMs = 0;
  #warnedOf = '';

  constructor(options: PlanBookOptions) {
    this.#options = options;
    this.#policy = options.policy.current;
    this.#regions = Regions.load(this.#policy.regions);
    this.#paths = this.#newPaths();
    this.#services = new MeasuredServices({
      onJudged: (result, figure) => {
        options.metrics.servicesMeasured(result);
        if (result !== 'kept') options.log.warn({ ...figure, result }, 'a measured service time is not believed');
      },
    });
  }

  /** Those that were measured or declared. */
  get paths(): PathBook {
    return this.#paths;
  }

  /** As the data and the policy in force declare them. */
  get regions(): Regions {
    return this.#regions;
  }

  /** Whose law holds in a region, or in what the catalogue calls one; null when nobody knows. */
  jurisdictionOf(region: string): string | null {
    const known = this.#regions.get(region);
    if (known !== null) return known.jurisdiction;
    const law = region.toUpperCase();
    return this.#regions.all.some(({ jurisdiction }) => jurisdiction === law) ? law : null;
  }

  /** As `measure`, for what this POP measured itself: others of its region are not heard meanwhile. */
  measureOwn(measurement: PathMeasurement): PathEstimate | null {
    const kept = this.measure(measurement);
    if (kept !== null) this.#ownAtMs.set(measurement.to, measurement.atMs);
    return kept;
  }

  /** Takes a measured path in; what is impossible is bounded or refused, counted and logged. */
  measure(measurement: PathMeasurement): PathEstimate | null {
    const kept = this.#paths.measure(measurement);
    const isAsTold = kept?.p50 === measurement.p50 && kept.p95 === measurement.p95;
    const result: MeasurementResult = kept === null ? 'refused' : isAsTold ? 'kept' : 'bounded';
    this.#options.metrics.measured(result);
    if (result !== 'kept') this.#options.log.warn({ ...measurement, result }, 'a measured path is not believed');
    return kept;
  }

  /**
   * The plan for these nodes.
   * @param promised slots that are promised, by core
   * @param how `now`: whatever the interval, when nodes or promises are other than last time; `readAtMs`: when the
   * records were read, now when absent
   */
  plan(
    records: readonly NodeRecord[],
    promised: ReadonlyMap<string, number>,
    how: { now: boolean; readAtMs?: number },
  ): Compiled {
    const nowMs = this.#options.clock.now();
    const intervalMs = this.#options.compileIntervalMs ?? PLAN_BOOK_DEFAULTS.compileIntervalMs;
    const last = this.#last;
    const isOther = last === null || last.records !== records || !sameCounts(last.compiled.counted, promised);
    if (last !== null && nowMs - this.#lookedAtMs < intervalMs && !(how.now && isOther)) return last.compiled;
    this.#lookedAtMs = nowMs;
    this.#followPolicy();
    const nodes = this.#planNodes(records, promised);
    this.#takeMeasured(records, how.readAtMs ?? nowMs);
    const ttlMs = this.#policy.latency.serviceMeasurementTtlSeconds * 1_000;
    const agents = this.#legs.of(agentsOf(records), (agent) => this.#turns.of(agent, nowMs, ttlMs));
    const { revision } = this.#options.policy.status;
    // A measured k counts by how far it has moved.
    const said = [...agents.values()].map(({ name, legs, pin }) => [
      ...[name, pin],
      legs.map(({ kind, services, k, measured }) => [kind, services, measured?.said ?? k]),
    ]);
    const endpoints = this.#measuredEndpoints(agents, JSON.stringify([said, revision]), ttlMs);
    const signature = JSON.stringify([nodes, said, this.#paths.version, revision]);
    const isAged = last !== null && nowMs - last.atMs >= MAX_PLAN_AGE_MS;
    const isSame =
      last !== null &&
      last.signature === signature &&
      !haveLegsMoved(last.compiled.agents, agents) &&
      !haveEndpointsMoved(last.compiled.endpoints, endpoints);
    if (isSame && !isAged) {
      this.#last = { ...last, records };
      return last.compiled;
    }
    const compiled = this.#compile(records, nodes, agents, endpoints, new Map(promised));
    this.#last = { compiled, atMs: nowMs, signature, records };
    return compiled;
  }

  #compile(
    records: readonly NodeRecord[],
    nodes: readonly PlanNode[],
    agents: ReadonlyMap<string, PlacedAgent>,
    endpoints: readonly AiEndpoint[],
    counted: ReadonlyMap<string, number>,
  ): Compiled {
    const world = { regions: this.#regions, paths: this.#paths, nodes, endpoints };
    const unknownRegions = unknownRegionsOf(nodes, endpoints, this.#regions);
    this.#warnOfUnknown(unknownRegions);
    const plan = new Plan(world, this.#policy, this.#options.clock.now());
    this.#options.metrics.compiled();
    const byId = new Map(records.map((record) => [record.nodeId, record]));
    return { plan, policy: this.#policy, nodes, records: byId, agents, endpoints, unknownRegions, counted };
  }

  /** What was measured is looked at again now and then: of thousands of cores it is tens of thousands of figures. */
  #measuredEndpoints(agents: ReadonlyMap<string, PlacedAgent>, of: string, ttlMs: number): readonly AiEndpoint[] {
    const nowMs = this.#options.clock.now();
    const known = this.#measured;
    if (known !== null && known.of === of && nowMs - known.atMs < MEASURED_INTERVAL_MS) return known.endpoints;
    const world = { regions: this.#regions, paths: this.#paths, nowMs, ttlMs };
    const endpoints = this.#services.apply(this.#endpointsOf(agents), world);
    this.#measured = { of, atMs: nowMs, endpoints };
    return endpoints;
  }

  #takeMeasured(records: readonly NodeRecord[], readAtMs: number): void {
    if (records === this.#taken) return;
    this.#taken = records;
    const cores = records.filter(({ role }) => role === 'core');
    this.#services.take(cores, readAtMs);
    this.#turns.take(cores, readAtMs);
    const { pop, isPop = true } = this.#options;
    const ttlMs = this.#policy.latency.measurementTtlSeconds * 1_000;
    for (const told of this.#told.take(records, readAtMs, ttlMs, isPop ? pop.nodeId : null)) {
      const ownAtMs = isPop && told.from === pop.region ? this.#ownAtMs.get(told.to) : undefined;
      if (ownAtMs === undefined || readAtMs - ownAtMs > ttlMs) this.measure(told);
    }
  }

  #followPolicy(): void {
    const { current, status } = this.#options.policy;
    this.#options.metrics.policyRefusals(status.refusals);
    this.#options.metrics.policyRefused(status.refused !== null);
    if (current === this.#policy) return;
    const measured = this.#paths.measurements(this.#options.clock.now());
    this.#policy = current;
    this.#regions = Regions.load(current.regions);
    this.#paths = this.#newPaths();
    for (const measurement of measured) this.#paths.measure(measurement);
  }

  #newPaths(): PathBook {
    const measurementTtlMs = this.#policy.latency.measurementTtlSeconds * 1_000;
    const paths = new PathBook({ regions: this.#regions, measurementTtlMs });
    declarePaths(paths, this.#policy);
    return paths;
  }

  #planNodes(records: readonly NodeRecord[], promised: ReadonlyMap<string, number>): PlanNode[] {
    const nodes = records.map(
      (record): PlanNode => ({
        nodeId: record.nodeId,
        role: record.role,
        region: record.region,
        // A core's own figure lags behind what was promised here, and knows what other POPs promised.
        sessions: Math.max(record.load.sessions, promised.get(record.nodeId) ?? 0),
        capacity: record.capacity.sessions,
        ...(record.capacity.reserved !== undefined && { reserved: record.capacity.reserved }),
        draining: record.draining || (record.role === 'core' && record.control === null),
        ...(record.role === 'pop' && record.signalingUrl !== null && { signalingUrl: record.signalingUrl }),
        agents: record.agents.map(({ name }) => name),
        ...(record.stores !== undefined && { stores: record.stores }),
      }),
    );
    const { pop, popCapacity, isPop = true } = this.#options;
    if (!isPop || nodes.some(({ nodeId }) => nodeId === pop.nodeId)) return nodes;
    return [...nodes, { ...pop, role: 'pop', sessions: 0, capacity: popCapacity, draining: false, agents: [] }];
  }

  #endpointsOf(agents: ReadonlyMap<string, PlacedAgent>): AiEndpoint[] {
    const told = this.#options.endpoints(this.#policy);
    const legs = [...agents.values()].flatMap((agent) => agent.local);
    const local = legs.map(({ kind, service }) => localEndpoint(kind, service));
    return [...new Map([...local, ...told].map((each) => [`${each.kind} ${each.id}`, each])).values()];
  }

  #warnOfUnknown(names: readonly string[]): void {
    // A region called local is what a machine without a place has; an address of one's own is at home nowhere by itself.
    const words = names.filter((name) => name !== 'local' && name !== 'own').join(', ');
    if (words === this.#warnedOf) return;
    this.#warnedOf = words;
    if (words === '') return;
    this.#options.log.warn(
      { regions: words },
      'nobody knows where these regions are: their paths count as the longest',
    );
  }
}

function sameCounts(a: ReadonlyMap<string, number>, b: ReadonlyMap<string, number>): boolean {
  return a.size === b.size && [...a].every(([core, count]) => b.get(core) === count);
}

function agentsOf(records: readonly NodeRecord[]) {
  return records
    .filter(({ role }) => role === 'core')
    .toSorted((a, b) => (a.nodeId < b.nodeId ? -1 : 1))
    .flatMap(({ agents }) => agents);
}
