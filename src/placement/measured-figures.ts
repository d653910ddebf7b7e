/** What is behind the measured figures of a decision: how many requests or turns, how old, how much they count. */
import { confidenceOf } from './measured-services.ts';
import type { PathEstimate } from './paths.ts';
import type { LegChoice, MeasuredFigure, PlanCandidate } from './plan-types.ts';

/** By the names of the decision's sources. Of what callers measured nothing is kept. */
export function measuredFigures(
  { coreRegion, endpoints }: PlanCandidate,
  popCore: PathEstimate,
): Record<string, MeasuredFigure> {
  const measured: Record<string, MeasuredFigure> = {};
  if (popCore.ageMs !== null) measured.popCore = { ageMs: popCore.ageMs };
  for (const choice of endpoints) {
    const { leg, path } = choice;
    if (path !== null && path.ageMs !== null) measured[`${leg.kind} path`] = { ageMs: path.ageMs };
    const figure = endpointFigure(choice, coreRegion);
    if (figure !== null) measured[leg.kind] = figure;
    if (leg.measured !== undefined)
      measured[`${leg.kind} k`] = { count: leg.measured.turns, ageMs: leg.measured.ageMs };
  }
  return measured;
}

/** Of the core's own region where that has measured, else of all. */
function endpointFigure({ endpoint }: LegChoice, coreRegion: string): MeasuredFigure | null {
  if (endpoint.measured === undefined) return null;
  const { count, ageMs, confidence, from } = endpoint.measured;
  const seen = from.find(({ core }) => core === coreRegion);
  if (seen === undefined) return { count, ageMs, confidence };
  return { count: seen.count, ageMs: seen.ageMs, confidence: confidenceOf(seen.count) };
}
