/**
 * Whose request it is: the socket's address, or what X-Forwarded-For says when, and only as far as, trusted proxies
 * wrote it. Also the key under which addresses are counted.
 */
import type { IncomingMessage } from 'node:http';
import { BlockList, isIP } from 'node:net';
import { AntipodeError } from '../errors.ts';
import { addressKind, plainAddress } from '../placement/index.ts';

export interface ClientAddress {
  /** IP address without zone or IPv4 mapping. */
  readonly address: string;
  /** What requests are counted by: an IPv4 address, or an IPv6 /64, which is what one customer gets. */
  readonly key: string;
  /** The request came over TLS, as far as a trusted proxy says. */
  readonly secure: boolean;
  /** It comes from this machine and nothing says that somebody else stands behind it. */
  readonly local: boolean;
}

const FORWARDING_HEADERS = ['forwarded', 'x-forwarded-for', 'x-forwarded-host', 'x-real-ip', 'via'];
/** Hops of X-Forwarded-For that are read, from the right. */
const MAX_HOPS = 16;

export class ClientAddresses {
  readonly #trusted = new BlockList();

  /** @throws ERR_CONFIG_INVALID for a proxy that is neither an address nor an address with a prefix length */
  constructor(trustedProxies: readonly string[]) {
    for (const [index, proxy] of trustedProxies.entries()) this.#trust(proxy, `http.trustedProxies.${index}`);
  }

  of(request: IncomingMessage): ClientAddress {
    const peer = plainAddress(request.socket.remoteAddress ?? '');
    const trusted = this.#isTrusted(peer);
    const address = trusted ? this.#behind(peer, header(request, 'x-forwarded-for')) : peer;
    const forwarded = FORWARDING_HEADERS.some((name) => request.headers[name] !== undefined);
    return {
      address,
      key: addressKey(address),
      secure: trusted && header(request, 'x-forwarded-proto')?.trim().toLowerCase() === 'https',
      local: addressKind(address) === 'loopback' && (!forwarded || trusted),
    };
  }

  #behind(peer: string, forwardedFor: string | undefined): string {
    let address = peer;
    const hops = (forwardedFor ?? '').split(',').slice(-MAX_HOPS);
    while (hops.length > 0 && this.#isTrusted(address)) {
      const hop = plainAddress((hops.pop() ?? '').trim());
      if (isIP(hop) === 0) break;
      address = hop;
    }
    return address;
  }

  #isTrusted(address: string): boolean {
    const version = isIP(address);
    return version !== 0 && this.#trusted.check(address, version === 6 ? 'ipv6' : 'ipv4');
  }

  #trust(proxy: string, path: string): void {
    const [network = '', prefix] = proxy.split('/');
    const version = isIP(network);
    const bits = prefix === undefined ? null : Number(prefix);
    const longest = version === 4 ? 32 : 128;
    if (version === 0 || (bits !== null && !(Number.isInteger(bits) && bits >= 0 && bits <= longest))) {
      throw new AntipodeError('ERR_CONFIG_INVALID', `${path}: "${proxy}" is no IP address and no network.`, { path });
    }
    const family = version === 6 ? 'ipv6' : 'ipv4';
    if (bits === null) this.#trusted.addAddress(network, family);
    else this.#trusted.addSubnet(network, bits, family);
  }
}

/** What an address is counted by: itself for IPv4, its /64 for IPv6. */
export function addressKey(address: string): string {
  if (isIP(address) !== 6) return address;
  const [head = '', tail] = address.toLowerCase().split('::');
  const left = head === '' ? [] : head.split(':');
  const right = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros = tail === undefined ? 0 : Math.max(0, 8 - left.length - right.length);
  const groups = [...left, ...Array<string>(zeros).fill('0'), ...right].map((group) => group.replace(/^0+(?=.)/, ''));
  return `${groups.slice(0, 4).join(':')}::/64`;
}

function header(request: IncomingMessage, name: string): string | undefined {
  const value = request.headers[name];
  return Array.isArray(value) ? value.join(',') : value;
}
