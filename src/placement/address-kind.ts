/** What an IP address is by itself, without a database: public, or one of the ranges that lie nowhere on a map. */
import { BlockList, isIP } from 'node:net';

export type AddressKind = 'public' | 'loopback' | 'private' | 'reserved' | 'malformed';

/** RFC 6890 and the registries it opened (IANA special-purpose addresses), as far as a socket can come from them. */
const RANGES: readonly [kind: AddressKind, network: string, prefix: number][] = [
  ['loopback', '127.0.0.0', 8],
  ['loopback', '::1', 128],
  ['private', '10.0.0.0', 8],
  ['private', '172.16.0.0', 12],
  ['private', '192.168.0.0', 16],
  ['private', '169.254.0.0', 16],
  ['private', '100.64.0.0', 10],
  ['private', 'fc00::', 7],
  ['private', 'fe80::', 10],
  ['reserved', '0.0.0.0', 8],
  ['reserved', '192.0.0.0', 24],
  ['reserved', '192.0.2.0', 24],
  ['reserved', '198.18.0.0', 15],
  ['reserved', '198.51.100.0', 24],
  ['reserved', '203.0.113.0', 24],
  ['reserved', '224.0.0.0', 3],
  ['reserved', '::', 128],
  ['reserved', '2001:db8::', 32],
  ['reserved', 'ff00::', 8],
];

const LISTS: readonly [AddressKind, BlockList][] = (['loopback', 'private', 'reserved'] as const).map((kind) => {
  const list = new BlockList();
  for (const [of, network, prefix] of RANGES) {
    if (of === kind) list.addSubnet(network, prefix, network.includes(':') ? 'ipv6' : 'ipv4');
  }
  return [kind, list];
});

export function addressKind(address: string): AddressKind {
  const plain = plainAddress(address);
  const version = isIP(plain);
  if (version === 0) return 'malformed';
  const family = version === 6 ? 'ipv6' : 'ipv4';
  for (const [kind, list] of LISTS) if (list.check(plain, family)) return kind;
  return 'public';
}

/** An address without an IPv6 zone, and an IPv4 one that came mapped into IPv6 (`::ffff:192.0.2.1`) as IPv4. */
export function plainAddress(address: string): string {
  const bare = address.split('%', 1)[0] ?? address;
  return /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(bare)?.[1] ?? bare;
}
