/**
 * Where one session runs: its first place, another one while the first has no room, a successor when its core is lost.
 * Owns the slot at the core and what of the place is told: to the edge, the caller, the record and the residency record.
 * Decides nothing: that is placement's.
 */
import type { Clock } from '../clock.ts';
import { AntipodeError, asAntipodeError } from '../errors.ts';
import type { CallerPlace, PlaceAsk, Placed, PlacementService, Reservation } from '../placement/index.ts';
import { pinsText } from '../placement/index.ts';
import type { NodeStores } from '../registry/index.ts';
import type { CallRequest, LostCall, Successor } from './call-port.ts';
import type { CallerSession, SessionPlace } from './caller-session.ts';
import { candidateViews, placementView } from './placement-view.ts';
import type { StoredPlacement } from './rest-protocol.ts';
import type { SessionHomes } from './session-homes.ts';
import type { SessionRecordWriter } from './session-record-writer.ts';
import { confinementOf, SessionResidency } from './session-residency.ts';
import type { SignalingMetrics } from './signaling-metrics.ts';

export interface PlacedSessionOptions {
  /** What was asked for, and is asked again when the session needs another core. `key` is the session's id. */
  ask: PlaceAsk;
  caller: CallerPlace;
  placed: Placed;
  /** What the edge is told of the call, wherever it runs. */
  call: Pick<CallRequest, 'room' | 'metadata' | 'priority'>;
  /** This POP. */
  pop: { nodeId: string; region: string; stores?: NodeStores | undefined };
  placement: PlacementService;
  homes: SessionHomes;
  clock: Clock;
  metrics: Pick<SignalingMetrics, 'coreFull'>;
}

export class PlacedSession {
  readonly residency: SessionResidency;
  /** The text of every pin that holds, or null. */
  readonly pins: string | null;
  /** Where it runs at first. */
  readonly first: SessionPlace;
  readonly #options: PlacedSessionOptions;
  /** Its slot at the core. */
  #slot: Reservation;
  #session: CallerSession | null = null;
  #record: SessionRecordWriter | null = null;

  constructor(options: PlacedSessionOptions) {
    const { ask, placed, pop, placement, clock } = options;
    this.#options = options;
    this.#slot = placed.reservation;
    this.pins = pinsText(placed.pins);
    this.residency = new SessionResidency({ sessionId: ask.key, placed, pop, placement, clock });
    this.first = this.#placeAt(placed, 1);
  }

  /** The placement as the session's record keeps it. */
  get stored(): StoredPlacement {
    return storedOf(this.first, this.#options.placed);
  }

  /** The session that runs here, and its record. */
  opened(session: CallerSession, record: SessionRecordWriter): void {
    this.#session = session;
    this.#record = record;
  }

  /** Lets the slot go. Idempotent. */
  release(): void {
    this.#session = null;
    this.#slot.release();
  }

  /** The core has no room after all: the same call at another one, or null when nobody has a slot. */
  async another(): Promise<SessionPlace | null> {
    const { placement, metrics, ask, placed } = this.#options;
    const excludedCores = [placed.core.nodeId];
    const other = await placement.place({ ...ask, excludedCores }).catch((error: unknown) => {
      if (asAntipodeError(error).code === 'ERR_PLACEMENT_NO_CORE') return null;
      throw error;
    });
    if (other === null || this.#session?.phase !== 'opening' || !other.reservation.hold()) {
      other?.reservation.release();
      metrics.coreFull('none');
      return null;
    }
    this.#takeSlot(other.reservation);
    metrics.coreFull('another');
    const place = this.#placeAt(other, 1);
    this.residency.moved(other);
    const { nodeId, region: zone } = other.core;
    this.#record?.write({ core: nodeId, zone, placement: storedOf(place, other) });
    return place;
  }

  /**
   * Another core for a call whose own is lost, within the same pins, and the session's home there.
   * @throws ERR_SESSION_UNKNOWN, what placing throws, ERR_REGISTRY_CONFLICT when somebody else has the session
   */
  async #successor(lost: LostCall): Promise<Successor> {
    const { placement, homes, ask } = this.#options;
    const session = this.#demandSession(null);
    const other = await placement.place({ ...ask, excludedCores: lost.excludedCores, priority: 'take-over' });
    let epoch: number;
    try {
      epoch = await homes.take(lost, other.core.nodeId);
      this.#demandSession(session);
      if (!other.reservation.hold()) {
        throw new AntipodeError('ERR_PLACEMENT_NO_CORE', 'The reserved slot has expired.');
      }
    } catch (error) {
      other.reservation.release();
      throw error;
    }
    this.#takeSlot(other.reservation);
    const place = this.#placeAt(other, epoch);
    this.residency.moved(other);
    const { nodeId: core, region: zone } = other.core;
    this.#record?.write({ core, zone, epoch, placement: storedOf(place, other) });
    session.moved(place);
    return { core: place.call.core, epoch, confinement: place.call.confinement };
  }

  #placeAt(placed: Placed, epoch: number): SessionPlace {
    const { ask, call, caller } = this.#options;
    return {
      call: {
        ...call,
        sessionId: ask.key,
        epoch,
        agent: ask.agent,
        residency: this.pins,
        confinement: confinementOf(placed),
        core: { nodeId: placed.core.nodeId, ...placed.core.control! },
        onTouched: (touch) => this.residency.touched(touch),
        successor: (lost) => this.#successor(lost),
      },
      placement: placementView(placed, ask.agent, caller),
    };
  }

  #takeSlot(slot: Reservation): void {
    this.#slot.release();
    this.#slot = slot;
  }

  /** @throws ERR_SESSION_UNKNOWN when it has ended, or is not `expected` any more */
  #demandSession(expected: CallerSession | null): CallerSession {
    const session = this.#session;
    if (session !== null && (expected === null || session === expected)) return session;
    throw new AntipodeError('ERR_SESSION_UNKNOWN', 'No session has this id here.');
  }
}

function storedOf({ placement }: SessionPlace, { candidates }: Placed): StoredPlacement {
  return { view: placement, candidates: candidateViews(candidates) };
}
