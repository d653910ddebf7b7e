/**
 * Chooses the core of a session: pure, deterministic, and explained. Owns the hard constraints (residency, agent,
 * drain, room) and the order among what is left; owns neither the gathering of facts nor what follows a decision.
 */
import { AntipodeError } from '../errors.ts';
import type { NodeRecord } from '../registry/index.ts';
import { knownAgents, type PlacementRequest, regionWithin, type World } from './world.ts';

export type ExclusionCode = 'excluded' | 'residency' | 'agent' | 'draining' | 'unreachable' | 'full';

/** One core that was looked at. */
export interface Candidate {
  readonly nodeId: string;
  readonly region: string;
  /** Sessions that it holds or was promised, and how many it can hold. */
  readonly sessions: number;
  readonly capacity: number;
  /** Why it can't be chosen, or null. */
  readonly excluded: { readonly code: ExclusionCode; readonly reason: string } | null;
}

export interface Decision {
  readonly core: { readonly nodeId: string; readonly region: string; readonly host: string; readonly port: number };
  /** For people: why this one. */
  readonly reason: string;
  /** Every core of the world: the chosen first, then the others in their order of preference, then the excluded. */
  readonly candidates: readonly Candidate[];
}

/**
 * The core for a session: within the pin, able, with room; the caller's own region first, then the least loaded.
 * @throws ERR_AGENT_UNKNOWN (with the known names) when cores are there and none has the agent
 * @throws ERR_PLACEMENT_RESIDENCY when the pin excludes the POP, or is what excludes every core that has the agent
 * @throws ERR_PLACEMENT_NO_CORE otherwise, with the reason for each core
 */
export function decide(world: World, request: PlacementRequest): Decision {
  const pin = request.residency;
  if (pin !== null && !regionWithin(request.pop.region, pin)) {
    throw new AntipodeError(
      'ERR_PLACEMENT_RESIDENCY',
      `The session is pinned to "${pin}" and this POP, ${request.pop.nodeId}, is in region "${request.pop.region}".`,
      { path: 'residency' },
    );
  }
  const cores = world.nodes.filter((node) => node.role === 'core');
  const judged = cores.map((node) => ({ node, candidate: judge(node, world, request) }));
  const ranked = judged.toSorted((a, b) => compare(a.candidate, b.candidate, request.pop.region));
  const best = ranked[0];
  if (!best || best.candidate.excluded || !best.node.control) throw refusal(world, request, ranked);
  const { node, candidate } = best;
  return {
    core: { nodeId: node.nodeId, region: node.region, host: node.control!.host, port: node.control!.port },
    reason: explain(
      candidate,
      ranked.map((entry) => entry.candidate),
      request,
    ),
    candidates: ranked.map((entry) => entry.candidate),
  };
}

function judge(node: NodeRecord, world: World, request: PlacementRequest): Candidate {
  const sessions = Math.max(node.load.sessions, world.promised.get(node.nodeId) ?? 0);
  const capacity = node.capacity.sessions;
  const base = { nodeId: node.nodeId, region: node.region, sessions, capacity };
  const excluded = (code: ExclusionCode, reason: string): Candidate => ({ ...base, excluded: { code, reason } });
  if (!node.agents.some((agent) => agent.name === request.agent)) return excluded('agent', `has no "${request.agent}"`);
  if (request.residency !== null && !regionWithin(node.region, request.residency)) {
    return excluded('residency', `is in region "${node.region}", outside the pin "${request.residency}"`);
  }
  if (request.excludedCores?.includes(node.nodeId)) return excluded('excluded', 'was excluded by the request');
  if (node.draining) return excluded('draining', 'is draining');
  if (!node.control) return excluded('unreachable', 'announces no control address');
  if (sessions >= capacity) return excluded('full', `is full (${sessions} of ${capacity} sessions)`);
  return { ...base, excluded: null };
}

function compare(a: Candidate, b: Candidate, popRegion: string): number {
  const usable = Number(a.excluded !== null) - Number(b.excluded !== null);
  if (usable !== 0) return usable;
  const near = Number(b.region === popRegion) - Number(a.region === popRegion);
  if (near !== 0) return near;
  const load = a.sessions / a.capacity - b.sessions / b.capacity;
  if (load !== 0 && !Number.isNaN(load)) return load;
  return a.nodeId < b.nodeId ? -1 : a.nodeId > b.nodeId ? 1 : 0;
}

function explain(chosen: Candidate, candidates: Candidate[], request: PlacementRequest): string {
  const rivals = candidates.filter((candidate) => candidate.excluded === null).length - 1;
  const pin = request.residency === null ? '' : ` within "${request.residency}"`;
  if (rivals === 0)
    return `${chosen.nodeId} in ${chosen.region} is the only core${pin} that can take ${request.agent}.`;
  const why =
    chosen.region === request.pop.region ? `in the POP's own region and the least loaded there` : `the least loaded`;
  return `${chosen.nodeId} in ${chosen.region} is ${why} of ${rivals + 1} cores${pin} that can take ${request.agent}.`;
}

function refusal(world: World, request: PlacementRequest, judged: readonly { candidate: Candidate }[]): AntipodeError {
  if (judged.length === 0) return new AntipodeError('ERR_PLACEMENT_NO_CORE', 'No core is alive.');
  const able = judged.map((entry) => entry.candidate).filter((candidate) => candidate.excluded?.code !== 'agent');
  if (able.length === 0) {
    const names = knownAgents(world.nodes);
    return new AntipodeError(
      'ERR_AGENT_UNKNOWN',
      `No agent is called "${request.agent}". ${names.length > 0 ? `Known: ${names.join(', ')}.` : 'None is known.'}`,
      { path: 'agent' },
    );
  }
  const reasons = able.map((candidate) => `${candidate.nodeId} ${candidate.excluded?.reason}`).join('; ');
  if (able.every((candidate) => candidate.excluded?.code === 'residency')) {
    return new AntipodeError('ERR_PLACEMENT_RESIDENCY', `No core may take this session: ${reasons}.`, {
      path: 'residency',
    });
  }
  return new AntipodeError('ERR_PLACEMENT_NO_CORE', `No core can take this session now: ${reasons}.`);
}
