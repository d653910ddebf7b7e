/**
 * Whether figures have moved so far that a plan must be made anew: measurements come all the time, and most say what the
 * ones before said. What is less is in the next plan that is made for another reason.
 */
import type { PlacedAgent } from './agent-legs.ts';
import type { AiEndpoint, SeenFrom } from './endpoint.ts';
import { type PathQuality, qualityCostMs } from './path-quality.ts';

/** More than both. */
const TIME = { ms: 5, share: 0.05 } as const;
const ROUND_TRIPS = { trips: 0.1, share: 0.05 } as const;

export function haveEndpointsMoved(before: readonly AiEndpoint[], after: readonly AiEndpoint[]): boolean {
  if (before.length !== after.length) return true;
  return after.some((endpoint, index) => {
    const old = before[index]!;
    if (old.id !== endpoint.id || old.kind !== endpoint.kind || haveTimesMoved(old, endpoint)) return true;
    const from = endpoint.measured?.from ?? [];
    const oldFrom = old.measured?.from ?? [];
    return from.length !== oldFrom.length || from.some((seen) => !isNear(seen, oldFrom));
  });
}

export function haveLegsMoved(
  before: ReadonlyMap<string, PlacedAgent>,
  after: ReadonlyMap<string, PlacedAgent>,
): boolean {
  return [...after].some(([name, { legs }]) => {
    const old = before.get(name)?.legs ?? [];
    return legs.some(({ k }, index) => {
      const oldK = old[index]?.k ?? 0;
      return Math.abs(k - oldK) > Math.max(ROUND_TRIPS.trips, ROUND_TRIPS.share * oldK);
    });
  });
}

function isNear(seen: SeenFrom, before: readonly SeenFrom[]): boolean {
  const old = before.find(({ core }) => core === seen.core);
  return old !== undefined && !haveTimesMoved(old, seen);
}

/** By what they cost. */
export function hasQualityMoved(before: PathQuality, after: PathQuality): boolean {
  return Math.abs(qualityCostMs(after) - qualityCostMs(before)) > TIME.ms;
}

interface Times {
  readonly p50: number;
  readonly p95: number;
}

/** A tail is known less well, and counts less: twice as far. */
export function haveTimesMoved(before: Times, after: Times): boolean {
  const hasMoved = (old: number, now: number, times: number) =>
    Math.abs(now - old) > times * Math.max(TIME.ms, TIME.share * old);
  return hasMoved(before.p50, after.p50, 1) || hasMoved(before.p95, after.p95, 2);
}
