/**
 * Hosts that are all 127.0.0.1, where namespaces are not allowed. Where they are to be cut, or far from each other, cores
 * and POPs know each other by addresses of this process, which carries what they say.
 */
import { createSocket } from 'node:dgram';
import { createServer } from 'node:net';
import { BACKBONE_PORTS, type ChaosHost, type ChaosNetwork } from './chaos-network.ts';
import { HostRelays } from './host-relays.ts';

/** Below those that systems give out by themselves. */
const FIRST_PORT = 20_000;
const LAST_PORT = 32_000;
const LOOPBACK = '127.0.0.1';

export interface LoopbackHostsOptions {
  /** Why there are no namespaces. */
  reason: string;
  cuts: boolean;
  /** Between cores and POPs, each way. */
  delayMs: number;
}

export class LoopbackHosts implements ChaosNetwork {
  readonly kind = 'loopback';
  readonly note: string;
  readonly #relays: HostRelays | null;
  readonly #hosts: ChaosHost[] = [];
  #last: Promise<unknown> = Promise.resolve();

  constructor({ reason, cuts, delayMs }: LoopbackHostsOptions) {
    const far = delayMs === 0 ? '' : ` Cores and POPs were ${delayMs} ms from each other, each way.`;
    this.note = `Loopback with relays, no namespaces: ${reason}.${far}`;
    this.#relays = cuts || delayMs > 0 ? new HostRelays(delayMs) : null;
  }

  /** One after the other: each takes what is free. */
  host(name: string): Promise<ChaosHost> {
    const made = this.#last.then(() => this.#make(name));
    this.#last = made.catch(() => undefined);
    return made;
  }

  async cut(from: ChaosHost, to: ChaosHost, isCut: boolean): Promise<void> {
    if (this.#relays === null) throw new Error('this network can not be cut');
    await this.#relays.cut(from, to, isCut);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#relays?.[Symbol.asyncDispose]();
  }

  async #make(name: string): Promise<ChaosHost> {
    const announced = this.#relays === null ? LOOPBACK : `127.0.0.${101 + this.#hosts.length}`;
    const host: ChaosHost = {
      ...{ name, ip: LOOPBACK, announced, command: [] },
      ...{ httpPort: await freePort(), mediaPort: await freePort(), controlPort: await freePort() },
      backbonePorts: await this.#freeRange([LOOPBACK, announced]),
    };
    this.#hosts.push(host);
    await this.#relays?.join(host);
    return host;
  }

  /** UDP ports in a row that nobody has at any of these addresses, and no other host of this network. */
  async #freeRange(ips: readonly string[]): Promise<{ min: number; max: number }> {
    for (let min = FIRST_PORT; min < LAST_PORT; min += BACKBONE_PORTS) {
      if (this.#hosts.some(({ backbonePorts }) => backbonePorts.min === min)) continue;
      const ports = Array.from({ length: BACKBONE_PORTS }, (_, index) => min + index);
      const free = await Promise.all(ports.flatMap((port) => [...new Set(ips)].map((ip) => isFree(ip, port))));
      if (free.every((is) => is)) return { min, max: min + BACKBONE_PORTS - 1 };
    }
    throw new Error('no free UDP ports for a host');
  }
}

function isFree(ip: string, port: number): Promise<boolean> {
  const socket = createSocket('udp4');
  return new Promise((resolve) => {
    socket.once('error', () => resolve(false));
    socket.bind(port, ip, () => socket.close(() => resolve(true)));
  });
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, LOOPBACK, resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}
