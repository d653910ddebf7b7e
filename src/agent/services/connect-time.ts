/**
 * How long the newest connection to a service took to open: TCP's handshake, one round trip to where the connection
 * ends, without the look-up of its name. Where that is an edge of the service's network, it is not the way to the model.
 */
import type { Socket } from 'node:net';

export class ConnectTime {
  readonly #now: () => number;
  #ms: number | null = null;

  /** @param now monotonic milliseconds */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** Null before the first connection. */
  get ms(): number | null {
    return this.#ms;
  }

  /** Times a socket that is about to connect; one that has connected tells nothing. */
  watch(socket: Socket): void {
    if (!socket.connecting) return;
    // An attempt at an address that needs no look-up may be under way, just begun.
    let startedAtMs = this.#now();
    // Once for each address that is tried; the last one is it.
    const onAttempt = () => {
      startedAtMs = this.#now();
    };
    socket.on('connectionAttempt', onAttempt);
    socket.once('connect', () => {
      socket.off('connectionAttempt', onAttempt);
      this.#ms = Math.max(0, this.#now() - startedAtMs);
    });
  }
}
