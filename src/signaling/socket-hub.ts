/** All signaling sockets of a POP: how many an address may have, the keepalive round, and closing them together. */
import type { WebSocket } from 'ws';
import type { Clock, Timer } from '../clock.ts';
import { AntipodeError } from '../errors.ts';
import { SignalingSocket, type SignalingSocketOptions } from './socket.ts';

/** A ping goes to every socket this often. */
export const PING_INTERVAL_MS = 2_500;
/** A socket that sent nothing, not even a pong, for this long is taken for dead. */
export const SILENCE_LIMIT_MS = 9_000;

export interface SocketHubOptions extends Omit<SignalingSocketOptions, 'ws' | 'addressKey' | 'onClosed'> {
  maxSocketsPerAddress: number;
  clock: Clock;
}

export class SocketHub {
  readonly #options: SocketHubOptions;
  readonly #sockets = new Map<SignalingSocket, string>();
  readonly #perAddress = new Map<string, number>();
  #timer: Timer;
  #lastRoundMs: number;
  #whenEmpty: (() => void) | null = null;

  constructor(options: SocketHubOptions) {
    this.#options = options;
    this.#lastRoundMs = options.clock.now();
    this.#timer = options.clock.setTimeout(() => this.#round(), PING_INTERVAL_MS);
  }

  get size(): number {
    return this.#sockets.size;
  }

  /** @throws ERR_RATE_LIMITED when the address has all the sockets that it may have */
  admit(addressKey: string): void {
    if ((this.#perAddress.get(addressKey) ?? 0) >= this.#options.maxSocketsPerAddress) {
      throw new AntipodeError('ERR_RATE_LIMITED', 'Too many sockets from this address.');
    }
  }

  add(ws: WebSocket, addressKey: string): void {
    const socket = new SignalingSocket({
      ...this.#options,
      ws,
      addressKey,
      onClosed: (closed) => this.#remove(closed),
    });
    this.#sockets.set(socket, addressKey);
    this.#perAddress.set(addressKey, (this.#perAddress.get(addressKey) ?? 0) + 1);
    this.#options.metrics.socketCount(this.#sockets.size);
  }

  /** Closes every socket, politely first; resolves when all are gone, at the latest after `graceMs`. */
  async close(graceMs: number): Promise<void> {
    this.#timer.cancel();
    for (const socket of [...this.#sockets.keys()]) socket.shutDown();
    if (this.#sockets.size === 0) return;
    await new Promise<void>((resolve) => {
      this.#whenEmpty = resolve;
      this.#timer = this.#options.clock.setTimeout(() => {
        for (const socket of [...this.#sockets.keys()]) socket.terminate();
      }, graceMs);
    });
    this.#timer.cancel();
  }

  #round(): void {
    const now = this.#options.clock.now();
    // After a stall of ours the pongs still lie unread in the kernel: judge nobody by it.
    const stalled = now - this.#lastRoundMs > PING_INTERVAL_MS * 2;
    this.#lastRoundMs = now;
    for (const socket of [...this.#sockets.keys()]) socket.keepAlive(stalled ? null : SILENCE_LIMIT_MS);
    this.#timer = this.#options.clock.setTimeout(() => this.#round(), PING_INTERVAL_MS);
  }

  #remove(socket: SignalingSocket): void {
    const key = this.#sockets.get(socket);
    if (key === undefined) return;
    this.#sockets.delete(socket);
    const left = (this.#perAddress.get(key) ?? 1) - 1;
    if (left > 0) this.#perAddress.set(key, left);
    else this.#perAddress.delete(key);
    this.#options.metrics.socketCount(this.#sockets.size);
    if (this.#sockets.size === 0) this.#whenEmpty?.();
  }
}
