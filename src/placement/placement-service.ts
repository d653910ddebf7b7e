/**
 * Placement of one POP: places sessions with a slot reserved in one step, so that no two callers of this POP get the
 * last one, by the nodes that the registry tells, or by the last ones known when it is out of reach. Owns that step and
 * what is told of it; the latency model and the rules are the plan's.
 */
import { createHash } from 'node:crypto';
import { AntipodeError } from '../errors.ts';
import type { NodeRecord, Registry } from '../registry/index.ts';
import type { Registry as Metrics } from '../telemetry/index.ts';
import {
  type CallerArea,
  type CallerProbe,
  type CountedProbe,
  countProbes,
  isOpenPop,
  type PopCandidate,
  type ProbeWorld,
  popCandidates,
  probesByRegion,
  probesOfRegions,
  soonestPop,
} from './caller-probes.ts';
import { heldPins } from './held-pins.ts';
import { keptOutside } from './kept-within.ts';
import { knownAgents } from './known-agents.ts';
import { NodeWatch } from './node-watch.ts';
import type { PathQuality } from './path-quality.ts';
import type { PathEstimate, PathMeasurement } from './paths.ts';
import { forbiddingPin, type Pin, parsePins, pinInWords } from './pin.ts';
import { type PlacementMetrics, placementMetrics } from './placement-metrics.ts';
import { type Compiled, PlanBook, type PlanBookOptions } from './plan-book.ts';
import type { PlanCandidate, PlanChoice, PlanOutcome, PlanRequest } from './plan-types.ts';
import { type Reservation, Reservations } from './reservations.ts';
import { documentOf, type WorldDocument } from './world-document.ts';

export interface PlacementServiceOptions extends Omit<PlanBookOptions, 'metrics'> {
  registry: Pick<Registry, 'nodes'>;
  metrics: Metrics;
  /** @defaultValue 30000 */
  reservationTtlMs?: number;
}

/** Who wants a place. */
export interface PlaceAsk {
  readonly agent: string;
  /** The request's own pins, as text, or null. */
  readonly residency: string | null;
  readonly caller: PlanRequest['caller'] & Partial<Pick<CallerArea, 'withinKm'>>;
  /** What the caller itself measured; beside `caller.probes`, and bounded like them. */
  readonly probes?: readonly CallerProbe[];
  /** The POP that the caller has come in by; null to choose one. */
  readonly pop: PlanRequest['pop'];
  readonly excludedCores?: readonly string[];
  readonly priority?: PlanRequest['priority'];
  readonly current?: PlanRequest['current'];
  /** The same for the same session. */
  readonly key: string;
  /** A reservation whose slot is given back in the step that takes the new one. */
  readonly instead?: Reservation;
}

export interface Placed {
  readonly choice: PlanChoice;
  /** The core's record: where to reach it and what it says of the agent. */
  readonly core: NodeRecord;
  /** Every pin that held, in the order in which they were asked for. */
  readonly pins: readonly Pin[];
  readonly candidates: readonly PlanCandidate[];
  /** What the caller measured, and what of it counts. */
  readonly probes: readonly CountedProbe[];
  /** What the session may use, the chosen endpoints first. */
  readonly endpoints: ReturnType<Compiled['plan']['endpointsOf']>;
  /** Hosts of tools' servers, by the operator's word. */
  readonly toolHosts: readonly ToolHost[];
  readonly reservation: Reservation;
}

export interface ToolHost {
  readonly host: string;
  /** The tool's server in the policy. */
  readonly service: string;
  readonly region: string;
}

/** Where a running session would be better. */
export interface BetterPlace {
  readonly coreNode: string;
  readonly coreRegion: string;
  /** Predicted voice to voice, p50, where it is and there. */
  readonly hereMs: number;
  readonly thereMs: number;
}

type Refused = NonNullable<PlanOutcome['refused']>;

export class PlacementService implements Disposable {
  readonly #options: PlacementServiceOptions;
  readonly #metrics: PlacementMetrics;
  readonly #watch: NodeWatch;
  readonly #plans: PlanBook;
  readonly #reservations: Reservations;

  constructor(options: PlacementServiceOptions) {
    const { registry, clock, log } = options;
    this.#options = options;
    this.#metrics = placementMetrics(options.metrics);
    this.#watch = new NodeWatch({ registry, clock, log, metrics: this.#metrics });
    this.#plans = new PlanBook({ ...options, metrics: this.#metrics });
    this.#reservations = new Reservations({ clock, ttlMs: options.reservationTtlMs });
  }

