/** The bodies of the REST answers that the signaling protocol does not define; for clients, the page and tests. */
import { z } from 'zod';
import { agentDescriptionSchema } from '../registry/index.ts';
import { placementViewSchema } from './protocol.ts';

/** `GET /v1/agents` */
export const agentListSchema = z.object({
  agents: z.array(
    agentDescriptionSchema.extend({
      /** Whether a session with it needs no API key. */
      open: z.boolean(),
    }),
  ),
});
export type AgentList = z.infer<typeof agentListSchema>;

/** `GET` and `DELETE /v1/sessions/:id` */
export const sessionViewSchema = z.object({
  sessionId: z.string(),
  room: z.string(),
  agent: z.string(),
  residency: z.string().nullable(),
  state: z.enum(['created', 'active', 'ended']),
  end: z.object({ code: z.string(), reason: z.string() }).nullable(),
  createdAt: z.iso.datetime(),
  expiresAt: z.iso.datetime(),
  placement: placementViewSchema,
  /** For holders of an API key only. */
  metadata: z.record(z.string(), z.unknown()).optional(),
  /** For holders of an API key only: every core that was looked at, and why not. */
  candidates: z
    .array(
      z.object({
        nodeId: z.string(),
        region: z.string(),
        sessions: z.number(),
        capacity: z.number(),
        excluded: z.object({ code: z.string(), reason: z.string() }).nullable(),
      }),
    )
    .optional(),
});
export type SessionView = z.infer<typeof sessionViewSchema>;

/** What this POP keeps in a session record's `placement`. */
export const storedPlacementSchema = z.object({
  view: placementViewSchema,
  candidates: sessionViewSchema.shape.candidates.unwrap(),
});
export type StoredPlacement = z.infer<typeof storedPlacementSchema>;
