/**
 * How many sessions of a core may be paused for another core at the same time: those that move at once hold each other
 * up, and a session should be paused no longer than its own move takes. Owns the count and who waits.
 */

export interface YieldGateOptions {
  /** @defaultValue 2 */
  maxPaused?: number;
}

const MAX_PAUSED = 2;

export class YieldGate {
  readonly #maxPaused: number;
  /** Asked whenever there is room: true takes the place. */
  readonly #waiting = new Set<() => boolean>();
  #paused = 0;

  constructor({ maxPaused = MAX_PAUSED }: YieldGateOptions = {}) {
    this.#maxPaused = maxPaused;
  }

  get paused(): number {
    return this.#paused;
  }

  /** Asks `enters` now and whenever a place becomes free, until it has one or `forget`. */
  ask(enters: () => boolean): void {
    if (this.#paused >= this.#maxPaused || !enters()) {
      this.#waiting.add(enters);
      return;
    }
    this.#waiting.delete(enters);
    this.#paused += 1;
  }

  forget(enters: () => boolean): void {
    this.#waiting.delete(enters);
  }

  /** A place is free. */
  leave(): void {
    this.#paused -= 1;
    for (const enters of [...this.#waiting]) {
      if (this.#paused >= this.#maxPaused) return;
      if (this.#waiting.has(enters)) this.ask(enters);
    }
  }
}
