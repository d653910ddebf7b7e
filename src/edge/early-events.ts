/** What an agent tells before anybody listens to its call: kept in order, up to a bound, until somebody does. */
import type { ClientEvent } from '../agent/client-events.ts';

/** More than a core says while a call opens. */
const MAX_EARLY_EVENTS = 256;

export class EarlyEvents {
  readonly #deliver: (event: ClientEvent) => void;
  readonly #onDropped: (event: ClientEvent) => void;
  #waiting: ClientEvent[] | null = [];

  constructor(deliver: (event: ClientEvent) => void, onDropped: (event: ClientEvent) => void) {
    this.#deliver = deliver;
    this.#onDropped = onDropped;
  }

  push(event: ClientEvent): void {
    if (!this.#waiting) this.#deliver(event);
    else if (this.#waiting.length < MAX_EARLY_EVENTS) this.#waiting.push(event);
    else this.#onDropped(event);
  }

  /** Somebody listens from now on. Idempotent. */
  release(): void {
    const waiting = this.#waiting;
    this.#waiting = null;
    for (const event of waiting ?? []) this.#deliver(event);
  }
}
