/**
 * Looks for a new way over a pipe to the same core, one attempt after another, until it stands or nobody wants it any
 * more. Owns what is wanted and the one search under way; what an attempt is comes from outside.
 */

export interface RepipingOptions {
  /** Whether the call can use a way to this core now. */
  possible(): boolean;
  /** Finds a way, trying again as long as that makes sense; false when it gave up. */
  search(attempt: () => Promise<void>): Promise<boolean>;
  /** Makes one. @returns whether it stands */
  repipe(): Promise<boolean>;
  onResult(result: 'done' | 'failed'): void;
}

export class Repiping {
  readonly #options: RepipingOptions;
  #wanted = false;
  #searching = false;
  /** Settles when the search under way, or the last one, is over. */
  #over: Promise<void> = Promise.resolve();

  constructor(options: RepipingOptions) {
    this.#options = options;
  }

  /** Settles when the search under way, or the last one, is over. */
  get over(): Promise<void> {
    return this.#over;
  }

  get searching(): boolean {
    return this.#searching;
  }

  want(): void {
    this.#wanted = true;
    if (this.#searching) return;
    this.#searching = true;
    this.#over = this.#searchAll();
  }

  async #searchAll(): Promise<void> {
    const { possible, search, onResult } = this.#options;
    try {
      while (this.#wanted && possible()) {
        if (!(await search(() => this.#once()))) onResult('failed');
      }
    } finally {
      this.#searching = false;
    }
  }

  async #once(): Promise<void> {
    const { possible, repipe, onResult } = this.#options;
    // Without its producers the call waits for the worker's replacement, which asks again.
    if (!possible()) return;
    // Whatever asked up to now is answered by this attempt.
    this.#wanted = false;
    const stands = await repipe();
    onResult('done');
    if (!stands) this.#wanted = true;
  }
}
