/**
 * What a POP's record tells of its ways to cores: as they were measured at the last telling, which is some seconds ago, so
 * that the record does not change with each announcement. Owns when it is told anew.
 */
import type { Clock } from '../clock.ts';
import type { Edge } from '../edge/index.ts';
import { MAX_TOLD_PATHS, type MeasuredPaths } from '../registry/index.ts';

const TELLING_MS = 10_000;

export interface ToldPathsOptions {
  edge: Pick<Edge, 'paths'>;
  clock: Clock;
}

/** Asked at each announcement. Undefined before anything was measured. */
export function toldPaths({ edge, clock }: ToldPathsOptions): () => MeasuredPaths | undefined {
  let told: MeasuredPaths | undefined;
  let toldAtMs = Number.NEGATIVE_INFINITY;
  return () => {
    const nowMs = clock.now();
    if (nowMs - toldAtMs < TELLING_MS) return told;
    const ways = edge
      .paths()
      .toSorted((a, b) => b.sessions - a.sessions)
      .slice(0, MAX_TOLD_PATHS)
      .map(({ coreNodeId: core, way, region, p50, p95, jitterMs, loss }) => ({
        ...(way !== null && { way }),
        ...{ core, region, p50Ms: tenth(p50), p95Ms: tenth(p95) },
        jitterMs: jitterMs === null ? null : tenth(jitterMs),
        loss: loss === null ? null : Math.round(loss * 10_000) / 10_000,
        ageMs: 0,
      }));
    if (ways.length === 0 && told === undefined) return undefined;
    toldAtMs = nowMs;
    told = { telling: (told?.telling ?? 0) + 1, ways };
    return told;
  };
}

function tenth(ms: number): number {
  return Math.round(ms * 10) / 10;
}
