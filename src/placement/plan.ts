/**
 * The decision: for one session, the POP region, the core region, the endpoint of each leg and then the nodes, by
 * predicted latency, load and cost, within the pins. Pure: a `Plan` is compiled once from a world and a policy (who is
 * alive in which region, the best endpoints seen from each), and decides from tables. Owns the latency model and the
 * hard constraints; gathers no facts and keeps no promises.
 *
 * The model, in milliseconds: voice to voice = caller-POP + POP-core (a round trip of each: the question there, the
 * answer back) + what loss and jitter between POP and core cost (path-quality.ts) + for each leg k x (core-endpoint + service time) + endpointing (endpointing.ts). p50 is the sum of the
 * parts' p50; p95 takes the parts as independent: p50 + the root of the sum of the squared distances.
 */
import type { AiEndpoint } from './endpoint.ts';
import { endpointingPart } from './endpointing.ts';
import { keptOutside } from './kept-within.ts';
import { type LegTable, LegTables, MAX_TABLES, pinsKey, spreadOf } from './leg-tables.ts';
import { measuredFigures } from './measured-figures.ts';
import { qualityCostMs } from './path-quality.ts';
import { type PathEstimate, type PathSource, pathFrom } from './paths.ts';
import { contradiction, forbiddingPin, type Pin, pinInWords } from './pin.ts';
import type {
  Exclusion,
  PlanCandidate,
  PlanChoice,
  PlanNode,
  PlanOutcome,
  PlanRequest,
  PlanWorld,
  RefusalCode,
} from './plan-types.ts';
import type { Policy } from './policy.ts';
import type { Region } from './regions.ts';

interface NodeState extends PlanNode {
  /** Sessions up to which it takes new ones of high priority. */
  readonly limit: number;
  /** Of these, not for sessions of normal priority. */
  readonly kept: number;
}

interface Place {
  readonly name: string;
  readonly region: Region | null;
  readonly nodes: readonly NodeState[];
  readonly capacity: number;
  readonly sessions: number;
  readonly largest: number;
}

/** What pins exclude, and the nodes of each core region that they leave to an agent. */
interface Forbidden {
  readonly pops: readonly (Exclusion | null)[];
  readonly cores: readonly (Exclusion | null)[];
  /** Node id -> why, of nodes in allowed regions. */
  readonly nodes: ReadonlyMap<string, Exclusion>;
  readonly able: Map<string, readonly (readonly NodeState[])[]>;
}

export class Plan {
  readonly #world: PlanWorld;
  readonly #policy: Policy;
  readonly #pops: readonly Place[];
  readonly #cores: readonly Place[];
  /** Path of POP region i to core region j at i * cores + j. */
  readonly #paths: readonly PathEstimate[];
  readonly #spreads: Float64Array;
  /** What loss and jitter cost on each, ms. */
  readonly #qualities: Float64Array;
  readonly #legs: LegTables;
  readonly #forbidden = new Map<string, Forbidden>();

