/**
 * Which POP and which core a session lives at: a home under a lease, with the epoch as the fence. The epoch grows by
 * one with each take-over, and who comes with an older one is refused. Owns the words; the stores own the doing.
 */
import { z } from 'zod';

export const sessionHomeSchema = z.object({
  pop: z.string().min(1),
  core: z.string().min(1),
  epoch: z.number().int().min(1),
  zone: z.string().min(1),
  /** Newest resume token that its POP has handed out, by its number; absent before the first. It never goes back. */
  generation: z.number().int().min(1).optional(),
});
export type SessionHome = z.infer<typeof sessionHomeSchema>;

export interface HeldHome extends SessionHome {
  /** What is left of the lease, milliseconds; 0 when it ran out and nobody took the session over yet. */
  readonly leaseMs: number;
}

/** `reclaimed`: the store did not know the home, or knew an older epoch, and has it again. */
export type RenewOutcome = 'renewed' | 'reclaimed';

/**
 * Every method: @throws ERR_REGISTRY_UNAVAILABLE when the store does not answer in time (the same call may be made
 * again: each does no more the second time), ERR_REGISTRY_ZONE for a home of another zone than the registry's.
 * Leases run by the store's clock, not by the nodes'.
 */
export interface SessionDirectory {
  /**
   * The first home of a session. Claiming again with the same core and epoch is fine.
   * @throws ERR_REGISTRY_CONFLICT when it has another, with a lease or without; ERR_SESSION_ENDED when it was released
   */
  claim(sessionId: string, home: SessionHome, leaseMs: number): Promise<void>;
  /**
   * Compare-and-set: `next` becomes the home at `expectedEpoch + 1` if the epoch is still `expectedEpoch`, whether its
   * lease runs or not. A store that lost the home believes `expectedEpoch`. The same again (POP, core and epoch) is fine.
   * Of a `generation` that is absent, the known one stays.
   * @throws ERR_REGISTRY_CONFLICT when the epoch is another; ERR_SESSION_ENDED when it was released
   */
  takeOver(
    sessionId: string,
    expectedEpoch: number,
    next: Omit<SessionHome, 'epoch'>,
    leaseMs: number,
  ): Promise<SessionHome>;
  /**
   * Goes on with the lease, also with one that ran out; the POP may have changed.
   * @throws ERR_REGISTRY_CONFLICT when a newer epoch or another core has the session; ERR_SESSION_ENDED
   */
  renew(sessionId: string, home: SessionHome, leaseMs: number): Promise<RenewOutcome>;
  /** The session is over: nobody gets it any more. False when a newer epoch has it, and then nothing is changed. */
  release(sessionId: string, epoch: number): Promise<boolean>;
  /** Null for one that is unknown or was released. */
  get(sessionId: string): Promise<HeldHome | null>;
}

/** A home that nobody renewed, and the mark of a released one, are kept for this long after the lease. */
export const HOME_RETENTION_MS = 600_000;
