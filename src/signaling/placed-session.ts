/**
 * Where one session runs: its first place, another one while the first has no room, a successor when its core is lost.
 * Owns the slot at the core and what of the place is told: to the edge, the caller, the record and the residency record.
 * Decides nothing: that is placement's.
 */
import type { Clock } from '../clock.ts';
import { AntipodeError, asAntipodeError } from '../errors.ts';
import type { CallerPlace, Pin, PlaceAsk, Placed, PlacementService, Reservation } from '../placement/index.ts';
import { pinsText } from '../placement/index.ts';
import type { NodeRecord, NodeStores } from '../registry/index.ts';
import type { CallRequest, LostCall, MoveRequest, MoveTarget, Successor } from './call-port.ts';
import type { CallerSession, SessionPlace } from './caller-session.ts';
import { candidateViews, placementView } from './placement-view.ts';
import type { PlacementView } from './protocol.ts';
import type { StoredPlacement } from './rest-protocol.ts';
import type { RoomTicket } from './room-book.ts';
import type { SessionHomes } from './session-homes.ts';
import { moveTarget } from './session-move.ts';
import type { SessionRecordWriter } from './session-record-writer.ts';
import { confinementOf, SessionResidency } from './session-residency.ts';
import type { SignalingMetrics } from './signaling-metrics.ts';

export interface PlacedSessionOptions {
  /** What was asked for, and is asked again when the session needs another core. `key` is the session's id. */
  ask: PlaceAsk;
  caller: Pick<CallerPlace, 'country' | 'city' | 'how'>;
  /** Where placement has put it; or where it runs already, for another POP that the caller has left. */
  placed: Placed | PlaceOfAnotherPop;
  /** What the edge is told of the call, wherever it runs. */
  call: Pick<CallRequest, 'room' | 'metadata' | 'priority' | 'seat'>;
  /** Its part in a room that it shares with others; absent: an agent of its own. */
  ticket?: RoomTicket;
  /** This POP. */
  pop: { nodeId: string; region: string; stores?: NodeStores | undefined };
  placement: PlacementService;
  homes: SessionHomes;
  clock: Clock;
  metrics: Pick<SignalingMetrics, 'coreFull'>;
}

/** A core that has the session; its slot is counted there. */
export interface PlaceOfAnotherPop {
  readonly core: NodeRecord;
  readonly epoch: number;
  /** All that hold. */
  readonly pins: readonly Pin[];
  readonly formerPop: { readonly nodeId: string; readonly region: string | null };
  /** As the caller was told it by the former POP. */
  readonly placement: PlacementView;
}

export class PlacedSession {
  readonly residency: SessionResidency;
  /** The text of every pin that holds, or null. */
  readonly pins: string | null;
  /** Where it runs at first. */
  readonly first: SessionPlace;
  readonly #options: PlacedSessionOptions;
  /** Its slot at the core; null when only the core counts it. */
  #slot: Reservation | null;
  /** Where it runs now. */
  #current: SessionPlace;
  #session: CallerSession | null = null;
  #record: SessionRecordWriter | null = null;