  constructor(world: PlanWorld, policy: Policy, nowMs: number) {
    this.#world = world;
    this.#policy = policy;
    this.#pops = this.#placesOf('pop');
    this.#cores = this.#placesOf('core');
    this.#paths = this.#pops.flatMap((pop) =>
      this.#cores.map((core) => world.paths.between(pop.name, core.name, nowMs)),
    );
    this.#spreads = Float64Array.from(this.#paths, spreadOf);
    this.#qualities = Float64Array.from(this.#paths, qualityCostMs);
    const { regions, paths, endpoints } = world;
    const cores = this.#cores.map(({ name }) => name);
    this.#legs = new LegTables({ regions, paths, endpoints, policy, cores, nowMs });
  }

  /** The place of a session, or why there is none. */
  decide(request: PlanRequest): PlanOutcome {
    const best = this.#best(request, null);
    return best ?? { chosen: null, refused: this.#refusal(request) };
  }

  /** The AI endpoints that a session may use at its place, the chosen ones first, and the servers of its tools. */
  endpointsOf(
    choice: PlanCandidate,
    pins: readonly Pin[],
  ): { services: readonly AiEndpoint[]; tools: readonly AiEndpoint[] } {
    const services = this.#legs.allowed(pins, choice.coreRegion, choice.endpoints);
    return { services: services.filter(({ region }) => region !== 'local'), tools: this.#legs.allowedTools(pins) };
  }

  /** Every place that was looked at: the usable ones by score, then the others with the reason. */
  explain(request: PlanRequest): PlanCandidate[] {
    const candidates: PlanCandidate[] = [];
    this.#each(request, (pop, core) => {
      candidates.push(this.#candidate(request, pop, core));
    });
    return candidates.toSorted(
      (a, b) => Number(a.excluded !== null) - Number(b.excluded !== null) || a.score - b.score,
    );
  }

  /** Chooses until a place has a node with room: what was promised since the plan was made may have filled the first. */
  #best(request: PlanRequest, promised: ReadonlyMap<string, number> | null): PlanOutcome | null {
    const full = new Set<number>();
    const forbidden = this.#forbiddenBy(request.pins);
    for (;;) {
      let bestPop = -1;
      let bestCore = -1;
      let bestScore = Number.POSITIVE_INFINITY;
      this.#each(request, (pop, core, score, excluded) => {
        if (excluded || score >= bestScore || full.has(core)) return;
        bestScore = score;
        bestPop = pop;
        bestCore = core;
      });
      if (bestCore === -1) return null;
      const node =
        this.#staying(request, bestCore, forbidden) ??
        leastLoaded(this.#ableNodes(request, bestCore, forbidden), promised, request.priority);
      if (node === null) {
        full.add(bestCore);
        continue;
      }
      const pops = allowedNodes(this.#pops[bestPop]!.nodes, forbidden);
      const popNode = request.pop?.nodeId ?? leastLoaded(pops, null, 'normal')?.nodeId;
      if (popNode === undefined) return null;
      return { chosen: this.#chosen(request, bestPop, bestCore, popNode, node.nodeId), refused: null };
    }
  }

  /** As `decide`, with sessions that were promised to cores since this plan was made. */
  decideWith(request: PlanRequest, promised: ReadonlyMap<string, number>): PlanOutcome {
    const best = this.#best(request, promised);
    return best ?? { chosen: null, refused: this.#refusal(request) };
  }

  /** Visits each pair of a POP region and a core region with its score; hot: allocates nothing per pair. */
  #each(request: PlanRequest, visit: (pop: number, core: number, score: number, excluded: boolean) => void): void {
    const { objective, latency } = this.#policy;
    const tables = this.#legs.of(request.legs, request.pins);
    const forbidden = this.#forbiddenBy(request.pins);
    const cores = this.#cores.length;
    const coreOut = new Uint8Array(cores);
    const extra = new Float64Array(cores);
    for (let core = 0; core < cores; core++) {
      coreOut[core] = this.#coreExclusion(request, core, tables[core]!, forbidden) === null ? 0 : 1;
      extra[core] = this.#handicap(request, core, tables[core]!, forbidden);
    }
    for (let pop = 0; pop < this.#pops.length; pop++) {
      const popOut = this.#popExclusion(request, pop, forbidden) !== null;
      if (popOut && request.pop !== null && request.pop.region !== this.#pops[pop]!.name) continue;
      const access = this.#access(request, pop);
      const accessSpread = spreadOf(access);
      for (let core = 0; core < cores; core++) {
        const at = pop * cores + core;
        const table = tables[core]!;
        const way = this.#paths[at]!.p50 + this.#qualities[at]!;
        const p50 = access.p50 + way + table.p50 + endpointingPart(latency, table.p50);
        const tail = Math.sqrt(accessSpread + this.#spreads[at]! + table.spread);
        const score = p50 + objective.tailWeight * tail + extra[core]!;
        visit(pop, core, score, popOut || coreOut[core] === 1);
      }
    }
  }

  #candidate(request: PlanRequest, pop: number, core: number): PlanCandidate {
    const { objective, latency } = this.#policy;
    const table = this.#legs.of(request.legs, request.pins)[core]!;
    const forbidden = this.#forbiddenBy(request.pins);
    const excluded =
      this.#popExclusion(request, pop, forbidden) ?? this.#coreExclusion(request, core, table, forbidden);
    const access = this.#access(request, pop);
    const at = pop * this.#cores.length + core;
    const path = this.#paths[at]!;
    const known = table.excluded === null;
    const endpointing = endpointingPart(latency, table.p50);
    const quality = this.#qualities[at]!;
    const p50 = access.p50 + path.p50 + quality + table.p50 + endpointing;
    const tail = Math.sqrt(spreadOf(access) + this.#spreads[at]! + table.spread);
    const parts: Record<string, number> = { callerPop: access.p50, popCore: path.p50 };
    if (quality > 0) parts.popCoreQuality = quality;
    for (const choice of table.choices) parts[choice.leg.kind] = (parts[choice.leg.kind] ?? 0) + choice.p50;
    parts.endpointing = endpointing;
    return {
      popRegion: this.#pops[pop]!.name,
      coreRegion: this.#cores[core]!.name,
      predictedMs: known ? { p50, p95: p50 + tail } : null,
      parts,
      score: p50 + objective.tailWeight * tail + this.#handicap(request, core, table, forbidden),
      centsPerMinute: this.#cents(core, table),
      endpoints: table.choices,
      excluded,
    };
  }

  #chosen(request: PlanRequest, pop: number, core: number, popNode: string, coreNode: string): PlanChoice {
    const candidate = this.#candidate(request, pop, core);
    const sources: Record<string, PathSource | AiEndpoint['source']> = {
      callerPop: this.#access(request, pop).source,
      popCore: this.#paths[pop * this.#cores.length + core]!.source,
    };
    for (const { leg, endpoint, path } of candidate.endpoints) {
      if (path !== null && endpoint.place !== 'local') sources[`${leg.kind} path`] = path.source;
      sources[leg.kind] = endpoint.source;
      if (leg.measured !== undefined) sources[`${leg.kind} k`] = 'measured';
    }
    const measured = measuredFigures(candidate, this.#paths[pop * this.#cores.length + core]!);
    return { ...candidate, popNode, coreNode, sources, measured };
  }

  /** Milliseconds that load and cost count as slower, less what keeps a running session where it is. */
  #handicap(request: PlanRequest, core: number, table: LegTable, forbidden: Forbidden): number {
    const { objective } = this.#policy;
    const node = leastLoaded(this.#ableNodes(request, core, forbidden), null, request.priority);
    const load = node === null ? 1 : node.sessions / node.capacity;
    const stays = request.current?.coreRegion === this.#cores[core]!.name;
    return (
      objective.loadWeightMs * load +
      objective.costWeightMsPerCent * (this.#cents(core, table) ?? 0) -
      (stays ? objective.hysteresisMs : 0)
    );
  }

  #cents(core: number, table: LegTable): number | null {
    const region = this.#policy.cost.regionCentsPerMinute[this.#cores[core]!.name];
    if (region === undefined && table.cents === null) return null;
    return (region ?? 0) + (table.cents ?? 0);
  }

  #access(request: PlanRequest, pop: number): PathEstimate {
    const place = this.#pops[pop]!;
    const probe = request.caller.probes?.get(place.name);
    if (probe !== undefined) return { p50: probe, p95: probe * 1.3, source: 'measured', ageMs: 0 };
    const { accessMs } = this.#policy.latency;
    // Nobody knows where the caller is: no POP is nearer than another, and what it did not measure no nearer than that.
    if (request.caller.place === null || place.region === null) {
      const { probes } = request.caller;
      const p50 = probes === undefined ? accessMs : Math.max(accessMs, ...probes.values());
      return { p50, p95: 3 * p50, source: 'assumed', ageMs: null };
    }
    return pathFrom(request.caller.place, place.region, accessMs);
  }

  #popExclusion(request: PlanRequest, pop: number, forbidden: Forbidden): Exclusion | null {
    const place = this.#pops[pop]!;
    if (request.pop !== null && request.pop.region !== place.name) {
      return { code: 'excluded', reason: `the caller has come in by ${request.pop.region}` };
    }
    const outside = forbidden.pops[pop] ?? (request.pop && forbidden.nodes.get(request.pop.nodeId));
    if (outside) return outside;
    const hasRoom =
      request.pop !== null ||
      allowedNodes(place.nodes, forbidden).some((node) => node.sessions < node.limit && !node.draining);
    return hasRoom ? null : { code: 'full', reason: `no POP in ${place.name} has room` };
  }

  #coreExclusion(request: PlanRequest, core: number, table: LegTable, forbidden: Forbidden): Exclusion | null {
    const { cores, cost } = this.#policy;
    const place = this.#cores[core]!;
    const { name } = place;
    if (cores.blocked.includes(name)) return { code: 'blocked', reason: `${name} is blocked by the policy` };
    const outside = forbidden.cores[core]!;
    if (outside !== null) return outside;
    const forced = request.caller.country === null ? undefined : cores.forcedByCountry[request.caller.country];
    if (forced !== undefined && forced !== name) {
      return { code: 'forced', reason: `callers of ${request.caller.country} run in ${forced}` };
    }
    const room = this.#roomExclusion(request, core, place, forbidden);
    if (room !== null) return room;
    const share = cores.canary[name];
    if (share !== undefined && request.draw >= share && request.current?.coreRegion !== name) {
      return { code: 'canary', reason: `${name} takes ${share * 100} % of the sessions, and not this one` };
    }
    if (table.excluded !== null) return table.excluded;
    const cents = this.#cents(core, table);
    if (cost.maxCentsPerMinute !== null && cents !== null && cents > cost.maxCentsPerMinute) {
      return { code: 'cost', reason: `costs ${cents.toFixed(2)} cents a minute, over ${cost.maxCentsPerMinute}` };
    }
    return null;
  }

  #roomExclusion(request: PlanRequest, core: number, place: Place, forbidden: Forbidden): Exclusion | null {
    const { name } = place;
    const able = this.#ableNodes(request, core, forbidden);
    if (able.length === 0) {
      const others = place.nodes.filter(({ agents }) => agents.includes(request.agent));
      const outside = others.flatMap(({ nodeId }) => forbidden.nodes.get(nodeId) ?? []);
      return outside[0] ?? { code: 'agent', reason: `no core in ${name} has the agent "${request.agent}"` };
    }
    if (this.#staying(request, core, forbidden) !== null) return null;
    if (leastLoaded(able, null, request.priority) === null) {
      const all = able.every((node) => node.draining);
      const excluded = request.excludedCores?.length ? able.every((node) => node.draining || node.limit === 0) : false;
      if (all || excluded)
        return { code: 'draining', reason: `every core in ${name} drains, cannot be reached or is excluded` };
      return {
        code: 'full',
        reason: `every core in ${name} is full (${place.sessions} of ${place.capacity} sessions)`,
      };
    }
    const n1 = this.#policy.cores.headroom === 'n-1';
    // What the head-room is for.
    const isTakeOver = request.priority === 'take-over';
    if (n1 && !isTakeOver && place.sessions >= place.capacity - place.largest) {
      return { code: 'headroom', reason: `${name} could not lose its largest core and hold its sessions` };
    }
    return null;
  }

  /** The nodes of a core region that have the agent, the excluded ones as if they had no room. */
  #ableNodes(request: PlanRequest, core: number, forbidden: Forbidden): readonly NodeState[] {
    let able = forbidden.able.get(request.agent);
    if (able === undefined) {
      able = this.#cores.map(({ nodes }) =>
        allowedNodes(nodes, forbidden).filter((node) => node.agents.includes(request.agent)),
      );
      if (forbidden.able.size >= MAX_TABLES) forbidden.able.clear();
      forbidden.able.set(request.agent, able);
    }
    const nodes = able[core]!;
    const excluded = request.excludedCores;
    if (excluded === undefined || excluded.length === 0) return nodes;
    return nodes.map((node) => (excluded.includes(node.nodeId) ? { ...node, limit: 0 } : node));
  }

  /** The node that a running session is at, where it has its slot already; null when it cannot stay there. */
  #staying(request: PlanRequest, core: number, forbidden: Forbidden): NodeState | null {
    const { current } = request;
    if (!current?.coreNode || current.coreRegion !== this.#cores[core]!.name) return null;
    const node = this.#ableNodes(request, core, forbidden).find(({ nodeId }) => nodeId === current.coreNode);
    return node === undefined || node.draining || node.limit === 0 ? null : node;
  }

  #has(agent: string, core: number): boolean {
    return this.#cores[core]!.nodes.some(({ agents }) => agents.includes(agent));
  }

  #forbiddenBy(pins: readonly Pin[]): Forbidden {
    const key = pinsKey(pins);
    let forbidden = this.#forbidden.get(key);
    if (forbidden === undefined) {
      const outside = new Map<string, Exclusion>();
      const judge = ({ name, region, nodes }: Place): Exclusion | null => {
        const pin = forbiddingPin(pins, region, name);
        if (pin === null) {
          const kept = nodes.map((node) => [node.nodeId, keptOutside(node, pins, this.#world.regions)] as const);
          for (const [nodeId, exclusion] of kept) if (exclusion !== null) outside.set(nodeId, exclusion);
          return kept.every(([, exclusion]) => exclusion !== null) ? kept[0]![1] : null;
        }
        const law =
          region === null ? 'nobody knows whose law holds there' : `is under the law of ${region.jurisdiction}`;
        return { code: 'residency', reason: `${name} is outside the pin ${pinInWords(pin)}: ${law}` };
      };
      forbidden = { pops: this.#pops.map(judge), cores: this.#cores.map(judge), nodes: outside, able: new Map() };
      if (this.#forbidden.size >= MAX_TABLES) this.#forbidden.clear();
      this.#forbidden.set(key, forbidden);
    }
    return forbidden;
  }

  #refusal(request: PlanRequest): { code: RefusalCode; reasons: string[] } {
    const opposed = contradiction(request.pins, this.#world.regions);
    if (opposed) {
      const reason = `The pins ${pinInWords(opposed[0])} and ${pinInWords(opposed[1])} contradict each other.`;
      return { code: 'ERR_PLACEMENT_RESIDENCY', reasons: [reason] };
    }
    if (this.#cores.length === 0) return { code: 'ERR_PLACEMENT_NO_CORE', reasons: ['No core is alive.'] };
    if (this.#pops.length === 0) return { code: 'ERR_PLACEMENT_NO_CORE', reasons: ['No POP is alive.'] };
    const forbidden = this.#forbiddenBy(request.pins);
    const tables = this.#legs.of(request.legs, request.pins);
    const pops = this.#pops.map((_, pop) => this.#popExclusion(request, pop, forbidden));
    if (pops.every((each) => each !== null)) {
      const relevant = pops.filter((each) => request.pop === null || each.code !== 'excluded');
      const code = relevant.some((each) => each.code === 'residency')
        ? 'ERR_PLACEMENT_RESIDENCY'
        : 'ERR_PLACEMENT_NO_CORE';
      return { code, reasons: [...new Set(relevant.map((each) => each.reason))] };
    }
    const cores = this.#cores.map((_, core) => this.#coreExclusion(request, core, tables[core]!, forbidden));
    const reasons = [...new Set(cores.flatMap((each) => (each === null ? [] : [each.reason])))];
    const able = cores.filter((_, core) => this.#has(request.agent, core));
    if (able.length === 0) return { code: 'ERR_AGENT_UNKNOWN', reasons };
    const isResidency = able.every((each) => each?.code === 'residency' || each?.code === 'endpoint-residency');
    return { code: isResidency ? 'ERR_PLACEMENT_RESIDENCY' : 'ERR_PLACEMENT_NO_CORE', reasons };
  }

  #placesOf(role: 'pop' | 'core'): Place[] {
    const { maxLoad } = this.#policy.cores;
    const byRegion = Map.groupBy(
      this.#world.nodes.filter((node) => node.role === role),
      (node) => node.region,
    );
    return [...byRegion].map(([name, nodes]) => ({
      name,
      region: this.#world.regions.get(name),
      nodes: nodes
        .map((node) => ({
          ...node,
          limit: role === 'core' ? Math.floor(node.capacity * maxLoad) : node.capacity,
          kept: node.reserved ?? 0,
        }))
        .toSorted((a, b) => a.sessions / a.capacity - b.sessions / b.capacity || (a.nodeId < b.nodeId ? -1 : 1)),
      capacity: nodes.reduce((sum, node) => sum + node.capacity, 0),
      sessions: nodes.reduce((sum, node) => sum + node.sessions, 0),
      largest: nodes.reduce((most, node) => Math.max(most, node.capacity), 0),
    }));
  }
}

function allowedNodes(nodes: readonly NodeState[], { nodes: outside }: Forbidden): readonly NodeState[] {
  return outside.size === 0 ? nodes : nodes.filter(({ nodeId }) => !outside.has(nodeId));
}

/** Sessions up to which a node takes one of this priority; an excluded node takes none. */
function limitFor(priority: PlanRequest['priority'], { limit, kept }: NodeState): number {
  if (priority === 'take-over') return limit > 0 ? Number.POSITIVE_INFINITY : 0;
  return priority === 'high' ? limit : limit - kept;
}

/** The node with room that has the smallest share of it taken; nodes come sorted by that. */
function leastLoaded(
  nodes: readonly NodeState[],
  promised: ReadonlyMap<string, number> | null,
  priority: PlanRequest['priority'],
): NodeState | null {
  let best: NodeState | null = null;
  let bestLoad = Number.POSITIVE_INFINITY;
  for (const node of nodes) {
    if (node.draining) continue;
    const sessions = node.sessions + (promised?.get(node.nodeId) ?? 0);
    if (sessions >= limitFor(priority, node)) continue;
    const load = sessions / node.capacity;
    if (load < bestLoad) {
      best = node;
      bestLoad = load;
    }
    // Without promises the first that has room is the least loaded.
    if (promised === null || promised.size === 0) return best;
  }
  return best;
}