  /**
   * A place and the slot there, reserved.
   * @throws ERR_AGENT_UNKNOWN | ERR_PLACEMENT_RESIDENCY | ERR_PLACEMENT_NO_CORE with the reasons
   * @throws ERR_REQUEST_MALFORMED for a pin that is none
   * @throws what the registry throws when it never answered
   */
  async place(ask: PlaceAsk): Promise<Placed> {
    const asked = ask.residency === null ? [] : parsePins(ask.residency, 'request');
    await this.#watch.fresh();
    const compiled = this.#compiled({ now: false });
    const { caller, probes } = this.#probed(ask, compiled);
    const probed = { ...ask, caller, counted: probes };
    // Nothing awaits between a decision and its reservation.
    const first = this.#decide(probed, asked, compiled);
    if ('choice' in first) return first;
    // What is refused by a world that is a second old may have room by now.
    await this.#watch.fresh({ now: true });
    const second = this.#decide(probed, asked, this.#compiled({ now: true }));
    if ('choice' in second) return second;
    this.#metrics.decided(second.refused.code, second.seconds);
    throw refusal(second.refused, ask.agent, this.#watch.nodes);
  }

  /**
   * The POPs that a caller may come in by, one of each region, the nearest by its address first; but for `without`.
   * @throws ERR_REQUEST_MALFORMED for a pin that is none
   * @throws what the registry throws when it never answered
   */
  async popsFor(
    ask: Pick<PlaceAsk, 'residency' | 'caller'> & { agent: string | null; without?: string },
  ): Promise<PopCandidate[]> {
    const asked = ask.residency === null ? [] : parsePins(ask.residency, 'request');
    await this.#watch.fresh();
    const compiled = this.#compiled({ now: false });
    const { country, place, withinKm = null } = ask.caller;
    const agent = ask.agent === null ? null : (compiled.agents.get(ask.agent) ?? null);
    const pins = heldPins({ policy: compiled.policy, country, asked, agent });
    const world = this.#probeWorld(compiled);
    const nodes = world.nodes.filter(({ nodeId }) => nodeId !== ask.without);
    return [...popCandidates({ ...world, nodes }, { place, withinKm }, pins, this.#options.pop.nodeId)];
  }

  /**
   * The POP, of those that a caller has measured, by which it would be answered soonest; this one unless another gains
   * something. Null when none will do. Promises nothing.
   * @throws as `place`
   */
  async popFor(ask: Omit<PlaceAsk, 'pop' | 'key'>): Promise<string | null> {
    const asked = ask.residency === null ? [] : parsePins(ask.residency, 'request');
    await this.#watch.fresh();
    const compiled = this.#compiled({ now: false });
    const { caller, counted } = this.#believed(ask, compiled);
    const request = this.#request({ ...ask, caller, pop: null, key: '' }, asked, compiled);
    const best = soonestPop(compiled.plan.explain(request), counted, this.#options.pop.region);
    if (best === null || best.region === this.#options.pop.region) return best && this.#options.pop.nodeId;
    const there = compiled.nodes.find((node) => node.nodeId === best.pop);
    const isOpen = there !== undefined && isOpenPop(there, request.pins, this.#plans.regions);
    return isOpen ? best.pop : null;
  }

  /**
   * A core in a better region for a session that runs at `ask.current`, by the policy's rule for moves; null when it is
   * well where it is, or nothing moves. Promises nothing.
   * @throws as `place`, but not that nobody has room
   */
  async better(ask: PlaceAsk & { current: { coreRegion: string; coreNode: string } }): Promise<BetterPlace | null> {
    const asked = ask.residency === null ? [] : parsePins(ask.residency, 'request');
    await this.#watch.fresh();
    const compiled = this.#compiled({ now: false });
    const rule = compiled.policy.cores.move;
    if (rule === null) return null;
    const { caller } = this.#believed(ask, compiled);
    const request = this.#request({ ...ask, caller }, asked, compiled);
    const { chosen } = compiled.plan.decideWith(request, this.#promisedSince(compiled));
    if (chosen === null || chosen.coreRegion === ask.current.coreRegion) return null;
    const here = compiled.plan.explain(request).find((candidate) => isAt(candidate, chosen.popRegion, ask.current));
    const hereMs = here?.predictedMs?.p50;
    const thereMs = chosen.predictedMs?.p50;
    if (hereMs === undefined || thereMs === undefined) return null;
    const gainMs = hereMs - thereMs;
    if (gainMs < rule.betterByMs || gainMs < hereMs * rule.betterByShare) return null;
    return { coreNode: chosen.coreNode, coreRegion: chosen.coreRegion, hereMs, thereMs };
  }

  /** Those of the last world; the same array until the registry is read again. */
  get nodes(): readonly NodeRecord[] {
    return this.#watch.nodes;
  }

  /** A reservation that is not held and not expired. */
  reservation(id: string): Reservation | null {
    return this.#reservations.get(id);
  }

  /** Takes a measured path in; what is impossible is bounded or refused. `atMs` by this process's clock. */
  measure(measurement: PathMeasurement): PathEstimate | null {
    return this.#plans.measure(measurement);
  }

  /** Takes in how far a core is from this POP; of a core that nobody knows any more it is nothing. */
  measureCore(nodeId: string, path: PathQuality & { p50: number; p95: number }): PathEstimate | null {
    const core = this.#watch.nodes.find((node) => node.nodeId === nodeId);
    const { pop, clock } = this.#options;
    if (core === undefined) return null;
    const { p50, p95, jitterMs = null, loss = null } = path;
    const to = core.region;
    return this.#plans.measureOwn({ from: pop.region, to, p50, p95, jitterMs, loss, atMs: clock.now() });
  }

  /** What is known, as a document that `antipode placement explain --world` reads. */
  async world(): Promise<WorldDocument> {
    await this.#watch.fresh();
    const { nodes, agents, endpoints, policy, unknownRegions } = this.#compiled({ now: false });
    const { clock, pop } = this.#options;
    const state = {
      by: pop.nodeId,
      registry: this.#watch.state,
      policy: this.#options.policy.status,
      reservations: this.#reservations.counts,
      unknownRegions,
    };
    const { paths } = this.#plans;
    return documentOf({ at: clock.date(), policy, nodes, agents, endpoints, paths, nowMs: clock.now(), state });
  }

  /**
   * Why this POP may not have a session of these pins, by where it stands and what it writes down; null when it may.
   * @throws ERR_REQUEST_MALFORMED for pins that are none
   */
  forbidsHere(residency: string): string | null {
    const { pop } = this.#options;
    const { regions } = this.#plans;
    const pins = parsePins(residency, 'session');
    const pin = forbiddingPin(pins, regions.get(pop.region), pop.region);
    if (pin !== null) return `${pop.nodeId} is in ${pop.region}, outside the pin ${pinInWords(pin)}`;
    return keptOutside({ stores: undefined, ...pop }, pins, regions)?.reason ?? null;
  }

  /** Whose law holds in a region, or in what the catalogue calls one; null when nobody knows. */
  jurisdictionOf(region: string): string | null {
    return this.#plans.jurisdictionOf(region);
  }

  /** Idempotent. */
  close(): void {
    this.#watch.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #compiled(how: { now: boolean }): Compiled {
    this.#metrics.reservations(this.#reservations.counts);
    const readAtMs = this.#options.clock.now() - (this.#watch.state.ageMs ?? 0);
    return this.#plans.plan(this.#watch.nodes, this.#reservations.byCore, { ...how, readAtMs });
  }

  /** The caller with the round trips that it measured, as far as they can be believed; counts them. */
  #probed(ask: PlaceAsk, compiled: Compiled) {
    const { caller, counted, unknown } = this.#believed(ask, compiled);
    const bounded = counted.filter(({ rttMs, countedMs }) => rttMs !== countedMs);
    if (counted.length > bounded.length) this.#metrics.probed('kept', counted.length - bounded.length);
    if (bounded.length > 0) this.#metrics.probed('bounded', bounded.length);
    if (unknown > 0) this.#metrics.probed('refused', unknown);
    if (bounded.length > 0) this.#options.log.debug({ bounded }, "a caller's probes are not believed as told");
    return { caller, probes: counted };
  }

  #believed({ caller, probes = [] }: Pick<PlaceAsk, 'caller' | 'probes'>, compiled: Compiled) {
    const { country, place, withinKm = null } = caller;
    const world = this.#probeWorld(compiled);
    const told = probesOfRegions(caller.probes ?? new Map(), world.nodes);
    const { counted, unknown } = countProbes(world, { place, withinKm }, [...told, ...probes]);
    const byRegion = probesByRegion(counted);
    return { caller: { country, place, ...(byRegion.size > 0 && { probes: byRegion }) }, counted, unknown };
  }

  #probeWorld({ nodes, policy }: Compiled): ProbeWorld {
    return { nodes, regions: this.#plans.regions, accessMs: policy.latency.accessMs };
  }

  #decide(
    ask: PlaceAsk & { counted: readonly CountedProbe[] },
    asked: readonly Pin[],
    compiled: Compiled,
  ): Placed | { refused: Refused; seconds: number } {
    const { clock } = this.#options;
    const startedMs = clock.now();
    const request = this.#request(ask, asked, compiled);
    const { pins } = request;
    ask.instead?.release();
    const outcome = compiled.plan.decideWith(request, this.#promisedSince(compiled));
    const seconds = (clock.now() - startedMs) / 1_000;
    const { ageMs } = this.#watch.state;
    if (ageMs !== null) this.#metrics.worldAge(ageMs / 1_000);
    if (outcome.chosen === null) return { refused: outcome.refused, seconds };
    const reservation = this.#reservations.take(outcome.chosen.coreNode);
    this.#metrics.decided('chosen', seconds);
    this.#metrics.reservations(this.#reservations.counts);
    const core = compiled.records.get(outcome.chosen.coreNode)!;
    const choice = outcome.chosen;
    const endpoints = compiled.plan.endpointsOf(choice, pins);
    const toolHosts = endpoints.tools.flatMap(({ service, region }) =>
      (compiled.policy.endpoints.tools[service]?.hosts ?? []).map((host) => ({ host, service, region })),
    );
    const candidates = compiled.plan.explain(request);
    return { choice, core, pins, candidates, probes: ask.counted, endpoints, toolHosts, reservation };
  }

  #request(ask: PlaceAsk, asked: readonly Pin[], compiled: Compiled): PlanRequest {
    const agent = compiled.agents.get(ask.agent) ?? null;
    return {
      agent: ask.agent,
      legs: agent?.legs ?? [],
      pins: heldPins({ policy: compiled.policy, country: ask.caller.country, asked, agent }),
      caller: ask.caller,
      pop: ask.pop,
      draw: drawOf(ask.key),
      ...(ask.current !== undefined && { current: ask.current }),
      ...(ask.excludedCores !== undefined && { excludedCores: ask.excludedCores }),
      ...(ask.priority !== undefined && { priority: ask.priority }),
    };
  }

  /** Promises by core that the plan's own counts have not, or have too many. */
  #promisedSince({ counted }: Compiled): ReadonlyMap<string, number> {
    const { byCore } = this.#reservations;
    const promised = new Map<string, number>();
    for (const core of new Set([...byCore.keys(), ...counted.keys()])) {
      const change = (byCore.get(core) ?? 0) - (counted.get(core) ?? 0);
      if (change !== 0) promised.set(core, change);
    }
    return promised;
  }
}

function isAt({ popRegion, coreRegion }: PlanCandidate, pop: string, current: { coreRegion: string }): boolean {
  return popRegion === pop && coreRegion === current.coreRegion;
}

/** 0..1 from a text, evenly. */
export function drawOf(key: string): number {
  return createHash('sha256').update(key).digest().readUInt32BE(0) / 2 ** 32;
}

function refusal({ code, reasons }: Refused, agent: string, nodes: readonly NodeRecord[]): AntipodeError {
  const words = `${reasons.join('; ').replace(/\.$/, '')}.`;
  if (code === 'ERR_AGENT_UNKNOWN') {
    const names = knownAgents(nodes);
    const known = names.length > 0 ? `Known: ${names.join(', ')}.` : 'None is known.';
    return new AntipodeError(code, `No agent is called "${agent}". ${known}`, { path: 'agent' });
  }
  if (code === 'ERR_PLACEMENT_RESIDENCY') {
    return new AntipodeError(code, `No place may take this session: ${words}`, { path: 'residency' });
  }
  if (nodes.every(({ role }) => role !== 'core')) return new AntipodeError(code, words);
  return new AntipodeError(code, `No core can take this session now: ${words}`);
}
