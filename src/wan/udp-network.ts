/**
 * Hosts with long ways between them, for UDP, on one machine: each is known to the others by an address of its own
 * (127.0.0.x) where this network listens on the same ports, so that packets come from where they were sent to. Owns the
 * sockets and the ways; the hosts keep their own sockets on their own address.
 */
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import type { Clock } from '../clock.ts';
import { WanPath, type WanPathOptions } from './path.ts';

export interface UdpHost {
  /** Where it really listens. */
  ip: string;
  /** What the other hosts are told. */
  announced: string;
  /** The ports that it uses, all of which are forwarded. Hosts of the same `ip` must not share one. */
  ports: { min: number; max: number };
}

export interface UdpNetworkOptions<Name extends string> {
  /** Those that are there from the beginning. */
  hosts: Readonly<Partial<Record<Name, UdpHost>>>;
  /** One way. Asked once for each pair of hosts, when the first packet goes that way. */
  path(from: Name, to: Name): WanPathOptions;
  clock: Clock;
}

export class UdpNetwork<Name extends string> implements AsyncDisposable {
  readonly #options: UdpNetworkOptions<Name>;
  readonly #hosts: (readonly [Name, UdpHost])[] = [];
  /** By host and port: what the other hosts send to, and hear from. */
  readonly #faces = new Map<string, Socket>();
  readonly #paths = new Map<string, WanPath>();

  private constructor(options: UdpNetworkOptions<Name>) {
    this.#options = options;
  }

  /** @throws when an announced address has one of the ports in use */
  static async open<Name extends string>(options: UdpNetworkOptions<Name>): Promise<UdpNetwork<Name>> {
    const network = new UdpNetwork(options);
    try {
      const hosts = Object.entries(options.hosts) as [Name, UdpHost][];
      for (const [name, host] of hosts) await network.join(name, host);
      return network;
    } catch (error) {
      await network[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Another host. @throws when its announced address has one of the ports in use */
  async join(name: Name, host: UdpHost): Promise<void> {
    this.#hosts.push([name, host]);
    for (let port = host.ports.min; port <= host.ports.max; port++) await this.#listen(name, host, port);
  }

  /** The way from one host to another. */
  path(from: Name, to: Name): WanPath {
    const key = `${from} ${to}`;
    const known = this.#paths.get(key);
    if (known) return known;
    const path = new WanPath(this.#options.clock, this.#options.path(from, to));
    this.#paths.set(key, path);
    return path;
  }

  async #listen(name: Name, { ip, announced }: UdpHost, port: number): Promise<void> {
    const socket = createSocket('udp4');
    this.#faces.set(`${name} ${port}`, socket);
    socket.on('message', (packet, from) => {
      const sender = this.#hostAt(from.address, from.port);
      if (sender === null || sender === name) return;
      const face = this.#faces.get(`${sender} ${from.port}`);
      if (face) this.path(sender, name).carry(() => this.#send(face, packet, port, ip));
    });
    socket.bind(port, announced);
    await once(socket, 'listening');
    // A host that is not there yet answers with an error; so would the long way.
    socket.on('error', () => {});
  }

  /** What is still under way when the network closes arrives nowhere. */
  #send(face: Socket, packet: Buffer, port: number, ip: string): void {
    if (this.#faces.size > 0) face.send(packet, port, ip);
  }

  #hostAt(ip: string, port: number): Name | null {
    const found = this.#hosts.find(([, host]) => host.ip === ip && port >= host.ports.min && port <= host.ports.max);
    return found?.[0] ?? null;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const sockets = [...this.#faces.values()];
    this.#faces.clear();
    await Promise.all(sockets.map((socket) => new Promise<void>((resolve) => socket.close(() => resolve()))));
  }
}
