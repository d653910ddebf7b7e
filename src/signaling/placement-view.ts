/** A placed session as callers, the page and holders of API keys see it. Owns these views; decides nothing. */
import {
  type CallerPlace,
  endpointsByLeg,
  type Placed,
  type PlanCandidate,
  rounded,
  roundedFigures,
  roundedParts,
  whyChosen,
} from '../placement/index.ts';
import type { PlacementView } from './protocol.ts';
import type { StoredPlacement } from './rest-protocol.ts';

/** Places beside the chosen one that a caller is shown. */
const MAX_ALTERNATIVES = 8;

export function placementView(
  placed: Placed,
  agent: string,
  caller: Pick<CallerPlace, 'country' | 'city' | 'how'>,
): PlacementView {
  const { choice } = placed;
  const { country, city, how } = caller;
  return {
    pop: { nodeId: choice.popNode, region: choice.popRegion },
    core: { nodeId: choice.coreNode, region: choice.coreRegion },
    caller: { country, city, how },
    reason: whyPlaced(placed, agent),
    ...(placed.probes.length > 0 && { probes: placed.probes.map((probe) => ({ ...probe })) }),
    prediction: predictionView(placed),
  };
}

export function whyPlaced({ choice, candidates, pins }: Placed, agent: string): string {
  return whyChosen(choice, candidates, agent, pins);
}

export function predictionView({ choice, candidates, pins }: Placed): NonNullable<PlacementView['prediction']> {
  const others = candidates.filter(
    ({ popRegion, coreRegion }) => popRegion === choice.popRegion && coreRegion !== choice.coreRegion,
  );
  return {
    predictedMs: rounded(choice.predictedMs!),
    parts: roundedParts(choice.parts),
    sources: { ...choice.sources },
    measured: roundedFigures(choice.measured),
    endpoints: endpointsByLeg(choice.endpoints),
    alternatives: others.slice(0, MAX_ALTERNATIVES).map((other) => ({
      core: other.coreRegion,
      predictedMs: other.predictedMs === null ? null : rounded(other.predictedMs),
      parts: roundedParts(other.parts),
      excluded: other.excluded?.reason ?? null,
    })),
    pins: pins.map(({ places, from }) => ({ places: [...places], from })),
  };
}

export function candidateViews(candidates: readonly PlanCandidate[]): StoredPlacement['candidates'] {
  return candidates.map(({ popRegion, coreRegion, predictedMs, parts, centsPerMinute, excluded }) => ({
    pop: popRegion,
    core: coreRegion,
    predictedMs: predictedMs === null ? null : rounded(predictedMs),
    parts: roundedParts(parts),
    centsPerMinute,
    excluded: excluded === null ? null : { ...excluded },
  }));
}
