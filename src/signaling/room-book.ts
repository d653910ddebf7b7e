/**
 * The rooms that have callers at this POP, as the registry knows them: at which core each is, and how many callers this
 * POP has there. Puts later callers where the room is, and the whole room at one other core when its own is lost. Owns
 * the POP's lease; who hears whom is the edge's.
 */
import type { Clock, Timer } from '../clock.ts';
import { AntipodeError, asAntipodeError } from '../errors.ts';
import type { PlaceAsk, Placed, PlacementService } from '../placement/index.ts';
import { pinsText } from '../placement/index.ts';
import { type HeldRoom, type Registry, ROOM_LEASE, type RoomClaim, type RoomHome } from '../registry/index.ts';
import type { Logger } from '../telemetry/index.ts';
import type { SignalingMetrics } from './signaling-metrics.ts';

export interface RoomBookOptions {
  /** This POP. */
  nodeId: string;
  registry: Pick<Registry, 'rooms' | 'nodes'>;
  placement: Pick<PlacementService, 'place'>;
  /** Callers of all POPs in one room. */
  maxCallers: number;
  clock: Clock;
  log: Logger;
  metrics: Pick<SignalingMetrics, 'roomMoved'>;
}

/** A session's part in a room. */
export interface RoomTicket {
  /** The text of every pin that holds for everybody in the room, or null. */
  readonly residency: string | null;
  /** Where the session goes when its core is lost: where the room goes. @throws as `PlacementService.place` */
  successor(ask: PlaceAsk, excludedCores: readonly string[]): Promise<Placed>;
  /** The session has left. Idempotent. */
  leave(): void;
}

interface Room {
  home: RoomHome;
  readonly sessions: Set<string>;
}

export class RoomBook {
  readonly #options: RoomBookOptions;
  readonly #rooms = new Map<string, Room>();
  /** Steps of one room go one after the other, so that its count is right. */
  readonly #steps = new Map<string, Promise<unknown>>();
  #timer: Timer | null = null;
  #closed = false;

  constructor(options: RoomBookOptions) {
    this.#options = options;
  }

  /** The room as it is known here, or to the registry. */
  async find(room: string): Promise<HeldRoom | null> {
    return this.#options.registry.rooms.get(room);
  }

  /**
   * A place for a new caller of a room, whose slot is reserved: where the room is, or where placement says when it is
   * free.
   * @throws ERR_ROOM_AGENT, ERR_ROOM_RESIDENCY, ERR_ROOM_FULL, as `PlacementService.place`
   */
  enter(room: string, ask: PlaceAsk): Promise<{ placed: Placed; ticket: RoomTicket }> {
    return this.#inTurn(room, async () => {
      const known = this.#rooms.get(room)?.home ?? (await this.#options.registry.rooms.get(room));
      let placed = known ? await this.#placeAt(ask, room, known) : await this.#options.placement.place(ask);
      try {
        const home = known ?? homeOf(ask, placed);
        const { maxCallers, registry } = this.#options;
        const seats = (this.#rooms.get(room)?.sessions.size ?? 0) + 1;
        const claim = { pop: this.#options.nodeId, seats, home };
        const held = await registry.rooms.hold(room, claim, maxCallers, ROOM_LEASE.leaseMs);
        demandSame(room, ask.agent, home, held);
        if (held.core !== placed.core.nodeId) {
          placed.reservation.release();
          placed = await this.#placeAt(ask, room, held);
        }
        return { placed, ticket: this.#seated(room, ask.key, held) };
      } catch (error) {
        placed.reservation.release();
        // What was counted for it is taken back.
        if (this.#rooms.has(room)) void this.#renew(room);
        else void this.#drop(room);
        throw error;
      }
    });
  }

  /** A session that another POP had, and its seat, are this POP's now. */
  adopt(room: string, sessionId: string, home: RoomHome): RoomTicket {
    const ticket = this.#seated(room, sessionId, this.#rooms.get(room)?.home ?? home);
    void this.#inTurn(room, () => this.#renew(room));
    return ticket;
  }

  /** Nothing is renewed any more. Idempotent. */
  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
  }

  #seated(room: string, sessionId: string, { core, agent, residency }: RoomHome): RoomTicket {
    const known = this.#rooms.get(room) ?? { home: { core, agent, residency }, sessions: new Set<string>() };
    known.home = { core, agent, residency };
    known.sessions.add(sessionId);
    this.#rooms.set(room, known);
    this.#schedule();
    return {
      residency,
      successor: (ask, excludedCores) => this.#inTurn(room, () => this.#successor(room, ask, excludedCores)),
      leave: () => this.#leave(room, sessionId),
    };
  }

