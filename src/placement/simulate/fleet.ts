/** The simulated nodes by region, and who is on them. Owns seats; whom to give one is the rules'. */
import type { PlanNode } from '../plan-types.ts';

/** The nodes of one role in one region. */
export interface Site {
  readonly region: string;
  /** Indexes in `Fleet.nodes`. */
  readonly nodes: readonly number[];
}

export class Fleet {
  readonly nodes: readonly PlanNode[];
  readonly pops: readonly Site[];
  /** Those with the agent that is simulated; draining nodes are in no site. */
  readonly cores: readonly Site[];
  readonly #byId: ReadonlyMap<string, number>;
  /** Core site of a node, -1 of a POP. */
  readonly coreSiteOf: Int16Array;

  constructor(nodes: readonly PlanNode[], agent: string) {
    this.nodes = nodes;
    this.#byId = new Map(nodes.map(({ nodeId }, index) => [nodeId, index]));
    this.pops = sites(nodes, ({ role, draining }) => role === 'pop' && !draining);
    this.cores = sites(nodes, ({ role, draining, agents }) => role === 'core' && !draining && agents.includes(agent));
    this.coreSiteOf = new Int16Array(nodes.length).fill(-1);
    for (const [index, site] of this.cores.entries()) for (const node of site.nodes) this.coreSiteOf[node] = index;
  }

  indexOf(nodeId: string): number {
    return this.#byId.get(nodeId)!;
  }
}

/** Who sits where under one rule. */
export class Seats {
  readonly fleet: Fleet;
  readonly sessions: Int32Array;
  /** 1 for nodes of a lost region. */
  readonly gone: Uint8Array;

  constructor(fleet: Fleet) {
    this.fleet = fleet;
    this.sessions = Int32Array.from(fleet.nodes, (node) => node.sessions);
    this.gone = new Uint8Array(fleet.nodes.length);
  }

  copy(): Seats {
    const copy = new Seats(this.fleet);
    copy.sessions.set(this.sessions);
    copy.gone.set(this.gone);
    return copy;
  }

  lose(region: string): void {
    for (const [index, node] of this.fleet.nodes.entries()) if (node.region === region) this.gone[index] = 1;
  }

  sessionsAt(site: Site): number {
    let sum = 0;
    for (const node of site.nodes) sum += this.sessions[node]!;
    return sum;
  }

  capacityAt(site: Site): number {
    let sum = 0;
    for (const node of site.nodes) if (this.gone[node] === 0) sum += this.fleet.nodes[node]!.capacity;
    return sum;
  }

  /** The node with room that has the smallest share of it taken; -1 when none has. */
  leastLoaded(site: Site, limitShare: number): number {
    let best = -1;
    let bestLoad = limitShare;
    for (const node of site.nodes) {
      const load = this.sessions[node]! / this.fleet.nodes[node]!.capacity;
      if (this.gone[node] === 1 || load >= bestLoad) continue;
      best = node;
      bestLoad = load;
    }
    return best;
  }
}

function sites(nodes: readonly PlanNode[], belongs: (node: PlanNode) => boolean): Site[] {
  const indexes = [...nodes.keys()].filter((index) => belongs(nodes[index]!));
  const byRegion = Map.groupBy(indexes, (index) => nodes[index]!.region);
  return [...byRegion].map(([region, members]) => ({ region, nodes: members }));
}
