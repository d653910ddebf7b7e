/** Two hosts with a long way between them, for UDP: the smallest network. Owns the network of the two. */
import type { Clock } from '../clock.ts';
import type { WanPath, WanPathOptions } from './path.ts';
import { type UdpHost, UdpNetwork } from './udp-network.ts';

export type { UdpHost } from './udp-network.ts';

export interface UdpLinkOptions {
  a: UdpHost;
  b: UdpHost;
  /** Each way. */
  path: WanPathOptions;
  clock: Clock;
}

export class UdpLink implements AsyncDisposable {
  readonly #network: UdpNetwork<'a' | 'b'>;

  private constructor(network: UdpNetwork<'a' | 'b'>) {
    this.#network = network;
  }

  static async open({ a, b, path, clock }: UdpLinkOptions): Promise<UdpLink> {
    return new UdpLink(await UdpNetwork.open({ hosts: { a, b }, path: () => path, clock }));
  }

  get toA(): WanPath {
    return this.#network.path('b', 'a');
  }

  get toB(): WanPath {
    return this.#network.path('a', 'b');
  }

  /** Cut the way, or mend it. */
  cut(isCut: boolean): void {
    this.toA.cut(isCut);
    this.toB.cut(isCut);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#network[Symbol.asyncDispose]();
  }
}
