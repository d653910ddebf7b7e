/** The settings of what lies between POPs and cores: addresses, ports, certificates. A part of schema.ts. */
import { isIP } from 'node:net';
import { z } from 'zod';

const ip = z.union([z.ipv4(), z.ipv6()]);
const port = z.number().int().min(1).max(65_535);

const address = z.strictObject({
  /** Of the way: nodes meet by addresses of the same name. */
  name: z
    .string()
    .min(1)
    .max(32)
    .regex(/^[a-z0-9][a-z0-9._-]*$/i, 'letters, digits, dot, dash and underscore only'),
  /** By which other nodes reach this one. */
  host: ip,
  /** Where media pipes of this way listen; null: backbone.listenIp. */
  listenIp: ip.nullable().default(null),
  /** A core's control port as others see it; null: core.controlPort. */
  controlPort: port.nullable().default(null),
});

export const backboneChoice = z
  .strictObject({
    listenIp: ip.default('127.0.0.1'),
    announcedAddress: z.string().min(1).nullable().default(null),
    /** More than one way to this node, the preferred one first, in place of announcedAddress. */
    addresses: z.array(address).max(8).default([]),
    /** UDP ports of our ends of media pipes, one a worker, peer and way, for firewalls; null picks free ones. */
    ports: z
      .strictObject({ min: port, max: port })
      .refine(({ min, max }) => min <= max, { path: ['max'], message: 'must not be below min' })
      .nullable()
      .default(null),
    /** Of the addresses of this machine the one that a POP dials cores from; null leaves it to the system. */
    dialFrom: ip.nullable().default(null),
    requestTimeoutMs: z.number().int().min(100).max(60_000).default(5_000),
    /** A peer that is silent for longer may be gone, and calls look for another core; longer where the path is slow. */
    suspectAfterMs: z.number().int().min(500).max(2_000).default(900),
    /** PEM files of this node's certificate, its key and the CA of all nodes; null: the development CA in stateDir. */
    tls: z
      .strictObject({ caFile: z.string().min(1), certFile: z.string().min(1), keyFile: z.string().min(1) })
      .nullable()
      .default(null),
  })
  .superRefine(({ listenIp, announcedAddress, addresses }, context) => {
    const refuse = (path: (string | number)[], message: string) => context.addIssue({ code: 'custom', path, message });
    if (announcedAddress !== null && addresses.length > 0) {
      refuse(['announcedAddress'], 'must not be set beside addresses: the first of those is the preferred one');
    }
    if (announcedAddress !== null && !canListenFor(listenIp, announcedAddress)) {
      refuse(['announcedAddress'], otherFamily(announcedAddress, listenIp));
    }
    for (const [index, { name, host, listenIp: own }] of addresses.entries()) {
      if (addresses.findIndex((other) => other.name === name) !== index) {
        refuse(['addresses', index, 'name'], `there are two addresses called ${name}`);
      }
      const listens = own ?? listenIp;
      if (!canListenFor(listens, host)) refuse(['addresses', index, 'host'], otherFamily(host, listens));
    }
  });

/** One way to a node. */
export interface BackboneWay {
  readonly name: string;
  /** Where its media pipes listen. */
  readonly listenIp: string;
  /** What others are told, when it is not listenIp. */
  readonly announcedAddress: string | null;
}

/** The name of the only way of a node that names none. */
const ONLY_WAY = 'default';

/** The ways to this node, the preferred one first; there is one at least. */
export function backboneWays(
  backbone: Pick<z.infer<typeof backboneChoice>, 'listenIp' | 'announcedAddress' | 'addresses'>,
): BackboneWay[] {
  const { listenIp, announcedAddress, addresses } = backbone;
  if (addresses.length === 0) return [{ name: ONLY_WAY, listenIp, announcedAddress }];
  return addresses.map(({ name, host, listenIp: own }) => ({
    name,
    listenIp: own ?? listenIp,
    announcedAddress: host,
  }));
}

/** A host name may be of either family; `::` listens for both. */
function canListenFor(listenIp: string, announced: string): boolean {
  const family = isIP(announced);
  return family === 0 || listenIp === '::' || isIP(listenIp) === family;
}

function otherFamily(announced: string, listenIp: string): string {
  const family = isIP(announced) === 6 ? 'IPv6' : 'IPv4';
  return `${announced} is ${family}, and media pipes listen on ${listenIp} only: :: listens on both`;
}
