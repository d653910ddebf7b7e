/**
 * What the end of a caller's turn costs of voice to voice, ms. An answer is made from the probable end of the turn on and
 * heard from its certain end on (docs/turn-taking.md): so the wait for certainty counts only as far as the legs of the
 * turn do not fill it.
 */
import type { Policy } from './policy.ts';

export type EndpointingTimes = Readonly<Pick<Policy['latency'], 'preparingMs' | 'endpointingMs'>>;

/** @param legsMs what all legs of the turn take */
export function endpointingPart({ preparingMs, endpointingMs }: EndpointingTimes, legsMs: number): number {
  return Math.max(preparingMs, endpointingMs - legsMs);
}
