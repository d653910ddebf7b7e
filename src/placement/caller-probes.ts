/**
 * Round trips to POPs that a caller measured itself: which POPs are worth measuring, and what a measurement counts as.
 * Where the caller's address is known to be, a figure that is faster than light from there, or absurd against the
 * distance, is bounded: a caller can be wrong or lie, and is then as far as its address says. Pure. Says nothing of
 * whose law holds for a caller: that goes by its address alone.
 */
import { keptOutside } from './kept-within.ts';
import { distanceMs, lightMs, measurementBounds, pathFrom } from './paths.ts';
import { forbiddingPin, type Pin } from './pin.ts';
import type { PlanCandidate, PlanNode } from './plan-types.ts';
import { DEFAULT_POLICY } from './policy.ts';
import { type Coordinates, distanceKm, type Regions } from './regions.ts';

/** Longest round trip that counts where nobody knows the caller's place, ms. */
const MAX_PROBE_MS = 2_000;
/** To be sent on costs a join a few round trips, and figures are noisy: what gains less is not worth it. */
const MIN_GAIN_MS = 10;

/** A caller's measurement, as it tells it. */
export interface CallerProbe {
  /** Node id. */
  readonly pop: string;
  readonly rttMs: number;
}

/** A measurement and what it counts as. */
export interface CountedProbe extends CallerProbe {
  readonly region: string;
  /** ms; `rttMs` unless that was bounded. */
  readonly countedMs: number;
}

/** Where the caller's address is known to be. */
export interface CallerArea {
  readonly place: Coordinates | null;
  /** Kilometers around the place. */
  readonly withinKm: number | null;
}

export interface ProbeWorld {
  readonly nodes: readonly PlanNode[];
  readonly regions: Regions;
  /** The caller's own network where only a distance is known, ms. */
  readonly accessMs: number;
}

export interface PopCandidate {
  readonly nodeId: string;
  readonly region: string;
  /** Round trip by the caller's place, ms; null where one of the two places is unknown. */
  readonly expectedMs: number | null;
}

export interface CountedProbes {
  readonly counted: readonly CountedProbe[];
  /** Probes of POPs that are not there. */
  readonly unknown: number;
}

/**
 * The POPs that a caller may come in by, one of each region, the nearest by its address first.
 * @param own the POP that is asked; stands for its region
 */
export function popCandidates(
  world: ProbeWorld,
  caller: CallerArea,
  pins: readonly Pin[],
  own: string,
): readonly PopCandidate[] {
  const allowed = world.nodes.filter((node) => isOpenPop(node, pins, world.regions));
  const ofRegion = [...Map.groupBy(allowed, ({ region }) => region).values()].map(
    (nodes) => nodes.find(({ nodeId }) => nodeId === own) ?? nodes.toSorted(byLoad)[0]!,
  );
  return ofRegion
    .map(({ nodeId, region }) => ({ nodeId, region, expectedMs: expectedMs(world, caller, region) }))
    .toSorted(
      (a, b) =>
        (a.expectedMs ?? Number.POSITIVE_INFINITY) - (b.expectedMs ?? Number.POSITIVE_INFINITY) ||
        Number(b.nodeId === own) - Number(a.nodeId === own) ||
        (a.nodeId < b.nodeId ? -1 : 1),
    );
}

/** Whether a node is a POP that takes new sessions, where it stands and what it writes down within every pin. */
export function isOpenPop(node: PlanNode, pins: readonly Pin[], regions: Regions): boolean {
  const { role, region, draining, sessions, capacity } = node;
  if (role !== 'pop' || draining || sessions >= capacity) return false;
  return forbiddingPin(pins, regions.get(region), region) === null && keptOutside(node, pins, regions) === null;
}

/**
 * The measured POP of the best place.
 * @param candidates by score, the usable ones first
 * @param own region that is kept unless another gains `MIN_GAIN_MS`
 */
export function soonestPop(
  candidates: readonly PlanCandidate[],
  counted: readonly CountedProbe[],
  own: string,
): CountedProbe | null {
  const usable = candidates.filter(
    ({ excluded, popRegion }) => excluded === null && counted.some(({ region }) => region === popRegion),
  );
  const best = usable[0];
  const home = usable.find(({ popRegion }) => popRegion === own);
  if (best === undefined) return null;
  const { popRegion } = home !== undefined && home.score - best.score < MIN_GAIN_MS ? home : best;
  return counted.filter(({ region }) => region === popRegion).toSorted((a, b) => a.countedMs - b.countedMs)[0]!;
}

/** What a caller's probes count as; the least of several for one POP. */
export function countProbes(world: ProbeWorld, caller: CallerArea, probes: readonly CallerProbe[]): CountedProbes {
  const popRegions = new Map(
    world.nodes.filter(({ role }) => role === 'pop').map(({ nodeId, region }) => [nodeId, region]),
  );
  const counted = new Map<string, CountedProbe>();
  let unknown = 0;
  for (const { pop, rttMs } of probes) {
    const region = popRegions.get(pop);
    if (region === undefined || !Number.isFinite(rttMs) || rttMs < 0) {
      unknown += 1;
      continue;
    }
    const before = counted.get(pop);
    if (before !== undefined && before.rttMs <= rttMs) continue;
    counted.set(pop, { pop, region, rttMs, countedMs: believedMs(world, caller, region, rttMs) });
  }
  return { counted: [...counted.values()], unknown };
}

/** A measured round trip to a region as far as it can be believed, ms. */
export function believedMs(world: ProbeWorld, caller: CallerArea, region: string, rttMs: number): number {
  const there = world.regions.get(region);
  if (caller.place === null || there === null) return Math.min(rttMs, MAX_PROBE_MS);
  const km = distanceKm(caller.place, there);
  const withinKm = caller.withinKm ?? 0;
  const nearestKm = Math.max(0, km - withinKm);
  const { lowest } = measurementBounds(distanceMs(nearestKm) + world.accessMs, lightMs(nearestKm));
  const { highest } = measurementBounds(distanceMs(km + withinKm) + world.accessMs, 0);
  return Math.min(highest, Math.max(lowest, rttMs));
}

/** Round trips that were told by POP region, as those of a POP there; of a region without a POP there is none. */
export function probesOfRegions(told: ReadonlyMap<string, number>, nodes: readonly PlanNode[]): CallerProbe[] {
  return [...told].map(([region, rttMs]) => ({
    pop: nodes.find((node) => node.role === 'pop' && node.region === region)?.nodeId ?? region,
    rttMs,
  }));
}

/** POP region -> round trip, ms; the least where a region has several POPs. */
export function probesByRegion(counted: readonly CountedProbe[]): Map<string, number> {
  const byRegion = new Map<string, number>();
  for (const { region, countedMs } of counted) {
    byRegion.set(region, Math.min(countedMs, byRegion.get(region) ?? Number.POSITIVE_INFINITY));
  }
  return byRegion;
}

function expectedMs({ regions, accessMs }: ProbeWorld, { place }: CallerArea, name: string): number | null {
  return place === null ? null : distanceToRegion(regions, place, name, accessMs);
}

/** What a round trip from a place to a region is taken for, ms; null for a region that nobody knows. */
export function distanceToRegion(
  regions: Regions,
  place: Coordinates,
  name: string,
  accessMs = DEFAULT_POLICY.latency.accessMs,
): number | null {
  const region = regions.get(name);
  return region === null ? null : pathFrom(place, region, accessMs).p50;
}

function byLoad(a: PlanNode, b: PlanNode): number {
  return a.sessions / a.capacity - b.sessions / b.capacity || (a.nodeId < b.nodeId ? -1 : 1);
}
