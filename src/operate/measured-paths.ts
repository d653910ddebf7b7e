/** The ways to cores that a POP tells in its record, as an operator sees them. */
import type { NodeRecord } from '../registry/index.ts';
import type { PathView } from './cluster-view.ts';

export function measuredPathsOf({ nodeId, paths }: NodeRecord): PathView[] {
  return (paths?.ways ?? []).map(({ core, p50Ms, p95Ms, jitterMs, loss, ageMs }) => ({
    ...{ pop: nodeId, core, rttP50Ms: p50Ms, rttP95Ms: p95Ms, jitterMs, loss, ageMs },
  }));
}
