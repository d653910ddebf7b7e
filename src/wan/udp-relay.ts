/**
 * A long way from one UDP client to one server: listens near the client, speaks to the server from a port of its own,
 * and carries packets both ways, later. For clients that send first, from one address: what comes back goes to whoever
 * sent last. Owns its two sockets.
 */
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import type { Clock } from '../clock.ts';
import { WanPath, type WanPathOptions } from './path.ts';

export interface UdpRelayOptions {
  server: { ip: string; port: number };
  /** Each way. */
  path: WanPathOptions;
  clock: Clock;
}

export class UdpRelay implements AsyncDisposable {
  readonly #near: Socket;
  readonly #far: Socket;
  #closed = false;

  private constructor(near: Socket, far: Socket) {
    this.#near = near;
    this.#far = far;
  }

  static async open({ server, path, clock }: UdpRelayOptions): Promise<UdpRelay> {
    const [near, far] = [createSocket('udp4'), createSocket('udp4')];
    near.bind(0, '127.0.0.1');
    far.bind(0, '127.0.0.1');
    await Promise.all([once(near, 'listening'), once(far, 'listening')]);
    const relay = new UdpRelay(near, far);
    const up = new WanPath(clock, path);
    const down = new WanPath(clock, path);
    let client: { address: string; port: number } | null = null;
    near.on('message', (packet, from) => {
      client = from;
      up.carry(() => relay.#send(far, packet, server.port, server.ip));
    });
    far.on('message', (packet) => {
      const to = client;
      if (to !== null) down.carry(() => relay.#send(near, packet, to.port, to.address));
    });
    // A server that is gone answers with an error; so would the long way.
    for (const socket of [near, far]) socket.on('error', () => {});
    return relay;
  }

  /** Where the client sends to, on 127.0.0.1. */
  get port(): number {
    return this.#near.address().port;
  }

  /** What is still under way when the relay closes arrives nowhere. */
  #send(socket: Socket, packet: Buffer, port: number, ip: string): void {
    if (!this.#closed) socket.send(packet, port, ip);
  }

  /** Idempotent. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await Promise.all(
      [this.#near, this.#far].map((socket) => new Promise<void>((resolve) => socket.close(() => resolve()))),
    );
  }
}
