/**
 * The residency record of a session, as its POP keeps it: the nodes and stores that it knows of by itself, and what the
 * core tells. Owns whose law is written beside each; the chain is placement's.
 */
import type { Confinement, DataTouch } from '../agent/types.ts';
import type { Clock } from '../clock.ts';
import { type Placed, type PlacementService, pinInWords, ResidencyRecord } from '../placement/index.ts';
import { type NodeStores, type StoreKind, storesOf } from '../registry/index.ts';

const POP_LOGS = 'ids, codes and addresses, without words or sound';
const CORE_LOGS = 'ids and codes; words of the call at the level debug only';

export interface SessionResidencyOptions {
  sessionId: string;
  placed: Pick<Placed, 'pins' | 'core'> & Partial<Pick<Placed, 'endpoints'>>;
  pop: { nodeId: string; region: string; stores?: NodeStores | undefined };
  placement: Pick<PlacementService, 'jurisdictionOf'>;
  clock: Clock;
}

export class SessionResidency {
  readonly record: ResidencyRecord;
  #coreRegion: string;
  /** Endpoint -> the region that it is promised for: of an address of one's own, the operator's word. */
  #promised: ReadonlyMap<string, string>;
  readonly #placement: Pick<PlacementService, 'jurisdictionOf'>;

  constructor({ sessionId, placed, pop, placement, clock }: SessionResidencyOptions) {
    const pins = placed.pins.map(({ places, from }) => ({ places: [...places], from }));
    this.record = new ResidencyRecord({ sessionId, pins, date: () => clock.date() });
    this.#placement = placement;
    this.#coreRegion = placed.core.region;
    this.#promised = promisedBy(placed);
    this.#add(
      'node',
      pop.nodeId,
      pop.region,
      'POP: ends the media of the caller, keeps 30 s of it and the journal of the call in memory',
    );
    this.#stores(pop, { registry: 'the record of the session, without words or sound', logs: POP_LOGS });
    this.#core(placed);
  }

  /** The session is at another core from now on. */
  moved(placed: Placed): void {
    this.#coreRegion = placed.core.region;
    this.#promised = promisedBy(placed);
    this.#core(placed);
  }

  /** Another POP had the session, and kept a record of its own that is lost with it. */
  cameFrom({ nodeId, region }: { nodeId: string; region: string | null }): void {
    const detail = 'POP: had the session before; the residency record up to then was its own';
    this.#add('node', nodeId, region, detail);
  }

  #core({ core }: Pick<Placed, 'core'>): void {
    this.#add('node', core.nodeId, core.region, 'core: runs the agent');
    this.#stores(core, { logs: CORE_LOGS, traces: 'ids, names and times, without words or sound' });
  }

  /** The stores that a node writes to for every session, and what. */
  #stores(node: SessionResidencyOptions['pop'], written: Partial<Record<StoreKind, string>>): void {
    for (const { kind, region } of storesOf(node)) {
      const detail = written[kind];
      const name = kind === 'registry' ? kind : `${kind} of ${node.nodeId}`;
      if (detail !== undefined) this.#add('store', name, region, detail);
    }
  }

  /** What the core tells. */
  touched({ kind, name, region, detail }: DataTouch): void {
    // A program of the core is where the core is.
    const place = region === 'local' ? this.#coreRegion : region;
    this.#add(kind, name, this.#promised.get(name) ?? place, detail);
  }

  #add(kind: 'node' | DataTouch['kind'], name: string, region: string | null, detail: string): void {
    const jurisdiction = region === null ? null : this.#placement.jurisdictionOf(region);
    this.record.touched({ kind, name, region, jurisdiction, detail });
  }
}

function promisedBy({ endpoints }: Partial<Pick<Placed, 'endpoints'>>): ReadonlyMap<string, string> {
  return new Map(endpoints?.services.map(({ id, region }) => [id, region]));
}

/** Where the session's services are, and what keeps its data in. */
export function confinementOf({ pins, endpoints, toolHosts }: Placed): Confinement {
  return {
    pins: pins.length === 0 ? null : pins.map(pinInWords).join(' and '),
    endpoints: endpoints.services.map(({ id }) => id),
    hosts: toolHosts,
  };
}