  #leave(room: string, sessionId: string): void {
    const known = this.#rooms.get(room);
    if (!known?.sessions.delete(sessionId)) return;
    if (known.sessions.size === 0) this.#rooms.delete(room);
    void this.#inTurn(room, () => (this.#rooms.has(room) ? this.#renew(room) : this.#drop(room)));
  }

  /** The first of a room's callers whose core is lost takes the room along; the others follow. */
  async #successor(room: string, ask: PlaceAsk, excludedCores: readonly string[]): Promise<Placed> {
    const { registry, placement, nodeId, metrics, log } = this.#options;
    const known = this.#rooms.get(room);
    if (!known) throw new AntipodeError('ERR_SESSION_UNKNOWN', 'This session has left its room.');
    const takeOver = { ...ask, residency: pinsOfBoth(ask.residency, known.home), priority: 'take-over' as const };
    const home = (await registry.rooms.get(room)) ?? known.home;
    const nodes = await registry.nodes();
    const isLost = excludedCores.includes(home.core) || nodes.every((node) => node.nodeId !== home.core);
    if (!isLost) {
      known.home = homeIn(home);
      return this.#placeAt(takeOver, room, home);
    }
    const placed = await placement.place({ ...takeOver, excludedCores });
    try {
      const next = { ...known.home, core: placed.core.nodeId };
      const claim = { pop: nodeId, seats: known.sessions.size, home: next };
      const moved = await registry.rooms.move(room, home.core, claim, ROOM_LEASE.leaseMs);
      known.home = homeIn(moved);
      if (moved.core === placed.core.nodeId) {
        metrics.roomMoved('moved');
        log.warn({ room, from: home.core, to: moved.core }, 'a room has another core');
        return placed;
      }
      metrics.roomMoved('followed');
      placed.reservation.release();
      return await this.#placeAt(takeOver, room, moved);
    } catch (error) {
      placed.reservation.release();
      throw error;
    }
  }

  /** A place at the room's own core, within the pins of the room and the caller's own, which must be the same. */
  async #placeAt(ask: PlaceAsk, room: string, home: RoomHome): Promise<Placed> {
    const { placement, registry } = this.#options;
    if (ask.agent !== home.agent) throw otherAgent(room, home.agent);
    const residency = pinsOfBoth(ask.residency, home);
    const others = (await registry.nodes()).filter((node) => node.role === 'core' && node.nodeId !== home.core);
    const excludedCores = others.map((node) => node.nodeId);
    const placed = await placement.place({ ...ask, residency, excludedCores }).catch(async (cause: unknown) => {
      const error = asAntipodeError(cause);
      if (error.code === 'ERR_PLACEMENT_RESIDENCY') throw otherPins(room, home, error.message);
      if (error.code !== 'ERR_PLACEMENT_NO_CORE') throw error;
      // Full or gone; or the caller's own pins leave other cores only.
      const elsewhere = await placement.place({ ...ask, residency }).catch(() => null);
      elsewhere?.reservation.release();
      if (elsewhere && !samePins(pinsText(elsewhere.pins), home.residency)) throw otherPins(room, home);
      throw error;
    });
    if (!samePins(pinsText(placed.pins), home.residency)) {
      placed.reservation.release();
      throw otherPins(room, home);
    }
    if (placed.core.nodeId === home.core) return placed;
    placed.reservation.release();
    throw new AntipodeError('ERR_PLACEMENT_NO_CORE', `The core of room ${room} takes no caller now.`);
  }

  async #renew(room: string): Promise<void> {
    const { registry, nodeId, log, metrics } = this.#options;
    const known = this.#rooms.get(room);
    if (!known) return;
    const claim: RoomClaim = { pop: nodeId, seats: known.sessions.size, home: known.home };
    try {
      const held = await registry.rooms.renew(room, claim, ROOM_LEASE.leaseMs);
      if (held.core === known.home.core) return;
      // Two POPs went by what each knew of it while the registry was away, or it moved without us.
      log.warn({ room, core: known.home.core, registry: held.core }, 'the registry has a room at another core');
      metrics.roomMoved('found-elsewhere');
      known.home = homeIn(held);
    } catch (error) {
      log.warn({ room, code: asAntipodeError(error).code }, 'the lease of a room was not renewed; trying on');
    }
  }

  async #drop(room: string): Promise<void> {
    const { registry, nodeId, log } = this.#options;
    await registry.rooms
      .drop(room, nodeId)
      .catch((error) => log.warn({ room, code: asAntipodeError(error).code }, 'a room was not given back'));
  }

  #schedule(): void {
    if (this.#timer !== null || this.#closed) return;
    this.#timer = this.#options.clock.setTimeout(() => {
      void Promise.all([...this.#rooms.keys()].map((room) => this.#inTurn(room, () => this.#renew(room)))).then(() => {
        this.#timer = null;
        if (this.#rooms.size > 0) this.#schedule();
      });
    }, ROOM_LEASE.intervalMs);
  }

  #inTurn<T>(room: string, step: () => Promise<T>): Promise<T> {
    const done = (this.#steps.get(room) ?? Promise.resolve()).then(step, step);
    this.#steps.set(room, done);
    const over = () => {
      if (this.#steps.get(room) === done) this.#steps.delete(room);
    };
    done.then(over, over);
    return done;
  }
}

