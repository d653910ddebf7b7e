/**
 * Hosts in network namespaces of the kernel, which carries what they say, and cuts it. With a delay, what cores and POPs
 * say to each other goes through this process instead, which is their router.
 */
import { type NamespaceHost, NamespaceNetwork } from '../../wan/namespaces.ts';
import { BACKBONE_PORTS, type ChaosHost, type ChaosNetwork } from './chaos-network.ts';
import { HostRelays } from './host-relays.ts';

const FIRST_PORT = 45_000;

export class NamespacedHosts implements ChaosNetwork {
  readonly kind = 'namespaces';
  readonly note: string | null;
  readonly #network: NamespaceNetwork;
  readonly #hosts = new Map<ChaosHost, NamespaceHost>();
  readonly #relays: HostRelays | null;

  private constructor(network: NamespaceNetwork, delayMs: number) {
    this.#network = network;
    this.#relays = delayMs === 0 ? null : new HostRelays(delayMs);
    this.note = delayMs === 0 ? null : `Cores and POPs were ${delayMs} ms from each other, each way.`;
  }

  /** @param delayMs between cores and POPs, each way */
  static async open(delayMs: number): Promise<NamespacedHosts> {
    return new NamespacedHosts(await NamespaceNetwork.open(), delayMs);
  }

  async host(name: string): Promise<ChaosHost> {
    const host = await this.#network.host(name);
    const made: ChaosHost = {
      ...{ name, ip: host.ip, announced: host.ip, command: host.command },
      ...{ httpPort: 8_080, mediaPort: 44_400, controlPort: 7_443 },
      backbonePorts: { min: FIRST_PORT, max: FIRST_PORT + BACKBONE_PORTS - 1 },
      ...(this.#relays !== null && { announced: await this.#network.face(host) }),
    };
    this.#hosts.set(made, host);
    await this.#relays?.join(made);
    return made;
  }

  cut(from: ChaosHost, to: ChaosHost, isCut: boolean): Promise<void> {
    if (this.#relays !== null) return this.#relays.cut(from, to, isCut);
    return this.#network.cut(this.#hosts.get(from)!, this.#hosts.get(to)!, isCut);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#relays?.[Symbol.asyncDispose]();
    await this.#network[Symbol.asyncDispose]();
  }
}
