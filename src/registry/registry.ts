/**
 * Who is alive and which session is where. An interface with several stores behind it (memory for `dev`; others must
 * pass the same conformance suite, test/registry/conformance.ts). Holds facts only: who decides is placement, who acts
 * are the nodes.
 */
import type { EventEmitter } from 'node:events';
import { z } from 'zod';
import type { SessionDirectory } from './directory.ts';
import { measuredLegsSchema } from './measured-legs.ts';
import { measuredPathsSchema } from './measured-paths.ts';
import { nodeStoresSchema } from './node-stores.ts';
import type { NodeOrders } from './orders.ts';
import type { RoomDirectory } from './rooms.ts';
import type { SessionPage, SessionQuery } from './session-list.ts';

export const agentDescriptionSchema = z.object({
  name: z.string(),
  title: z.string(),
  /** What the agent does, for people. */
  description: z.string(),
  /** Honest words about what it understands and what it lacks here; empty when nothing needs saying. */
  notices: z.array(z.object({ level: z.enum(['info', 'warning']), code: z.string(), text: z.string() })),
  /** What a caller may try to say. */
  examples: z.array(z.string()),
  /** The AI services that a turn goes through; none when absent. */
  legs: z
    .array(
      z.object({
        kind: z.enum(['stt', 'llm', 'tts', 's2s', 'tool']),
        service: z.string().min(1),
        /** Round trips per turn. */
        k: z.number().nonnegative(),
        /** False: `k` stands, whatever is measured. */
        measured: z.boolean().optional(),
        /** Runs on the core itself. */
        local: z.boolean(),
      }),
    )
    .optional(),
  /** The agent's own residency pin, such as `eu`. */
  residency: z
    .string()
    .regex(/^[a-z0-9][a-z0-9._-]*(\s*,\s*[a-z0-9][a-z0-9._-]*)*$/i, 'must be places with commas between, such as "eu"')
    .max(200)
    .optional(),
});
export type AgentDescription = z.infer<typeof agentDescriptionSchema>;

export const nodeRecordSchema = z.object({
  nodeId: z.string(),
  role: z.enum(['pop', 'core']),
  region: z.string(),
  /** Residency zone of the registry that it announces itself in. */
  zone: z.string().optional(),
  /** Cores: where their control channel listens. */
  control: z
    .object({
      host: z.string(),
      port: z.number().int(),
      /** Where it has several, the preferred one first, by the names that nodes meet by. */
      addresses: z
        .array(z.object({ name: z.string().min(1).max(32), host: z.string(), port: z.number().int() }))
        .max(8)
        .optional(),
    })
    .nullable(),
  /** POPs: base URL of their signaling, such as `ws://localhost:8080`. */
  signalingUrl: z.string().nullable(),
  /** Cores: the agents that they can run. */
  agents: z.array(agentDescriptionSchema),
  capacity: z.object({
    sessions: z.number().int().nonnegative(),
    /** Of these, kept for sessions of high priority; none when absent. */
    reserved: z.number().int().nonnegative().optional(),
  }),
  load: z.object({
    sessions: z.number().int().nonnegative(),
    /** Cores: how late the 20 ms ticker was in the last second, ms at p99; null when nothing ticked. */
    latenessP99Ms: z.number().nonnegative().nullable().optional(),
    /** Cores: how busy it was in the last second, 0 to 1. */
    utilization: z.number().min(0).max(1).optional(),
  }),
  draining: z.boolean(),
  startedAt: z.iso.datetime(),
  /** Of the program. */
  version: z.string().max(64).optional(),
  /** Cores: what was measured of their agents' turns. */
  measured: measuredLegsSchema.optional(),
  /** POPs: what was measured of their ways to cores. */
  paths: measuredPathsSchema.optional(),
  /** Where it keeps what it writes down of sessions; in its own region when absent. */
  stores: nodeStoresSchema.optional(),
});
export type NodeRecord = z.infer<typeof nodeRecordSchema>;

export const sessionRecordSchema = z.object({
  sessionId: z.string(),
  room: z.string(),
  agent: z.string(),
  /** Residency pin, such as `eu`, or null. */
  residency: z.string().nullable(),
  metadata: z.record(z.string(), z.unknown()),
  pop: z.string(),
  core: z.string(),
  /** Grows by one with each take-over; the fence against a core that was only slow. */
  epoch: z.number().int().min(1),
  zone: z.string(),
  state: z.enum(['created', 'active', 'ended']),
  end: z.object({ code: z.string(), reason: z.string() }).nullable(),
  createdAt: z.iso.datetime(),
  /** A session that nobody joined is dropped then. */
  expiresAt: z.iso.datetime(),
  /** What placement said, for the page and for `GET /v1/sessions/:id`. */
  placement: z.unknown(),
});
export type SessionRecord = z.infer<typeof sessionRecordSchema>;

