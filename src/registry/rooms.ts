/**
 * Which core has which room, and which POPs have callers in it: the first POP that holds a room names its core, agent
 * and pin, those that follow are told. A room is held under the leases of its POPs and free when none is left. Owns the
 * words; the stores own the doing.
 */
import { z } from 'zod';

export const roomHomeSchema = z.object({
  core: z.string().min(1),
  agent: z.string().min(1),
  /** The text of every pin that holds for everybody in the room, or null. */
  residency: z.string().min(1).nullable(),
});
export type RoomHome = z.infer<typeof roomHomeSchema>;

/** What a POP says of its callers in a room. */
export interface RoomClaim {
  readonly pop: string;
  /** Callers of this POP in the room, those that are to come in by this very step included. */
  readonly seats: number;
  /** What the POP believes, or wants. */
  readonly home: RoomHome;
}

/** A room as the store has it. */
export interface HeldRoom extends RoomHome {
  /** POPs whose lease runs, with their callers, by name. */
  readonly pops: readonly { readonly pop: string; readonly seats: number }[];
}

/**
 * Leases run by the store's clock. While the store is out of reach each process goes on with what it knows: what it
 * says then is counted, and put into the store by the next renewal.
 */
export interface RoomDirectory {
  /**
   * Who has the room: `claim.home` when it was free, and the claim is written, atomically. A room of another agent or
   * pin is answered as it is and nothing is written.
   * @throws ERR_ROOM_FULL when its callers were more than `maxSeats`
   */
  hold(room: string, claim: RoomClaim, maxSeats: number, leaseMs: number): Promise<HeldRoom>;
  /** Goes on with the POP's lease; a room that the store lost is there again. Answers who has it, perhaps another core. */
  renew(room: string, claim: RoomClaim, leaseMs: number): Promise<HeldRoom>;
  /** Compare-and-set: `claim.home` has it if `fromCore` had it, or nobody. Answers who has it now. */
  move(room: string, fromCore: string, claim: RoomClaim, leaseMs: number): Promise<HeldRoom>;
  /** The POP has no callers in it any more. */
  drop(room: string, pop: string): Promise<void>;
  /** Null for a room that nobody holds. */
  get(room: string): Promise<HeldRoom | null>;
}

/** POPs renew this often, and are gone from a room when they did not for so long. */
export const ROOM_LEASE = { intervalMs: 2_000, leaseMs: 6_000 } as const;

/** Callers at all POPs. */
export function seatsOf({ pops }: Pick<HeldRoom, 'pops'>): number {
  return pops.reduce((sum, { seats }) => sum + seats, 0);
}
