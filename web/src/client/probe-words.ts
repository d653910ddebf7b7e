/** What this browser measured of POPs, in words: for the panel that shows where a call runs. Owns no figure. */
import type { PlacementView } from '../../../src/signaling/protocol.ts';

export interface ProbeRow {
  readonly pop: string;
  readonly region: string;
  readonly rttMs: number;
  /** What it counts as and why, when that is something else. */
  readonly bounded: { readonly countedMs: number; readonly why: string } | null;
  /** The call has come in by this one. */
  readonly chosen: boolean;
}

/** One row a POP that answered, the nearest first. */
export function probeRows({ probes = [], pop }: PlacementView): ProbeRow[] {
  return probes
    .toSorted((a, b) => a.countedMs - b.countedMs)
    .map(({ rttMs, countedMs, ...rest }) => ({
      pop: rest.pop,
      region: rest.region,
      rttMs,
      bounded: Math.abs(countedMs - rttMs) < 0.05 ? null : { countedMs, why: whyBounded(rttMs, countedMs) },
      chosen: rest.pop === pop.nodeId,
    }));
}

function whyBounded(rttMs: number, countedMs: number): string {
  return countedMs > rttMs
    ? 'from where your address is it can’t be less'
    : 'more is not believed of where your address is';
}

/** What the measurements were good for, or null when there are none. */
export function probeSummary(view: PlacementView): string | null {
  const { probes = [], pop, prediction } = view;
  if (probes.length === 0) return null;
  const isOne = probes.length === 1;
  const measured = `Your browser measured ${isOne ? 'one point of presence' : `${probes.length} points of presence`}`;
  if (prediction?.sources.callerPop !== 'measured') return `${measured}, but not ${pop.nodeId}.`;
  return `${measured}: ${isOne ? 'that counted' : 'these figures decided'}, not the place of your address.`;
}
