/** Which ways there are between this POP and a core, by the addresses of both. Owns the pairing only. */
import { type ControlAddress, ONLY_WAY } from '../backbone/index.ts';
import type { BackboneWay } from '../config/index.ts';

/**
 * The ways, the core's preferred one first. Addresses of the same name belong together; where either side has one
 * address only, that one goes with all of the other's.
 * @param own of this POP, one at least
 * @param core none: one that is not named
 */
export function waysBetween(own: readonly BackboneWay[], core: readonly ControlAddress[]): BackboneWay[] {
  const [first] = own;
  if (first === undefined) throw new TypeError('A POP has one way at least.');
  if (core.length === 0) return [{ ...first, name: ONLY_WAY }];
  const common = core.flatMap(({ name }) => own.find((way) => way.name === name) ?? []);
  if (common.length > 0) return common;
  return core.map(({ name }) => ({ ...first, name }));
}
