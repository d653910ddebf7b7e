/**
 * What hosts say to each other, carried by this process: each is known to the others by an address of its own at which
 * this process listens on its ports, so that it can be late, and be cut each way. Of the control channel nobody sees which
 * POP connects: a cut is one between its core and all POPs.
 */
import { systemClock } from '../../../src/clock.ts';
import { TcpLink } from '../../wan/tcp-link.ts';
import { UdpNetwork } from '../../wan/udp-network.ts';
import type { ChaosHost } from './chaos-network.ts';

export class HostRelays implements AsyncDisposable {
  readonly #delayMs: number;
  readonly #links = new Map<string, TcpLink>();
  #udp: Promise<UdpNetwork<string>> | null = null;

  /** @param delayMs each way */
  constructor(delayMs: number) {
    this.#delayMs = delayMs;
  }

  /** @throws when a port of its announced address is in use */
  async join(host: ChaosHost): Promise<void> {
    const { name, ip, announced, backbonePorts: ports, controlPort: port } = host;
    const path = { delayMs: this.#delayMs };
    this.#udp ??= UdpNetwork.open<string>({ hosts: {}, path: () => path, clock: systemClock });
    await (await this.#udp).join(name, { ip, announced, ports });
    const listen = { host: announced, port };
    this.#links.set(name, await TcpLink.open({ listen, server: { host: ip, port }, path, clock: systemClock }));
  }

  async cut(from: ChaosHost, to: ChaosHost, isCut: boolean): Promise<void> {
    if (this.#udp === null) throw new Error('nobody is connected by relays');
    (await this.#udp).path(from.name, to.name).cut(isCut);
    this.#links.get(to.name)?.cut('up', isCut);
    this.#links.get(from.name)?.cut('down', isCut);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const link of this.#links.values()) await link[Symbol.asyncDispose]();
    await (await this.#udp)?.[Symbol.asyncDispose]();
  }
}
