/**
 * Two hosts with a long way between them, for UDP, on one machine: each is known to the other by an address of its own
 * (127.0.0.x) where this link listens on the same ports, so that packets come from where they were sent to. Owns the
 * sockets; the hosts keep theirs on their own address.
 */
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import type { Clock } from '../../src/clock.ts';
import { WanPath, type WanPathOptions } from './path.ts';

export interface UdpHost {
  /** Where it really listens. */
  ip: string;
  /** What the other host is told. */
  announced: string;
  /** The ports that it uses, all of which are forwarded. */
  ports: { min: number; max: number };
}

export interface UdpLinkOptions {
  a: UdpHost;
  b: UdpHost;
  /** Each way. */
  path: WanPathOptions;
  clock: Clock;
}

export class UdpLink implements AsyncDisposable {
  readonly #sockets: Socket[] = [];
  readonly toB: WanPath;
  readonly toA: WanPath;

  private constructor(options: UdpLinkOptions) {
    this.toB = new WanPath(options.clock, options.path);
    this.toA = new WanPath(options.clock, options.path);
  }

  static async open(options: UdpLinkOptions): Promise<UdpLink> {
    const link = new UdpLink(options);
    const { a, b } = options;
    const faceOfA = new Map<number, Socket>();
    const faceOfB = new Map<number, Socket>();
    try {
      await link.#listen(a, faceOfA, (packet, from, port) => {
        const face = faceOfB.get(from);
        if (face) link.toA.carry(() => face.send(packet, port, a.ip));
      });
      await link.#listen(b, faceOfB, (packet, from, port) => {
        const face = faceOfA.get(from);
        if (face) link.toB.carry(() => face.send(packet, port, b.ip));
      });
      return link;
    } catch (error) {
      await link[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** The face of a host: the other one sends here. */
  async #listen(
    host: UdpHost,
    faces: Map<number, Socket>,
    onPacket: (packet: Buffer, fromPort: number, toPort: number) => void,
  ): Promise<void> {
    for (let port = host.ports.min; port <= host.ports.max; port++) {
      const socket = createSocket('udp4');
      this.#sockets.push(socket);
      // A host that is not there yet answers with an error; so would the long way.
      socket.on('error', () => {});
      socket.on('message', (packet, { port: fromPort }) => onPacket(packet, fromPort, port));
      socket.bind(port, host.announced);
      await once(socket, 'listening');
      faces.set(port, socket);
    }
  }

  /** Cut the way, or mend it. */
  cut(isCut: boolean): void {
    this.toA.cut(isCut);
    this.toB.cut(isCut);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(
      this.#sockets.splice(0).map((socket) => new Promise<void>((resolve) => socket.close(() => resolve()))),
    );
  }
}
