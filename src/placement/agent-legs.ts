/**
 * What agents announce of a turn: the services that it goes through, how often, and the pin of their own. Owns the step
 * from what is announced to the legs of a plan; the same announcement is the same array, so that plans can look it up.
 *
 * The k of a leg is the agent's own word. Measured turns may refine it later: `LegBook.of` is the one place through
 * which every k passes.
 */
import type { EndpointKind } from './endpoint.ts';
import type { Pin } from './pin.ts';
import type { PlanLeg } from './plan-types.ts';

/** A leg as a core announces it. */
export interface AnnouncedLeg {
  readonly kind: EndpointKind;
  readonly service: string;
  /** Round trips per turn. */
  readonly k: number;
  /** Runs on the core itself. */
  readonly local: boolean;
}

export interface AnnouncedAgent {
  readonly name: string;
  readonly legs?: readonly AnnouncedLeg[];
  readonly residency?: string;
}

/** An agent as placement knows it. */
export interface PlacedAgent {
  readonly name: string;
  readonly legs: readonly PlanLeg[];
  /** Legs that run on the core itself; their endpoints need no catalogue. */
  readonly local: readonly { readonly kind: EndpointKind; readonly service: string }[];
  readonly pin: Pin | null;
}

export class LegBook {
  #agents = new Map<string, { told: string; agent: PlacedAgent }>();

  /** What is announced now; where cores tell different things of an agent, the first by name of the core counts. */
  of(announced: readonly AnnouncedAgent[]): ReadonlyMap<string, PlacedAgent> {
    const next = new Map<string, { told: string; agent: PlacedAgent }>();
    for (const agent of announced) {
      if (next.has(agent.name)) continue;
      const told = JSON.stringify([agent.legs ?? [], agent.residency ?? null]);
      const known = this.#agents.get(agent.name);
      next.set(agent.name, known?.told === told ? known : { told, agent: placed(agent) });
    }
    this.#agents = next;
    return new Map([...next].map(([name, { agent }]) => [name, agent]));
  }
}

function placed({ name, legs = [], residency }: AnnouncedAgent): PlacedAgent {
  return {
    name,
    legs: legs.map(({ kind, service, k }) => ({ kind, services: [service], k })),
    local: legs.filter((leg) => leg.local).map(({ kind, service }) => ({ kind, service })),
    pin: residency === undefined ? null : announcedPin(residency),
  };
}

/** Not checked here: a name that stands for no place is satisfied by none, so a wrong pin keeps its agent's calls out. */
function announcedPin(text: string): Pin {
  const places = text.toLowerCase().split(',');
  return { places: places.map((place) => place.trim()), from: 'agent' };
}
