/**
 * What the client wrote to the agent, until the agent was given it: what a lost core was not given, the next one is.
 * Owns the order and the bound; sends by a function.
 */
import type { ClientMessage } from '../agent/client-events.ts';

export const MAX_WAITING_MESSAGES = 64;

export class ClientMessages {
  /** Not known to have been given to the agent, in order. */
  readonly #waiting: ClientMessage[] = [];
  /** How many of these were sent to the present core. */
  #sent = 0;
  /** How many of all the present core gave to the agent. */
  #given = 0;

  /** @returns false when too many wait for a core, and it is not taken */
  add(message: ClientMessage): boolean {
    if (this.#waiting.length >= MAX_WAITING_MESSAGES) {
      if (this.#sent === 0) return false;
      // Long since sent: the core does not say what it gave.
      this.#waiting.shift();
      this.#sent -= 1;
    }
    this.#waiting.push(message);
    return true;
  }

  /** Sends what the present core was not sent. One that `send` throws at is dropped. @throws what `send` throws */
  send(send: (message: ClientMessage) => void): void {
    for (let message = this.#waiting[this.#sent]; message !== undefined; message = this.#waiting[this.#sent]) {
      try {
        send(message);
      } catch (error) {
        this.#waiting.splice(this.#sent, 1);
        throw error;
      }
      this.#sent += 1;
    }
  }

  /** The present core gave the agent `count` messages in all. */
  given(count: number): void {
    const more = Math.min(count - this.#given, this.#sent);
    if (more <= 0) return;
    this.#waiting.splice(0, more);
    this.#sent -= more;
    this.#given = count;
  }

  /** Another core has the call: what is not known to have been given is to be sent to it. */
  nextCore(): void {
    this.#sent = 0;
    this.#given = 0;
  }
}
