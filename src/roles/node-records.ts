/** What a POP and a core announce of themselves. Owns the records' making from their parts, not the announcing. */
import { announcedStores, type Config } from '../config/index.ts';
import type { Core } from '../core/index.ts';
import { AntipodeError } from '../errors.ts';
import type { MeasuredPaths, NodeRecord, Registry } from '../registry/index.ts';
import { VERSION } from '../version.ts';
import { isEveryAddress } from './node-parts.ts';

export interface AnnouncedNode {
  nodeId: string;
  config: Config;
  registry: Pick<Registry, 'zone'>;
  startedAt: string;
  /** Asked at each announcement. */
  draining(): boolean;
}

/** @param control where POPs reach its control channel */
export function coreRecord(
  node: AnnouncedNode,
  core: Pick<Core, 'agents' | 'capacity' | 'load' | 'measured'>,
  control: NonNullable<NodeRecord['control']>,
): () => NodeRecord {
  const common = commonOf(node);
  return () => ({
    ...common,
    role: 'core',
    control,
    signalingUrl: null,
    agents: core.agents,
    capacity: core.capacity,
    load: core.load,
    draining: node.draining(),
    measured: core.measured,
  });
}

/** @param pop sessions that it has now, and what its record tells of its ways to cores */
export function popRecord(
  node: AnnouncedNode,
  signalingUrl: string,
  pop: { sessions(): number; paths?(): MeasuredPaths | undefined },
): () => NodeRecord {
  const common = commonOf(node);
  return () => ({
    ...common,
    role: 'pop',
    control: null,
    signalingUrl,
    agents: [],
    load: { sessions: pop.sessions() },
    draining: node.draining(),
    paths: pop.paths?.(),
  });
}

/**
 * By which host other nodes reach a core's control channel.
 * @throws ERR_CONFIG_INVALID when it listens on every address and none is announced
 */
export function controlHost({ core, backbone }: Config): string {
  const host = backbone.addresses[0]?.host ?? backbone.announcedAddress ?? core.controlHost;
  if (!isEveryAddress(host)) return host;
  throw new AntipodeError(
    'ERR_CONFIG_INVALID',
    `core.controlHost: ${host} is every address of this machine; say by backbone.announcedAddress which one others use.`,
    { path: 'backbone.announcedAddress' },
  );
}

/** By which addresses, where it has several. @param port of its control channel */
export function controlAddresses(
  { backbone }: Config,
  port: number,
): Pick<NonNullable<NodeRecord['control']>, 'addresses'> {
  if (backbone.addresses.length === 0) return {};
  return {
    addresses: backbone.addresses.map(({ name, host, controlPort }) => ({ name, host, port: controlPort ?? port })),
  };
}

function commonOf({ nodeId, config, registry, startedAt }: AnnouncedNode) {
  return {
    nodeId,
    region: config.node.region,
    zone: registry.zone,
    capacity: { sessions: config.limits.maxSessions },
    startedAt,
    version: VERSION,
    stores: announcedStores(config),
  };
}
