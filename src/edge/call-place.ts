/**
 * Where a call is: the seat that counts, its journal and its epoch, and the seats that it might take. Owns that state and
 * how seats are made; why a call changes its seat is call-route.ts.
 */
import type { MediaPipe, MediaWorker } from '../backbone/index.ts';
import type { Logger } from '../telemetry/index.ts';
import type { CallRequest } from './call-request.ts';
import { CallSeat, type CallSeatOptions, type SeatListener } from './call-seat.ts';
import type { CallSplice } from './call-splice.ts';
import type { CoreLink } from './core-link.ts';
import type { CoreAddress, CoreLinks } from './core-links.ts';
import type { EdgeMetrics } from './edge-metrics.ts';
import { CallJournal } from './journal.ts';

export interface CallPlaceOptions extends Pick<CallSeatOptions, 'roomWay'> {
  request: CallRequest;
  worker: MediaWorker;
  splice: CallSplice;
  links: CoreLinks;
  log: Logger;
  metrics: EdgeMetrics;
  listener: SeatListener;
}

/** A core that can be asked for a session. */
export interface Reached {
  core: CoreAddress;
  link: CoreLink;
  pipe: MediaPipe;
}

export class CallPlace {
  readonly #options: CallPlaceOptions;
  /** Null while another core is looked for. */
  seat: CallSeat | null = null;
  /** Of the seat that counts, or of the last one. */
  journal: CallJournal;
  /** Of the core that has the call, or is to have it. */
  epoch: number;
  /** The core that has the call, or the last one that had it. */
  core: CoreAddress;

  constructor(options: CallPlaceOptions) {
    this.#options = options;
    const { request, log } = options;
    this.epoch = request.epoch;
    this.core = request.core;
    this.journal = new CallJournal({
      onGivenUp: () => log.error('the journal of a call is too long: another core would begin without it'),
    });
  }

  /** Link and pipe to a core. @throws as CoreLinks.to and CoreLink.pipe */
  async reach(core: CoreAddress): Promise<Reached> {
    const { links, worker } = this.#options;
    const link = await links.to(core);
    return { core, link, pipe: await link.pipe(worker) };
  }

  /** @param how `counts`: what the core says is heard at once */
  seatAt(
    { core, link }: Pick<Reached, 'core' | 'link'>,
    journal: CallJournal,
    how: { epoch: number; counts: boolean },
  ) {
    return new CallSeat({ ...this.#options, core, link, journal, ...how });
  }

  /** @returns the seat that counted before */
  take(seat: CallSeat): CallSeat | null {
    const former = this.seat;
    this.seat = seat;
    this.journal = seat.journal;
    this.epoch = seat.epoch;
    this.core = seat.core;
    return former;
  }

  /** Nobody has the call, and the next core comes with a later epoch. @param journal what that one goes on with */
  leave(journal: CallJournal, { knows }: { knows: boolean }): void {
    this.journal = journal;
    this.seat?.giveUp({ knows });
    this.seat = null;
    this.epoch += 1;
  }
}
