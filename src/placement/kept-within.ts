/**
 * Whether what a node writes down of a session (its records, logs, recordings and traces) stays within the pins. Owns
 * that verdict and its words.
 */
import { storesOf } from '../registry/index.ts';
import { forbiddingPin, type Pin, pinInWords } from './pin.ts';
import type { Exclusion, PlanNode } from './plan-types.ts';
import type { Regions } from './regions.ts';

/** Why a pinned session's data must not be written down by this node, or null. */
export function keptOutside(
  node: Pick<PlanNode, 'nodeId' | 'region' | 'stores'>,
  pins: readonly Pin[],
  regions: Regions,
): Exclusion | null {
  if (pins.length === 0 || node.stores === undefined) return null;
  for (const { kind, region } of storesOf(node)) {
    const known = region === null ? null : regions.get(region);
    const pin = forbiddingPin(pins, known, region ?? '');
    if (pin === null) continue;
    const where = region === null ? 'where nobody knows' : `in ${region}`;
    const law = known === null ? 'nobody knows whose law holds there' : `it is under the law of ${known.jurisdiction}`;
    const hint = region === null ? `; "residency.stores.${kind}" of its configuration says where` : '';
    const reason = `${node.nodeId} keeps its ${kind} ${where}, outside the pin ${pinInWords(pin)}: ${law}${hint}`;
    return { code: 'residency', reason };
  }
  return null;
}
