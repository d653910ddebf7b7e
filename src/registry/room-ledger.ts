/**
 * Rooms of one process in memory: the store of `dev`, and what a process goes by while a shared store is out of reach.
 * Owns the rules of who gets a room; the scripts of Redis are the same rules once more.
 */
import type { Clock } from '../clock.ts';
import { AntipodeError } from '../errors.ts';
import { type HeldRoom, type RoomClaim, type RoomDirectory, type RoomHome, seatsOf } from './rooms.ts';

interface Room {
  home: RoomHome;
  readonly pops: Map<string, { seats: number; untilMs: number }>;
}

export class RoomLedger implements RoomDirectory {
  readonly #clock: Clock;
  readonly #rooms = new Map<string, Room>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  async hold(room: string, claim: RoomClaim, maxSeats: number, leaseMs: number): Promise<HeldRoom> {
    const known = this.#live(room);
    if (known !== null) {
      const { agent, residency } = claim.home;
      if (known.home.agent !== agent || known.home.residency !== residency) return heldOf(known);
    }
    const others = known === null ? 0 : seatsOf(heldOf(known)) - (known.pops.get(claim.pop)?.seats ?? 0);
    if (others + claim.seats > maxSeats) throw roomFull(room, maxSeats);
    return this.#write(room, known ?? emptyRoom(claim.home), claim, leaseMs);
  }

  async renew(room: string, claim: RoomClaim, leaseMs: number): Promise<HeldRoom> {
    return this.#write(room, this.#live(room) ?? emptyRoom(claim.home), claim, leaseMs);
  }

  async move(room: string, fromCore: string, claim: RoomClaim, leaseMs: number): Promise<HeldRoom> {
    const known = this.#live(room) ?? emptyRoom(claim.home);
    if (known.home.core === fromCore) known.home = { ...claim.home };
    return this.#write(room, known, claim, leaseMs);
  }

  async drop(room: string, pop: string): Promise<void> {
    const known = this.#rooms.get(room);
    known?.pops.delete(pop);
    if (known?.pops.size === 0) this.#rooms.delete(room);
  }

  async get(room: string): Promise<HeldRoom | null> {
    const known = this.#live(room);
    return known === null ? null : heldOf(known);
  }

  /** What a shared store answered: of others it holds until the store answers again. */
  learn(room: string, { pops, ...home }: HeldRoom): void {
    const entries = pops.map(({ pop, seats }) => [pop, { seats, untilMs: Number.POSITIVE_INFINITY }] as const);
    this.#rooms.set(room, { home, pops: new Map(entries) });
  }

  forget(room: string): void {
    this.#rooms.delete(room);
  }

  clear(): void {
    this.#rooms.clear();
  }

  #write(room: string, entry: Room, { pop, seats }: RoomClaim, leaseMs: number): HeldRoom {
    entry.pops.set(pop, { seats, untilMs: this.#clock.now() + leaseMs });
    this.#rooms.set(room, entry);
    return heldOf(entry);
  }

  #live(room: string): Room | null {
    const known = this.#rooms.get(room);
    if (known === undefined) return null;
    const nowMs = this.#clock.now();
    for (const [pop, { untilMs }] of known.pops) if (untilMs <= nowMs) known.pops.delete(pop);
    if (known.pops.size > 0) return known;
    this.#rooms.delete(room);
    return null;
  }
}

export function roomFull(room: string, maxSeats: number): AntipodeError {
  return new AntipodeError('ERR_ROOM_FULL', `The room ${room} has its ${maxSeats} callers.`, { path: 'room' });
}

function emptyRoom(home: RoomHome): Room {
  return { home: { ...home }, pops: new Map() };
}

function heldOf({ home, pops }: Room): HeldRoom {
  const held = [...pops].map(([pop, { seats }]) => ({ pop, seats }));
  return { ...home, pops: held.sort((a, b) => (a.pop < b.pop ? -1 : 1)) };
}
