/**
 * What agents announce of a turn: the services that it goes through, how often, and the pin of their own. Owns the step
 * from what is announced to the legs of a plan; the same announcement is the same array, so that plans can look it up.
 *
 * The k of a leg is the agent's own word, until enough turns were measured: `LegBook.of` is the one place through which
 * every k passes.
 */
import type { EndpointKind } from './endpoint.ts';
import { type AgentTurns, believedK } from './measured-turns.ts';
import type { Pin } from './pin.ts';
import type { PlanLeg } from './plan-types.ts';

/** A leg as a core announces it. */
export interface AnnouncedLeg {
  readonly kind: EndpointKind;
  readonly service: string;
  /** Round trips per turn. */
  readonly k: number;
  /** False: `k` stands, whatever is measured. */
  readonly measured?: boolean;
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

  /**
   * What is announced now; where cores tell different things of an agent, the first by name of the core counts.
   * @param turnsOf what was measured of an agent's turns, when that is enough
   */
  of(
    announced: readonly AnnouncedAgent[],
    turnsOf: (agent: string) => AgentTurns | null = () => null,
  ): ReadonlyMap<string, PlacedAgent> {
    const next = new Map<string, { told: string; agent: PlacedAgent }>();
    for (const agent of announced) {
      if (next.has(agent.name)) continue;
      const turns = turnsOf(agent.name);
      const told = JSON.stringify([agent.legs ?? [], agent.residency ?? null, turns]);
      const known = this.#agents.get(agent.name);
      next.set(agent.name, known?.told === told ? known : { told, agent: placed(agent, turns) });
    }
    this.#agents = next;
    return new Map([...next].map(([name, { agent }]) => [name, agent]));
  }
}

function placed({ name, legs = [], residency }: AnnouncedAgent, turns: AgentTurns | null): PlacedAgent {
  return {
    name,
    legs: legs.map((leg) => placedLeg(leg, legs, turns)),
    local: legs.filter((leg) => leg.local).map(({ kind, service }) => ({ kind, service })),
    pin: residency === undefined ? null : announcedPin(residency),
  };
}

function placedLeg(leg: AnnouncedLeg, all: readonly AnnouncedLeg[], turns: AgentTurns | null): PlanLeg {
  const { kind, service, k } = leg;
  const own = { kind, services: [service], k };
  if (turns === null || leg.measured === false || (kind !== 'llm' && kind !== 'tts')) return own;
  // Nobody tells which of two legs of a kind a request was for.
  if (all.filter((each) => each.kind === kind).length > 1) return own;
  const measured = { turns: turns.turns, ageMs: turns.ageMs, said: k };
  return { ...own, k: believedK(turns.k[kind], k), measured };
}

/** Not checked here: a name that stands for no place is satisfied by none, so a wrong pin keeps its agent's calls out. */
function announcedPin(text: string): Pin {
  const places = text.toLowerCase().split(',');
  return { places: places.map((place) => place.trim()), from: 'agent' };
}
