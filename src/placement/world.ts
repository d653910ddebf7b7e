/**
 * What a placement decision is made of: the nodes as the registry tells them and the sessions that were promised to
 * each core. Plain facts, taken at one moment; who gathers them is the caller of `decide`.
 */
import type { NodeRecord } from '../registry/index.ts';

export interface World {
  /** Nodes whose lease is alive, of both roles. */
  readonly nodes: readonly NodeRecord[];
  /** Core node id -> sessions that the asking POP gave it and that have not ended; a core's own figure lags behind. */
  readonly promised: ReadonlyMap<string, number>;
}

export interface PlacementRequest {
  readonly agent: string;
  /** Residency pin, such as `eu`, or null. */
  readonly residency: string | null;
  /** The POP that the caller comes in by. */
  readonly pop: { readonly nodeId: string; readonly region: string };
  /** Cores that must not be chosen, such as one that was just found dead. */
  readonly excludedCores?: readonly string[];
}

/** Whether a region lies within a residency pin: the pin itself, or a region named below it (`eu` holds `eu-west-1`). */
export function regionWithin(region: string, pin: string): boolean {
  const place = region.toLowerCase();
  const limit = pin.toLowerCase();
  return place === limit || place.startsWith(`${limit}-`);
}

/** Names of the agents that some core in this world can run, sorted. */
export function knownAgents(nodes: readonly NodeRecord[]): string[] {
  const names = new Set<string>();
  for (const node of nodes) {
    if (node.role !== 'core') continue;
    for (const agent of node.agents) names.add(agent.name);
  }
  return [...names].sort();
}
