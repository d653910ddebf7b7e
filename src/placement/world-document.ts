/**
 * The world as a document: what `GET /v1/world` answers and what `--world` reads, in one format, YAML or JSON. Owns the
 * format, its refusals and the steps to and from what a plan is compiled from; gathers no facts.
 */
import { parseDocument } from 'yaml';
import { z } from 'zod';
import { AntipodeError } from '../errors.ts';
import { type NodeStores, nodeStoresSchema, storesOf } from '../registry/index.ts';
import type { PlacedAgent } from './agent-legs.ts';
import { type AiEndpoint, ASSUMED_MS, placeOf } from './endpoint.ts';
import {
  endpointMeasurementSchema,
  legMeasurementSchema,
  measurementDocument,
  withMeasurement,
} from './measured-document.ts';
import { PathBook } from './paths.ts';
import { parsePin } from './pin.ts';
import type { PlanLeg, PlanNode, PlanWorld } from './plan-types.ts';
import { type Policy, policySchema } from './policy.ts';
import { declaredRegionSchema, nearestWord, Regions } from './regions.ts';

const word = z.string().min(1).max(120);
const kind = z.enum(['stt', 'llm', 'tts', 's2s', 'tool']);
const ms = z.number().min(0).max(600_000);
const count = z.number().int().min(0).max(10_000_000);

const nodeSchema = z.strictObject({
  nodeId: word,
  role: z.enum(['pop', 'core']),
  region: word,
  /** Sessions that it holds or was promised. */
  sessions: count.default(0),
  capacity: count,
  /** Cores: of that, kept for sessions of higher priority. */
  reserved: count.optional(),
  /** Takes no new sessions: it drains, or tells nobody how to reach it. */
  draining: z.boolean().default(false),
  /** POPs: as they announce it; `antipode placement probe` measures them by it. */
  signalingUrl: z.string().min(1).max(500).optional(),
  /** Cores: names of their agents. */
  agents: z.array(word).max(10_000).default([]),
  /** Where it keeps what it writes down of sessions; its own region where nothing is said. */
  stores: z.strictObject(nodeStoresSchema.shape).optional(),
});

const agentSchema = z.strictObject({
  legs: z
    .array(
      z.strictObject({
        kind,
        /** Any of these; the fastest allowed one is taken. */
        services: z.array(word).min(1).max(50),
        /** Round trips per turn. */
        k: z.number().min(0).max(100),
        /** Where measured turns say so. */
        measured: legMeasurementSchema.optional(),
      }),
    )
    .max(20)
    .default([]),
  /** The agent's own pin. */
  residency: word.optional(),
});

const endpointSchema = z
  .strictObject({
    kind,
    service: word,
    /** As the catalogue says it: `eu`, `global`, a region, or `local` for a program on the core itself. */
    region: word,
    /** The region that paths are counted from, where the name does not say it. */
    place: word.optional(),
    residency: z.enum(['pinned', 'best-effort', 'none']).default('none'),
    /** Service time of one round trip without the path. */
    p50Ms: ms.optional(),
    p95Ms: ms.optional(),
    source: z.enum(['measured', 'operator', 'catalogue', 'assumed']).optional(),
    /** The model that it is asked for. */
    model: word.optional(),
    /** What cores measured of it; it is in the times above. */
    measured: endpointMeasurementSchema.optional(),
    centsPerMinute: z.number().min(0).max(100_000).nullable().default(null),
    /** `service@region`; made of those when absent. */
    id: word.optional(),
  })
  .refine(({ p50Ms, p95Ms }) => (p50Ms === undefined ? p95Ms === undefined : p95Ms === undefined || p95Ms >= p50Ms), {
    path: ['p95Ms'],
    message: 'must not be below p50Ms, nor be alone',
  });

const pathSchema = z
  .strictObject({
    from: word,
    to: word,
    p50Ms: ms,
    p95Ms: ms,
    /** Mean difference between two round trips; null where nobody measured it. */
    jitterMs: ms.nullable().optional(),
    /** Share of the packets that are lost there and back; likewise. */
    loss: z.number().min(0).max(1).nullable().optional(),
    /** How long ago it was measured. */
    ageMs: z.number().min(0).default(0),
  })
  .refine(({ p50Ms, p95Ms }) => p95Ms >= p50Ms, { path: ['p95Ms'], message: 'must not be below p50Ms' });

export const worldDocumentSchema = z.strictObject({
  version: z.literal(1),
  /** When these were the facts; for people. */
  at: z.iso.datetime().optional(),
  /** Places that are not in the shipped data. */
  regions: z.record(word, declaredRegionSchema).default({}),
  nodes: z.array(nodeSchema).max(100_000),
  agents: z.record(word, agentSchema).default({}),
  endpoints: z.array(endpointSchema).max(10_000).default([]),
  /** Measured round trips between regions. */
  paths: z.array(pathSchema).max(100_000).default([]),
  /** The policy in force where this was told. */
  policy: policySchema.optional(),
  /** How the server that tells this stands; nothing is decided by it. */
  state: z.unknown().optional(),
});
export type WorldDocument = z.infer<typeof worldDocumentSchema>;

/** A world that plans can be compiled from, and the agents in it. */
export interface ReadWorld {
  readonly world: PlanWorld;
  readonly agents: ReadonlyMap<string, PlacedAgent>;
  /** Names of regions in it that neither the data nor anybody's declaration knows. */
  readonly unknownRegions: readonly string[];
}

