/**
 * What an agent told its caller's client in the last seconds, for a client that comes back by another POP: what its
 * former POP had not passed on is lost with that. Owns what is worth saying twice; sends nothing.
 */
import type { ClientEvent } from '../agent/client-events.ts';
import type { Clock } from '../clock.ts';

/** A POP that fell silent without a word is noticed by then. */
const KEPT_MS = 3_000;
const MAX_KEPT = 500;

interface Told {
  readonly event: ClientEvent;
  readonly atMs: number;
  /** The POP was known to be away: nobody has it. */
  readonly unheard: boolean;
}

export class RecentEvents {
  readonly #clock: Clock;
  #told: Told[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** @param reached false when the POP was known to be away */
  add(event: ClientEvent, reached: boolean): void {
    const atMs = this.#clock.now();
    this.#told.push({ event, atMs, unheard: !reached });
    // What came before the silence began stays with what came in it.
    const isOld = ({ atMs: toldAtMs }: Told) => reached && toldAtMs < atMs - KEPT_MS;
    while (this.#told.length > MAX_KEPT || isOld(this.#told[0]!)) this.#told.shift();
  }

  /** What the next POP is to be told, in order, before anything new. Nothing is kept. */
  take(): ClientEvent[] {
    const since = this.#clock.now() - KEPT_MS;
    const told = this.#told;
    this.#told = [];
    // Before the POP's silence was known, too: as long ago as that may have begun.
    const firstUnheard = told.find(({ unheard }) => unheard)?.atMs ?? Number.POSITIVE_INFINITY;
    const from = Math.min(since, firstUnheard - KEPT_MS);
    return told.filter((one) => one.unheard || (one.atMs >= from && mayComeTwice(one.event))).map(({ event }) => event);
  }
}

/** Takes the place of what it said before, at every client. */
function mayComeTwice({ type }: ClientEvent): boolean {
  return type !== 'custom' && type !== 'interruption' && type !== 'moved';
}
