/**
 * Another core for a session whose own lives: its slot there, and what comes of it: the home in the registry once the
 * call is there, or the slot given back. Owns the order of these; how the call moves is the edge's.
 */
import { AntipodeError } from '../errors.ts';
import type { PlaceAsk, Placed, PlacementService } from '../placement/index.ts';
import type { CallRequest, MoveRequest, MoveTarget } from './call-port.ts';
import type { SessionHomes } from './session-homes.ts';
import { confinementOf } from './session-residency.ts';

export interface SessionMoveParts {
  ask: PlaceAsk;
  placement: Pick<PlacementService, 'place' | 'nodes'>;
  homes: Pick<SessionHomes, 'take'>;
  /** The session is there now, at this epoch. */
  movedTo(placed: Placed, epoch: number): void;
  /** It is where it was, at a later epoch. */
  movedBack(epoch: number): void;
}

/** @throws ERR_HANDOVER_REFUSED, what placing throws */
export async function moveTarget(request: MoveRequest, parts: SessionMoveParts): Promise<MoveTarget> {
  const { ask, placement, homes } = parts;
  const { sessionId, from, to } = request;
  const excludedCores = excluded(request, placement.nodes);
  const placed = await placement.place({ ...ask, excludedCores, priority: 'take-over' });
  const { core, reservation } = placed;
  if (!reservation.hold()) {
    reservation.release();
    throw new AntipodeError('ERR_PLACEMENT_NO_CORE', 'The reserved slot has expired.');
  }
  if (to !== undefined && core.nodeId !== to) {
    reservation.release();
    throw new AntipodeError('ERR_HANDOVER_REFUSED', `No session can be placed at core "${to}".`);
  }
  return {
    core: { nodeId: core.nodeId, ...core.control! } satisfies CallRequest['core'],
    confinement: confinementOf(placed),
    async taken(epoch) {
      parts.movedTo(placed, epoch);
      await homes.take({ sessionId, epoch: epoch - 1 }, core.nodeId);
    },
    dropped: () => reservation.release(),
    async returned(epoch) {
      const next = await homes.take({ sessionId, epoch }, from);
      parts.movedBack(next);
      return next;
    },
  };
}

function excluded({ from, to }: MoveRequest, nodes: PlacementService['nodes']): string[] {
  if (to === undefined) return [from];
  if (to === from) throw new AntipodeError('ERR_HANDOVER_REFUSED', `The call is at core "${to}" already.`);
  const cores = nodes.flatMap(({ nodeId, role }) => (role === 'core' ? [nodeId] : []));
  if (!cores.includes(to)) throw new AntipodeError('ERR_HANDOVER_REFUSED', `No core is called "${to}".`);
  return cores.filter((core) => core !== to);
}