/** @throws ERR_CONFIG_INVALID with every wrong place, one line each */
export function readWorldDocument(text: string, name = 'world'): WorldDocument {
  const document = parseDocument(text, { uniqueKeys: true });
  const broken = document.errors[0]?.message.split('\n', 1)[0];
  if (broken !== undefined) throw invalid(name, [broken]);
  const result = worldDocumentSchema.safeParse(document.toJS({ maxAliasCount: 100 }));
  if (result.success) return result.data;
  const lines = result.error.issues.map(({ path, message }) => `${path.join('.') || '(file)'}: ${message}`);
  throw invalid(name, lines);
}

/**
 * The world of a document under a policy, whose regions and paths count beside the document's.
 * @throws ERR_CONFIG_INVALID for a core with an agent that the document does not describe
 */
export function worldOf(document: WorldDocument, policy: Policy, nowMs = 0): ReadWorld {
  const regions = Regions.load({ ...document.regions, ...policy.regions });
  const paths = new PathBook({ regions, measurementTtlMs: policy.latency.measurementTtlSeconds * 1_000 });
  declarePaths(paths, policy);
  for (const { from, to, p50Ms, p95Ms, jitterMs = null, loss = null, ageMs } of document.paths) {
    paths.measure({ from, to, p50: p50Ms, p95: p95Ms, jitterMs, loss, atMs: nowMs - ageMs });
  }
  const agents = new Map(
    Object.entries(document.agents).map(([name, { legs, residency }]): [string, PlacedAgent] => [
      name,
      { name, legs, local: [], pin: residency === undefined ? null : parsePin(residency, 'agent') },
    ]),
  );
  for (const { nodeId, agents: names } of document.nodes) {
    const stranger = names.find((each) => !agents.has(each));
    if (stranger === undefined) continue;
    const near = nearestWord(stranger, [...agents.keys()]);
    const hint = near === null ? '' : `; did you mean "${near}"?`;
    throw invalid('world', [`nodes: ${nodeId} has the agent "${stranger}", which "agents" does not describe${hint}`]);
  }
  const endpoints = document.endpoints.map((each) => endpointOf(each, policy));
  const unknownRegions = unknownRegionsOf(document.nodes, endpoints, regions);
  return { world: { regions, paths, nodes: document.nodes, endpoints }, agents, unknownRegions };
}

/** An operator's own figures, as paths. */
export function declarePaths(paths: PathBook, policy: Policy): void {
  for (const { from, to, p50Ms, p95Ms } of policy.paths) paths.declare(from, to, p50Ms, p95Ms);
}

export interface DocumentParts {
  at: Date;
  policy: Policy;
  nodes: readonly PlanNode[];
  agents: ReadonlyMap<string, PlacedAgent>;
  endpoints: readonly AiEndpoint[];
  paths: PathBook;
  nowMs: number;
  state: unknown;
}

/** What `readWorldDocument` would read. */
export function documentOf(parts: DocumentParts): WorldDocument {
  const agents = [...parts.agents.values()].map(
    ({ name, legs, pin }): [string, { legs: PlanLeg[]; residency?: string }] => [
      name,
      { legs: [...legs], ...(pin !== null && { residency: pin.places.join(',') }) },
    ],
  );
  return {
    version: 1,
    at: parts.at.toISOString(),
    regions: { ...parts.policy.regions },
    nodes: parts.nodes.map((node) => ({ ...node, agents: [...node.agents] })),
    agents: Object.fromEntries(agents) as WorldDocument['agents'],
    endpoints: parts.endpoints.map(({ p50, p95, measured, ...rest }) => ({
      ...rest,
      ...{ p50Ms: p50, p95Ms: p95 },
      ...(measured !== undefined && { measured: measurementDocument(measured) }),
    })),
    paths: parts.paths.measurements(parts.nowMs).map(({ from, to, p50, p95, jitterMs, loss, atMs }) => ({
      from,
      to,
      p50Ms: p50,
      p95Ms: p95,
      ...(typeof jitterMs === 'number' && { jitterMs }),
      ...(typeof loss === 'number' && { loss }),
      ageMs: Math.max(0, parts.nowMs - atMs),
    })),
    policy: parts.policy,
    state: parts.state,
  };
}

/** Regions that nothing is known of: paths to them count as far as the other side of the world. */
export function unknownRegionsOf(
  nodes: readonly { readonly region: string; readonly stores?: NodeStores | undefined }[],
  endpoints: readonly AiEndpoint[],
  regions: Regions,
): string[] {
  const stores = nodes.flatMap(storesOf).flatMap(({ region }) => region ?? []);
  const named = [...nodes.map(({ region }) => region), ...stores, ...endpoints.map(({ place }) => place)];
  return [...new Set(named)].filter((name) => name !== 'local' && regions.get(name) === null).sort();
}

function endpointOf(told: WorldDocument['endpoints'][number], policy: Policy): AiEndpoint {
  const { kind: of, service, region, residency, centsPerMinute } = told;
  const id = told.id ?? `${service}@${region}`;
  const assumed = ASSUMED_MS[of];
  const p50 = told.p50Ms ?? assumed.p50;
  const endpoint: AiEndpoint = {
    ...{ id, kind: of, service, region, residency, centsPerMinute },
    place: policy.endpoints.places[id] ?? told.place ?? placeOf(id, region, {}),
    p50,
    p95: told.p95Ms ?? p50 * (assumed.p95 / assumed.p50),
    source: told.source ?? (told.p50Ms === undefined ? 'assumed' : 'operator'),
    ...(told.model !== undefined && { model: told.model }),
  };
  return withMeasurement(endpoint, told.measured, policy.latency.serviceMeasurementTtlSeconds * 1_000);
}

function invalid(name: string, lines: readonly string[]): AntipodeError {
  return new AntipodeError('ERR_CONFIG_INVALID', `${name} is refused:\n  ${lines.join('\n  ')}`);
}