  constructor(options: PlacedSessionOptions) {
    const { ask, placed, pop, placement, clock } = options;
    this.#options = options;
    // The same text for all in a room.
    this.pins = options.ticket ? options.ticket.residency : pinsText(placed.pins);
    this.residency = new SessionResidency({ sessionId: ask.key, placed, pop, placement, clock });
    if ('reservation' in placed) {
      this.#slot = placed.reservation;
      this.first = this.#placeAt(placed, 1);
    } else {
      this.#slot = null;
      this.residency.cameFrom(placed.formerPop);
      const { core, epoch } = placed;
      this.first = { call: this.#callAt(core, epoch, null), placement: placed.placement };
    }
    this.#current = this.first;
  }

  /** The placement as the session's record keeps it. */
  get stored(): StoredPlacement {
    const { placed } = this.#options;
    return storedOf(this.first, 'reservation' in placed ? placed : { candidates: [] });
  }

  /** The session that runs here, and its record. */
  opened(session: CallerSession, record: SessionRecordWriter): void {
    this.#session = session;
    this.#record = record;
  }

  /** Lets the slot go. Idempotent. */
  release(): void {
    this.#session = null;
    this.#slot?.release();
    this.#options.ticket?.leave();
  }

  /** The core has no room after all: the same call at another one, or null when nobody has a slot. */
  async another(): Promise<SessionPlace | null> {
    const { placement, metrics, ask, placed, ticket } = this.#options;
    if (ticket) {
      // It cannot go without the others.
      metrics.coreFull('none');
      return null;
    }
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
    this.#current = place;
    return place;
  }

  /**
   * Another core for a call whose own is lost, within the same pins, and the session's home there.
   * @throws ERR_SESSION_UNKNOWN, what placing throws, ERR_REGISTRY_CONFLICT when somebody else has the session
   */
  async #successor(lost: LostCall): Promise<Successor> {
    const { placement, homes, ask, ticket } = this.#options;
    const session = this.#demandSession(null);
    const { excludedCores } = lost;
    const other = ticket
      ? await ticket.successor(ask, excludedCores)
      : await placement.place({ ...ask, excludedCores, priority: 'take-over' });
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
    const { call } = this.#movedTo(other, epoch);
    return { core: call.core, epoch, confinement: call.confinement };
  }

  /** Another core for the call while its own lives. @throws as `moveTarget` */
  async #target(request: MoveRequest): Promise<MoveTarget> {
    const { ask, placement, homes, ticket } = this.#options;
    this.#demandSession(null);
    if (ticket) throw new AntipodeError('ERR_HANDOVER_REFUSED', 'Others in its room hear the same agent.');
    return moveTarget(request, {
      ...{ ask, placement, homes },
      movedTo: (placed, epoch) => void this.#movedTo(placed, epoch),
      movedBack: (epoch) => this.#movedBack(epoch),
    });
  }

  #movedTo(placed: Placed, epoch: number): SessionPlace {
    this.#takeSlot(placed.reservation);
    const place = this.#placeAt(placed, epoch);
    this.residency.moved(placed);
    const { nodeId: core, region: zone } = placed.core;
    this.#record?.write({ core, zone, epoch, placement: storedOf(place, placed) });
    this.#current = place;
    this.#session?.moved(place);
    return place;
  }

  #movedBack(epoch: number): void {
    const { call, placement } = this.#current;
    this.#record?.write({ epoch });
    this.#current = { call: { ...call, epoch }, placement };
    this.#session?.moved(this.#current);
  }

  #placeAt(placed: Placed, epoch: number): SessionPlace {
    const { ask, caller } = this.#options;
    return {
      call: this.#callAt(placed.core, epoch, confinementOf(placed)),
      placement: placementView(placed, ask.agent, caller),
    };
  }

  #callAt(core: NodeRecord, epoch: number, confinement: CallRequest['confinement']): CallRequest {
    const { ask, call } = this.#options;
    return {
      ...call,
      sessionId: ask.key,
      epoch,
      agent: ask.agent,
      residency: this.pins,
      confinement,
      core: { nodeId: core.nodeId, ...core.control! },
      onTouched: (touch) => this.residency.touched(touch),
      successor: (lost) => this.#successor(lost),
      mover: (request) => this.#target(request),
    };
  }

  #takeSlot(slot: Reservation): void {
    this.#slot?.release();
    this.#slot = slot;
  }

  /** @throws ERR_SESSION_UNKNOWN when it has ended, or is not `expected` any more */
  #demandSession(expected: CallerSession | null): CallerSession {
    const session = this.#session;
    if (session !== null && (expected === null || session === expected)) return session;
    throw new AntipodeError('ERR_SESSION_UNKNOWN', 'No session has this id here.');
  }
}

function storedOf({ placement }: SessionPlace, { candidates }: Pick<Placed, 'candidates'>): StoredPlacement {
  return { view: placement, candidates: candidateViews(candidates) };
}
