/**
 * A long way for TCP: listens near the client and carries bytes to the server and back, later. The client's handshake
 * ends at once here, so what it sends first waits a round trip longer, as it would behind a real handshake. Where the way
 * is cut nothing is lost, as on a real connection: bytes wait until it is mended or one end gives up.
 */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import type { Clock } from '../clock.ts';
import { WanPath, type WanPathOptions } from './path.ts';

export interface TcpLinkOptions {
  /** Where clients connect; port 0 picks one. */
  listen: { host: string; port: number };
  server: { host: string; port: number };
  /** Each way; or by the client's address, where clients are in several places. */
  path: WanPathOptions | ((clientAddress: string) => WanPathOptions);
  clock: Clock;
}

/** From the client to the server, or back. */
export type TcpDirection = 'up' | 'down';

export class TcpLink implements AsyncDisposable {
  readonly #options: TcpLinkOptions;
  readonly #server: Server;
  readonly #open = new Set<Socket>();
  /** What is read, by the way that it goes. */
  readonly #readers: Record<TcpDirection, Set<Socket>> = { up: new Set(), down: new Set() };
  readonly #cut: Record<TcpDirection, boolean> = { up: false, down: false };
  connections = 0;

  private constructor(options: TcpLinkOptions) {
    this.#options = options;
    this.#server = createServer((client) => this.#carry(client));
  }

  static async open(options: TcpLinkOptions): Promise<TcpLink> {
    const link = new TcpLink(options);
    link.#server.listen(options.listen.port, options.listen.host);
    await once(link.#server, 'listening');
    return link;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Nothing goes that way any more, until it is mended; what comes waits. Both ends keep their connection. */
  cut(direction: TcpDirection, isCut: boolean): void {
    this.#cut[direction] = isCut;
    for (const socket of this.#readers[direction]) {
      if (isCut) socket.pause();
      else socket.resume();
    }
  }

  #carry(client: Socket): void {
    const { clock, server: address } = this.#options;
    const path = this.#pathOf(client.remoteAddress ?? '');
    this.connections += 1;
    const server = connect(address.port, address.host);
    client.setNoDelay(true);
    server.setNoDelay(true);
    // Bytes are not lost on a TCP connection: they come later.
    const up = new WanPath(clock, { ...path, loss: 0 });
    const down = new WanPath(clock, { ...path, loss: 0 });
    let handshakeMs = 2 * path.delayMs;
    client.on('data', (bytes) => {
      up.carry(() => void (server.destroyed || server.write(bytes)), handshakeMs);
      handshakeMs = 0;
    });
    server.on('data', (bytes) => down.carry(() => void (client.destroyed || client.write(bytes))));
    client.on('end', () => up.carry(() => server.end()));
    server.on('end', () => down.carry(() => client.end()));
    for (const [socket, other, direction] of [
      [client, server, 'up'],
      [server, client, 'down'],
    ] as const) {
      this.#open.add(socket);
      this.#readers[direction].add(socket);
      if (this.#cut[direction]) socket.pause();
      // A reset is carried as one: the other side sees its connection end.
      socket.on('error', () => other.destroy());
      socket.on('close', () => {
        this.#open.delete(socket);
        this.#readers[direction].delete(socket);
        up.carry(() => other.destroy());
      });
    }
  }

  #pathOf(clientAddress: string): WanPathOptions {
    const { path } = this.#options;
    return typeof path === 'function' ? path(clientAddress) : path;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#open) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
