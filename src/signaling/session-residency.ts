/**
 * The residency record of a session, as its POP keeps it: the nodes and stores that it knows of by itself, and what the
 * core tells. Owns whose law is written beside each; the chain is placement's.
 */
import type { Confinement, DataTouch } from '../agent/types.ts';
import type { Clock } from '../clock.ts';
import { type Placed, type PlacementService, pinInWords, ResidencyRecord } from '../placement/index.ts';

export interface SessionResidencyOptions {
  sessionId: string;
  placed: Placed;
  pop: { nodeId: string; region: string };
  placement: Pick<PlacementService, 'jurisdictionOf'>;
  clock: Clock;
}

export class SessionResidency {
  readonly record: ResidencyRecord;
  readonly #coreRegion: string;
  readonly #placement: Pick<PlacementService, 'jurisdictionOf'>;

  constructor({ sessionId, placed, pop, placement, clock }: SessionResidencyOptions) {
    const pins = placed.pins.map(({ places, from }) => ({ places: [...places], from }));
    this.record = new ResidencyRecord({ sessionId, pins, date: () => clock.date() });
    this.#placement = placement;
    this.#coreRegion = placed.core.region;
    this.#add('node', pop.nodeId, pop.region, 'POP: ends the media of the caller, keeps 30 s of it in memory');
    this.#add('store', 'registry', pop.region, 'the record of the session, without words or sound');
    this.#add('store', `log of ${pop.nodeId}`, pop.region, 'ids, codes and addresses, without words or sound');
    this.#add('node', placed.core.nodeId, this.#coreRegion, 'core: runs the agent');
    this.#add('store', `log of ${placed.core.nodeId}`, this.#coreRegion, 'ids and codes, without words or sound');
  }

  /** What the core tells. */
  touched({ kind, name, region, detail }: DataTouch): void {
    // A program of the core is where the core is.
    const place = region === 'local' ? this.#coreRegion : region;
    this.#add(kind, name, place, detail);
  }

  #add(kind: 'node' | DataTouch['kind'], name: string, region: string | null, detail: string): void {
    const jurisdiction = region === null ? null : this.#placement.jurisdictionOf(region);
    this.record.touched({ kind, name, region, jurisdiction, detail });
  }
}

/** Where the session's services are, and what keeps its data in. */
export function confinementOf({ pins, endpoints, toolHosts }: Placed): Confinement {
  return {
    pins: pins.length === 0 ? null : pins.map(pinInWords).join(' and '),
    endpoints: endpoints.services.map(({ id }) => id),
    hosts: toolHosts,
  };
}
