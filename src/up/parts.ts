/**
 * What a topology is made of on this machine: each part with its addresses, its ports and the configuration of its
 * process. Everything follows from the file, so that parts which are started apart agree. Starts nothing.
 */
import type { Topology } from './topology.ts';

export interface NodePart {
  readonly id: string;
  readonly role: 'edge' | 'core' | 'placement';
  readonly region: string;
  /** Of its HTTP port. */
  readonly port: number;
  /** Where its own sockets of the backbone are. */
  readonly ip: string;
  /** Where the others reach it: the near end of the ways to it. */
  readonly announced: string;
}

export interface Parts {
  readonly nodes: readonly NodePart[];
  readonly redisPort: number;
  readonly standInPort: number | null;
}

/** At each node's own address. */
export const BACKBONE_PORTS = { min: 21_300, max: 21_307 } as const;
export const CONTROL_PORT = 7_443;

export function partsOf({ network, redis, placement, standIn, pops, cores }: Topology): Parts {
  const described = [
    ...Object.entries(pops).map(([id, { region, port }]) => ({ id, role: 'edge' as const, region, port })),
    ...Object.entries(cores).map(([id, { region, port }]) => ({ id, role: 'core' as const, region, port })),
    ...(placement.port === undefined
      ? []
      : [
          {
            ...{ id: 'placement', role: 'placement' as const, port: placement.port },
            region: placement.region ?? redis.region,
          },
        ]),
  ];
  const nodes = described.map((node, index) => ({
    ...node,
    ip: `127.${network}.1.${index + 1}`,
    announced: `127.${network}.2.${index + 1}`,
  }));
  return { nodes, redisPort: redis.port, standInPort: standIn?.port ?? null };
}

export interface NodeSettingsOptions {
  topology: Topology;
  node: NodePart;
  stateDir: string;
  agentsDir: string;
  policyFile: string | null;
  apiKey: string;
  /** Address that doors for callers listen on. */
  listen: string;
}

/** The node's antipode.yaml. */
export function nodeSettings(options: NodeSettingsOptions): Record<string, unknown> {
  const { topology, node, stateDir, agentsDir, policyFile, apiKey, listen } = options;
  const { standIn, redis, pops, cores } = topology;
  const own = {
    node: { id: node.id, region: node.region },
    stateDir,
    log: { level: 'info', pretty: false },
    registry: { kind: 'redis', url: `redis://${node.announced}:${redis.port}` },
    auth: { apiKeys: [apiKey], openAgents: ['*'] },
    http: { port: node.port },
    backbone: { listenIp: node.ip, announcedAddress: node.announced, ports: { ...BACKBONE_PORTS }, dialFrom: node.ip },
    ...(policyFile !== null && { placement: { policyFile } }),
    ...(standIn !== undefined && {
      services: {
        stt: ['openai-transcriptions'],
        llm: ['openai'],
        tts: ['flite'],
        openai: { apiKey: STAND_IN_KEY, baseUrl: `http://${node.announced}:${standIn.port}/v1` },
      },
    }),
    ...(node.role === 'edge' && {
      http: { host: listen, port: node.port, publicUrl: `http://localhost:${node.port}` },
      edge: { mediaPort: pops[node.id]!.mediaPort, listenIp: listenIpOf(listen), announcedAddress: '127.0.0.1' },
    }),
    ...(node.role === 'core' && {
      core: {
        ...{ controlHost: node.ip, controlPort: CONTROL_PORT, agentsDir },
        ...(cores[node.id]!.capacity !== undefined && { capacity: cores[node.id]!.capacity }),
      },
    }),
  };
  return merged(own, topology.config);
}

/** No secret: the stand-in takes every key. */
const STAND_IN_KEY = 'of-the-stand-in';

function listenIpOf(listen: string): string {
  return listen === 'localhost' ? '127.0.0.1' : listen;
}

/** Mappings are merged, all else is the second's. */
function merged(first: Record<string, unknown>, second: Record<string, unknown>): Record<string, unknown> {
  const result = { ...first };
  for (const [key, value] of Object.entries(second)) {
    const before = result[key];
    result[key] = isMapping(before) && isMapping(value) ? merged(before, value) : value;
  }
  return result;
}

function isMapping(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
