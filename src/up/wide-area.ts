/**
 * The ways between the nodes of a topology, as long as placement's data has them or as the file says: media and control
 * channels between POPs and cores, and each node's ways to the registry and to the AI services. Owns every relay.
 */
import type { Clock } from '../clock.ts';
import { PathBook, Regions } from '../placement/index.ts';
import type { WanPathOptions } from '../wan/path.ts';
import { TcpLink } from '../wan/tcp-link.ts';
import { UdpNetwork } from '../wan/udp-network.ts';
import { BACKBONE_PORTS, CONTROL_PORT, type NodePart, type Parts } from './parts.ts';
import type { Topology } from './topology.ts';

const LOOPBACK = '127.0.0.1';

/** One way between two regions. */
export type Way = (from: string, to: string) => WanPathOptions;

/** @throws never; a region that nobody knows is far away, as placement holds it */
export function waysOf({ paths }: Pick<Topology, 'paths'>): Way {
  const book = new PathBook({ regions: Regions.load({}) });
  const declared = new Map(
    paths.flatMap((path) => [
      [`${path.from} ${path.to}`, path],
      [`${path.to} ${path.from}`, path],
    ]),
  );
  return (from, to) => {
    const own = declared.get(`${from} ${to}`);
    if (own === undefined) return { delayMs: book.between(from, to, 0).p50 / 2 };
    const { rttMs, jitterMs = 0, loss = 0 } = own;
    return { delayMs: rttMs / 2, jitterMs, loss };
  };
}

export class WideArea implements AsyncDisposable {
  readonly #owned: AsyncDisposableStack;

  private constructor(owned: AsyncDisposableStack) {
    this.#owned = owned;
  }

  /** @throws when an address of the topology's network is in use */
  static async open(topology: Topology, { nodes }: Parts, clock: Clock): Promise<WideArea> {
    await using stack = new AsyncDisposableStack();
    const way = waysOf(topology);
    const media = nodes.filter(({ role }) => role !== 'placement');
    const byId = new Map(media.map((node) => [node.id, node]));
    const hosts = Object.fromEntries(
      media.map(({ id, ip, announced }) => [id, { ip, announced, ports: { ...BACKBONE_PORTS } }]),
    );
    stack.use(
      await UdpNetwork.open({ hosts, path: (from, to) => way(byId.get(from)!.region, byId.get(to)!.region), clock }),
    );
    for (const core of media.filter(({ role }) => role === 'core')) {
      stack.use(
        await TcpLink.open({
          listen: { host: core.announced, port: CONTROL_PORT },
          server: { host: core.ip, port: CONTROL_PORT },
          // POPs dial from their own addresses: that is how the relay knows how far each is.
          path: (client) => way(media.find(({ ip }) => ip === client)?.region ?? core.region, core.region),
          clock,
        }),
      );
    }
    for (const node of nodes) await openServices(stack, topology, node, way, clock);
    return new WideArea(stack.move());
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#owned.disposeAsync();
  }
}

async function openServices(
  stack: AsyncDisposableStack,
  { redis, standIn }: Topology,
  { announced, region }: NodePart,
  way: Way,
  clock: Clock,
): Promise<void> {
  for (const service of [redis, standIn]) {
    if (service === undefined) continue;
    const { port } = service;
    const listen = { host: announced, port };
    stack.use(
      await TcpLink.open({ listen, server: { host: LOOPBACK, port }, path: way(region, service.region), clock }),
    );
  }
}