function homeOf(ask: PlaceAsk, placed: Placed): RoomHome {
  return { core: placed.core.nodeId, agent: ask.agent, residency: pinsText(placed.pins) };
}

function homeIn({ core, agent, residency }: RoomHome): RoomHome {
  return { core, agent, residency };
}

function demandSame(room: string, agent: string, home: RoomHome, held: HeldRoom): void {
  if (held.agent !== agent) throw otherAgent(room, held.agent);
  if (!samePins(home.residency, held.residency)) throw otherPins(room, held);
}

/** The text of pins that hold together, each once; null for none. */
function pinsOfBoth(asked: string | null, { residency }: RoomHome): string | null {
  const pins = [...pinsIn(asked), ...pinsIn(residency)];
  return pins.length === 0 ? null : [...new Set(pins)].join('&');
}

function samePins(one: string | null, other: string | null): boolean {
  const [first, second] = [new Set(pinsIn(one)), new Set(pinsIn(other))];
  return first.size === second.size && [...first].every((pin) => second.has(pin));
}

function pinsIn(text: string | null): string[] {
  return text === null ? [] : text.split('&').map((pin) => pin.toLowerCase().replaceAll(' ', ''));
}

function otherAgent(room: string, agent: string): AntipodeError {
  return new AntipodeError('ERR_ROOM_AGENT', `The room ${room} has the agent "${agent}".`, { path: 'agent' });
}

function otherPins(room: string, { residency }: RoomHome, why?: string): AntipodeError {
  const pins = residency === null ? 'no residency pin' : `the residency pin "${residency}"`;
  const words = why === undefined ? 'which is another than this caller has.' : why;
  return new AntipodeError('ERR_ROOM_RESIDENCY', `The room ${room} has ${pins}: ${words}`, { path: 'residency' });
}