/** How well the store is reached. */
export interface RegistryState {
  readonly connected: boolean;
  /** Age of what reads answer with, milliseconds: 0 while connected, else the time since the store last answered. */
  readonly staleMs: number;
}

/** A node and what is left of its lease. */
export interface NodePresence {
  readonly node: NodeRecord;
  /** Milliseconds; below 0 when it ran out and the node never said that it leaves. */
  readonly leaseMs: number;
}

/** Nodes that were lost are told among the presences for this long. */
export const LOST_NODES_MS = 600_000;

/** What happened to a node. `left` after a withdrawal or when a lease ran out. */
export type NodeChange =
  | { readonly kind: 'joined'; readonly node: NodeRecord }
  | { readonly kind: 'changed'; readonly node: NodeRecord }
  | { readonly kind: 'left'; readonly node: NodeRecord };

/** Ends with `close()`; idempotent. */
export interface NodeSubscription extends Disposable {
  close(): void;
}

export type RegistryEvents = {
  /** The store answers again. */
  connected: [];
  /** The store is out of reach; the reason is for people and holds no secret. */
  disconnected: [reason: string];
  /** The store came back empty: what this process holds is written anew, nodes at their next renewal. */
  dataLost: [];
  /** A session's home was not in the store at its renewal, or at an older epoch, and was put there again. */
  reclaimed: [sessionId: string];
};

export interface Registry extends AsyncDisposable {
  /** Residency zone whose sessions this registry may hold. */
  readonly zone: string;
  readonly state: RegistryState;
  readonly events: EventEmitter<RegistryEvents>;
  /** Which core holds which session, by epoch. */
  readonly directory: SessionDirectory;
  /** Which core has which room. */
  readonly rooms: RoomDirectory;
  /** What nodes are told to do. */
  readonly orders: NodeOrders;

  /**
   * Put or renew a node's record; it is gone `leaseMs` after the last call.
   * @throws ERR_REGISTRY_UNAVAILABLE
   */
  announce(node: NodeRecord, leaseMs: number): Promise<void>;
  withdraw(nodeId: string): Promise<void>;
  /**
   * The nodes that are alive. While the store is out of reach the last known ones, whose age `state` tells.
   * @throws ERR_REGISTRY_UNAVAILABLE when there never was a reading
   */
  nodes(): Promise<NodeRecord[]>;
  /**
   * The nodes that are alive, and those that were lost in the last ten minutes: for operators, never for placing.
   * @throws ERR_REGISTRY_UNAVAILABLE
   */
  presences(): Promise<NodePresence[]>;
  /**
   * Tells `listener` of each node that is there as `joined`, then of each change. Changes of the load alone come with
   * the next reading, at the latest when the soonest lease ends. A dead node's `left` comes within 100 ms of the end of
   * its lease, as far as the store answers in that time.
   */
  watch(listener: (change: NodeChange) => void): NodeSubscription;

  /**
   * While the store is out of reach, the record is kept in this process and written when it answers again; so are
   * changes of, and questions for, records that this process created.
   * @throws ERR_REGISTRY_CONFLICT when the id exists
   */
  createSession(session: SessionRecord): Promise<void>;
  /** @throws ERR_REGISTRY_UNAVAILABLE for a record of another process while the store is out of reach */
  session(sessionId: string): Promise<SessionRecord | null>;
  sessions(): Promise<SessionRecord[]>;
  /**
   * The sessions of the zone as bounded pages, in no order that means anything.
   * @throws ERR_REQUEST_MALFORMED for a cursor that is none, ERR_REGISTRY_UNAVAILABLE in the middle of a list
   */
  listSessions(query: SessionQuery): Promise<SessionPage>;
  /**
   * Change a session if its epoch is still `epoch` (compare-and-set); answers with the new record.
   * @throws ERR_SESSION_UNKNOWN | ERR_REGISTRY_CONFLICT | ERR_REGISTRY_UNAVAILABLE
   */
  updateSession(
    sessionId: string,
    epoch: number,
    change: Partial<Pick<SessionRecord, 'pop' | 'core' | 'zone' | 'epoch' | 'state' | 'end' | 'placement'>>,
  ): Promise<SessionRecord>;
  deleteSession(sessionId: string): Promise<void>;

  /**
   * Mark a one-time id (a join token's jti) as used until `expiresAtMs` (Unix milliseconds).
   * Answers false when it was used before: atomic across nodes, except that while the store is out of reach each
   * process answers from its own claims.
   */
  claimOnce(id: string, expiresAtMs: number): Promise<boolean>;

  close(): Promise<void>;
}
