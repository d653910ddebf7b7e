/**
 * A zone as an operator sees it: its nodes, those that were lost, the paths between them and what is not well. Owns the
 * document, which `GET /v1/nodes` answers and `antipode status` prints; what is wrong with it is troubles.ts.
 */
import { z } from 'zod';
import { NODE_LEASE_MS, type NodeRecord, type Registry } from '../registry/index.ts';
import { measuredPathsOf } from './measured-paths.ts';
import { troubleSchema, troublesOf } from './troubles.ts';

export const nodeViewSchema = z.object({
  nodeId: z.string(),
  role: z.enum(['pop', 'core']),
  region: z.string(),
  zone: z.string().nullable(),
  /** Of the program; null for a node that does not tell. */
  version: z.string().nullable(),
  sessions: z.number().int(),
  /** Sessions that it takes now. */
  limit: z.number().int(),
  /** Of these, kept for sessions of high priority. */
  reserved: z.number().int(),
  /** Cores: how late the 20 ms ticker was in the last second, p99; null when nothing ticked. */
  latenessMs: z.number().nullable(),
  /** Cores: how busy, 0 to 1. */
  utilization: z.number().nullable(),
  draining: z.boolean(),
  agents: z.array(z.string()),
  startedAt: z.string(),
  /** Since it last announced itself. */
  ageMs: z.number(),
  /** POPs: where callers reach it. */
  signalingUrl: z.string().nullable(),
});
export type NodeView = z.infer<typeof nodeViewSchema>;

export const lostNodeSchema = nodeViewSchema
  .pick({ nodeId: true, role: true, region: true, sessions: true, draining: true })
  .extend({
    /** Since its lease ran out. */
    lostMs: z.number(),
  });
export type LostNode = z.infer<typeof lostNodeSchema>;

/** As the POP measured it. */
export const pathViewSchema = z.object({
  pop: z.string(),
  core: z.string(),
  rttP50Ms: z.number(),
  rttP95Ms: z.number(),
  jitterMs: z.number().nullable(),
  /** Share of the packets, 0 to 1. */
  loss: z.number().nullable(),
  ageMs: z.number(),
});
export type PathView = z.infer<typeof pathViewSchema>;

export const clusterViewSchema = z.object({
  version: z.literal(1),
  at: z.iso.datetime(),
  /** The node that was asked; null when the registry itself was read. */
  by: z.string().nullable(),
  zone: z.string(),
  registry: z.object({
    connected: z.boolean(),
    /** Age of what is told here, ms; 0 while connected. */
    staleMs: z.number(),
  }),
  nodes: z.array(nodeViewSchema),
  /** Gone without a word in the last ten minutes. */
  lost: z.array(lostNodeSchema),
  paths: z.array(pathViewSchema),
  troubles: z.array(troubleSchema),
});
export type ClusterView = z.infer<typeof clusterViewSchema>;

export interface ClusterViewOptions {
  registry: Pick<Registry, 'presences' | 'nodes' | 'state' | 'zone'>;
  at: Date;
  by: string | null;
}

/** @throws ERR_REGISTRY_UNAVAILABLE when the registry never answered this process */
export async function clusterView({ registry, at, by }: ClusterViewOptions): Promise<ClusterView> {
  const presences = await presencesOf(registry);
  const { connected, staleMs } = registry.state;
  const alive = presences.filter(({ leaseMs }) => leaseMs > 0);
  const nodes = alive.map(({ node, leaseMs }) => nodeView(node, Math.max(0, NODE_LEASE_MS - leaseMs) + staleMs));
  const present = new Set(alive.map(({ node }) => node.nodeId));
  const lost = presences
    .filter(({ node, leaseMs }) => leaseMs <= 0 && !present.has(node.nodeId))
    .map(({ node, leaseMs }) => lostView(node, -leaseMs));
  const facts = {
    ...{ zone: registry.zone, registry: { connected, staleMs } },
    nodes: nodes.sort(byPlace),
    lost: lost.sort((a, b) => a.lostMs - b.lostMs),
    paths: alive.flatMap(({ node }) => measuredPathsOf(node)),
  };
  return { version: 1, at: at.toISOString(), by, ...facts, troubles: troublesOf(facts) };
}

/** While the registry is out of reach: those that were last known, as if their leases went on. */
async function presencesOf(registry: ClusterViewOptions['registry']) {
  try {
    return await registry.presences();
  } catch (error) {
    if (registry.state.connected) throw error;
    return (await registry.nodes()).map((node) => ({ node, leaseMs: NODE_LEASE_MS }));
  }
}

function nodeView(node: NodeRecord, ageMs: number): NodeView {
  const { nodeId, role, region, zone, version, load, capacity, draining, startedAt, signalingUrl } = node;
  return {
    ...{ nodeId, role, region, draining, startedAt, signalingUrl, ageMs: Math.round(ageMs) },
    zone: zone ?? null,
    version: version ?? null,
    sessions: load.sessions,
    limit: capacity.sessions,
    reserved: capacity.reserved ?? 0,
    latenessMs: load.latenessP99Ms ?? null,
    utilization: load.utilization ?? null,
    agents: node.agents.map(({ name }) => name),
  };
}

function lostView({ nodeId, role, region, load, draining }: NodeRecord, lostMs: number): LostNode {
  return { nodeId, role, region, sessions: load.sessions, draining, lostMs: Math.round(lostMs) };
}

/** POPs first, then by region, then by name. */
function byPlace(a: NodeView, b: NodeView): number {
  return b.role.localeCompare(a.role) || a.region.localeCompare(b.region) || a.nodeId.localeCompare(b.nodeId);
}
