/**
 * How a living call goes to another core: what is asked for, and the steps up to the moment at which the next core has
 * answered. Until then nothing is taken from the former one that can't be given back. Owns the order of the steps; which
 * seat counts is call-route.ts.
 */
import type { Confinement } from '../agent/types.ts';
import type { MediaPipe } from '../backbone/index.ts';
import type { Clock } from '../clock.ts';
import { AntipodeError } from '../errors.ts';
import type { CallSeat, Yielded } from './call-seat.ts';
import type { CallSplice } from './call-splice.ts';
import type { CoreLink } from './core-link.ts';
import type { CoreAddress } from './core-links.ts';
import type { CallJournal } from './journal.ts';
import type { TakeOverReason } from './take-over.ts';

/** `drain`: the core is to be empty; `order`: somebody asked for it; `placement`: another place is better. */
export type HandOverReason = 'drain' | 'order' | 'placement';

export interface HandOverRequest {
  reason: HandOverReason;
  /** A pause between turns is waited for so long. */
  withinMs: number;
  /** Without one, the call moves in the middle of a turn; else it stays. */
  cut: boolean;
  /** Node id of the core; absent: the best one. */
  to?: string;
}

export interface MoveRequest {
  sessionId: string;
  reason: HandOverReason;
  /** Node id of the core that has the call. */
  from: string;
  to?: string;
}

/** Who is to have a call that lives. `taken` or `dropped` is called, once. */
export interface MoveTarget {
  core: CoreAddress;
  confinement: Confinement | null;
  /**
   * It has the call, at `epoch`.
   * @throws ERR_REGISTRY_CONFLICT, ERR_SESSION_ENDED when somebody else has the session
   */
  taken(epoch: number): Promise<void>;
  /** It will not have it. */
  dropped(): void;
  /**
   * Nor has the former one it as before: it is to have it anew.
   * @param epoch the last one
   * @returns the next epoch
   * @throws as `taken`
   */
  returned(epoch: number): Promise<number>;
}

/** @throws what says that there is nobody, or that the call is there already */
export type FindTarget = (request: MoveRequest) => Promise<MoveTarget>;

export interface HandedOver {
  from: string;
  to: string;
  epoch: number;
  /** From the former core's pause until the next one hears and may speak. */
  gapMs: number;
  atTurnBoundary: boolean;
}

export interface HandOverOptions {
  request: HandOverRequest;
  sessionId: string;
  former: CallSeat;
  mover: FindTarget;
  splice: CallSplice;
  /** Link and pipe to a core. */
  reach(core: CoreAddress): Promise<{ link: CoreLink; pipe: MediaPipe }>;
  /** A seat at the next core, with the journal that follows. */
  seatAt(at: { core: CoreAddress; link: CoreLink }, journal: CallJournal): CallSeat;
  /** The way to the former core is being made anew: nothing else may change it. */
  isRepiping(): boolean;
  clock: Clock;
  /** The call ended. */
  signal: AbortSignal;
}

/** The next core has answered, and the writer is its own. */
export interface Switched {
  seat: CallSeat;
  target: MoveTarget;
  /** When the former core paused, by our clock. */
  pausedAtMs: number;
  atTurnBoundary: boolean;
}

/** The core says when it yields; one that says nothing for so much longer than it was given does not. */
const YIELD_MARGIN_MS = 4_000;

export class HandOver {
  readonly #options: HandOverOptions;
  readonly #abort = new AbortController();
  #switching = false;
  #mayGoOn: boolean | null = null;
  #target: MoveTarget | null = null;
  #formerLost: TakeOverReason | null = null;

  constructor(options: HandOverOptions) {
    this.#options = options;
  }

  /** The next core, once it is known. */
  get target(): MoveTarget | null {
    return this.#target;
  }

  /** The former core has paused. */
  get switching(): boolean {
    return this.#switching;
  }

  /**
   * Whether the former core may go on as if nothing had happened; false when its agent was stopped in the middle of a
   * turn, null when it was asked for nothing yet.
   */
  get mayGoOn(): boolean | null {
    return this.#mayGoOn;
  }

  get formerLost(): TakeOverReason | null {
    return this.#formerLost;
  }

  /**
   * The former core is gone. One that has paused may go: the next one has all that it needs.
   * @returns whether the hand-over goes on
   */
  lost(reason: TakeOverReason): boolean {
    this.#formerLost ??= reason;
    if (!this.#switching) this.#abort.abort(new AntipodeError('ERR_BACKBONE_CLOSED', 'The core of the call is lost.'));
    return this.#switching;
  }

  /**
   * Everything up to the moment at which the next core has answered.
   * @throws what finding and reaching another core throws, ERR_HANDOVER_REFUSED, what the cores say; the former core then
   * has the way, and the caller's sound may wait in the tap
   */
  async run(): Promise<Switched> {
    const { request, sessionId, former, mover, reach, splice, clock } = this.#options;
    const { reason, to } = request;
    const from = former.core.nodeId;
    const target = await mover({ sessionId, reason, from, ...(to !== undefined && { to }) });
    try {
      this.#target = target;
      this.#assertWanted();
      const { link, pipe } = await reach(target.core);
      this.#assertWanted();
      const { notes, atTurnBoundary } = await this.#yielded();
      const pausedAtMs = clock.now() - (former.link.rttMs() ?? 0) / 2;
      this.#switching = true;
      this.#mayGoOn = atTurnBoundary;
      if (this.#options.isRepiping()) {
        throw new AntipodeError('ERR_HANDOVER_REFUSED', 'The way to the core is being made anew.');
      }
      if (former.journal.newest < notes) {
        const words = `The journal of the call has ${former.journal.newest} of ${notes} notes.`;
        throw new AntipodeError('ERR_HANDOVER_REFUSED', words);
      }
      // What the former core hears, and what is played of its words, ends here.
      splice.holdCaller();
      if (!atTurnBoundary) splice.writer.hold();
      const { resume, journal } = former.journal.following(splice.writer.played?.timestamp ?? null);
      const seat = this.#options.seatAt({ core: target.core, link }, journal);
      try {
        // The former core lets few go at a time.
        await seat.attach(pipe, { confinement: target.confinement, resume, alone: true });
      } catch (error) {
        seat.giveUp({ knows: false });
        throw error;
      }
      return { seat, target, pausedAtMs, atTurnBoundary };
    } catch (error) {
      target.dropped();
      throw error;
    }
  }

  async #yielded(): Promise<Yielded> {
    const { former, request, clock, signal } = this.#options;
    const { withinMs, cut } = request;
    const late = new AbortController();
    const timer = clock.setTimeout(() => {
      late.abort(new AntipodeError('ERR_BACKBONE_TIMEOUT', `Core ${former.core.nodeId} did not pause the call.`));
    }, withinMs + YIELD_MARGIN_MS);
    try {
      // From here on it may have paused without our knowing.
      this.#mayGoOn = true;
      const until = AbortSignal.any([signal, late.signal, this.#abort.signal]);
      const answer = await former.yield({ withinMs, cut }, until);
      if (answer.refused !== null) throw new AntipodeError('ERR_HANDOVER_REFUSED', answer.refused);
      return answer;
    } finally {
      timer.cancel();
    }
  }

  #assertWanted(): void {
    this.#options.signal.throwIfAborted();
    this.#abort.signal.throwIfAborted();
  }
}
