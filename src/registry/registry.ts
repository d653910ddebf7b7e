/**
 * Who is alive and which session is where. An interface with several stores behind it (memory for `dev`; others must
 * pass the same conformance suite, test/registry/conformance.ts). Holds facts only: who decides is placement, who acts
 * are the nodes.
 */
import { z } from 'zod';

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
  /** Cores: where their control channel listens. */
  control: z.object({ host: z.string(), port: z.number().int() }).nullable(),
  /** POPs: base URL of their signaling, such as `ws://localhost:8080`. */
  signalingUrl: z.string().nullable(),
  /** Cores: the agents that they can run. */
  agents: z.array(agentDescriptionSchema),
  capacity: z.object({ sessions: z.number().int().nonnegative() }),
  load: z.object({ sessions: z.number().int().nonnegative() }),
  draining: z.boolean(),
  startedAt: z.iso.datetime(),
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

export interface Registry extends AsyncDisposable {
  /** Put or renew a node's record; it is gone `leaseMs` after the last call. */
  announce(node: NodeRecord, leaseMs: number): Promise<void>;
  withdraw(nodeId: string): Promise<void>;
  nodes(): Promise<NodeRecord[]>;

  /** @throws ERR_REGISTRY_CONFLICT when the id exists */
  createSession(session: SessionRecord): Promise<void>;
  session(sessionId: string): Promise<SessionRecord | null>;
  sessions(): Promise<SessionRecord[]>;
  /**
   * Change a session if its epoch is still `epoch` (compare-and-set); answers with the new record.
   * @throws ERR_SESSION_UNKNOWN | ERR_REGISTRY_CONFLICT
   */
  updateSession(
    sessionId: string,
    epoch: number,
    change: Partial<Pick<SessionRecord, 'pop' | 'core' | 'epoch' | 'state' | 'end'>>,
  ): Promise<SessionRecord>;
  deleteSession(sessionId: string): Promise<void>;

  /**
   * Mark a one-time id (a join token's jti) as used until `expiresAtMs` (Unix milliseconds).
   * Answers false when it was used before: atomic across nodes.
   */
  claimOnce(id: string, expiresAtMs: number): Promise<boolean>;

  close(): Promise<void>;
}
