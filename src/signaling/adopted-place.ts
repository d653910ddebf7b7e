/**
 * Where a session runs whose caller has come back by this POP: what its record and its core tell, as the session's place
 * and as what was asked for, should it need another core. Owns the translation.
 */
import { type PlaceAsk, parsePins } from '../placement/index.ts';
import type { AgentDescription } from '../registry/index.ts';
import { PlacedSession, type PlacedSessionOptions } from './placed-session.ts';
import type { PlacementView } from './protocol.ts';
import { storedPlacementSchema } from './rest-protocol.ts';
import type { AdoptedSession } from './session-adoption.ts';

export interface AdoptedPlaceOptions
  extends Pick<PlacedSessionOptions, 'pop' | 'placement' | 'homes' | 'clock' | 'metrics' | 'ticket'> {
  seat: PlacedSessionOptions['call']['seat'];
}

export interface AdoptedPlace {
  readonly place: PlacedSession;
  readonly ask: PlaceAsk;
  readonly agent: Omit<AgentDescription, 'legs' | 'residency'>;
}

export function adoptedPlace(adopted: AdoptedSession, { seat, ...options }: AdoptedPlaceOptions): AdoptedPlace {
  const { record, core, formerPop } = adopted;
  const { sessionId, agent, room, metadata, residency, epoch } = record;
  const { nodeId, region } = options.pop;
  const pop = { nodeId, region };
  const view = viewHere(adopted, pop);
  const ask: PlaceAsk = {
    ...{ agent, residency, pop, key: sessionId },
    caller: { country: view.caller.country, place: null, withinKm: null },
  };
  const place = new PlacedSession({
    ...options,
    ...{ ask, caller: view.caller },
    placed: {
      ...{ core, epoch, placement: view },
      pins: residency === null ? [] : parsePins(residency, 'session'),
      formerPop: { nodeId: formerPop, region: formerRegion(adopted) },
    },
    call: { room, metadata, ...(seat && { seat }) },
  });
  const { name, title, description, notices, examples } = core.agents.find(({ name }) => name === agent)!;
  return { place, ask, agent: { name, title, description, notices, examples } };
}

/** The placement that the caller was told, come in by another POP. */
function viewHere({ record, core, formerPop }: AdoptedSession, pop: PlacementView['pop']): PlacementView {
  const stored = storedPlacementSchema.safeParse(record.placement);
  const caller = stored.success
    ? stored.data.view.caller
    : { country: null, city: null, how: 'only the former POP knew' };
  const reason = `The caller came back by ${pop.nodeId}; it had come in by ${formerPop}.`;
  return { pop, core: { nodeId: core.nodeId, region: core.region }, caller, reason };
}

/** Region of the former POP, as far as the record tells it. */
function formerRegion({ record, formerPop }: AdoptedSession): string | null {
  const stored = storedPlacementSchema.safeParse(record.placement);
  return stored.success && stored.data.view.pop.nodeId === formerPop ? stored.data.view.pop.region : null;
}
