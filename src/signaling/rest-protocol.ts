/** The bodies of the REST answers that the signaling protocol does not define; for clients, the page and tests. */
import { z } from 'zod';
import { agentDescriptionSchema } from '../registry/index.ts';
import { createSessionRequestSchema, participantSchema, placementViewSchema } from './protocol.ts';

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
  /** For holders of an API key only: every place that was looked at, and why not. */
  candidates: z
    .array(
      z.object({
        pop: z.string(),
        core: z.string(),
        predictedMs: z.object({ p50: z.number(), p95: z.number() }).nullable(),
        parts: z.record(z.string(), z.number()),
        centsPerMinute: z.number().nullable(),
        excluded: z.object({ code: z.string(), reason: z.string(), leg: z.string().optional() }).nullable(),
      }),
    )
    .optional(),
});
export type SessionView = z.infer<typeof sessionViewSchema>;

/** `GET /v1/rooms/:room`; agent, core and pin are null when the registry does not know them. */
export const roomViewSchema = z.object({
  room: z.string(),
  agent: z.string().nullable(),
  core: z.string().nullable(),
  residency: z.string().nullable(),
  /** POPs that have callers in it, those of them included who were promised a seat and did not join yet. */
  pops: z.array(z.object({ pop: z.string(), seats: z.number().int() })),
  participants: z.array(participantSchema),
});
export type RoomView = z.infer<typeof roomViewSchema>;

/** What this POP keeps in a session record's `placement`. */
export const storedPlacementSchema = z.object({
  view: placementViewSchema,
  candidates: sessionViewSchema.shape.candidates.unwrap(),
});
export type StoredPlacement = z.infer<typeof storedPlacementSchema>;

const coordinates = { lat: z.number().min(-90).max(90), lon: z.number().min(-180).max(180) };

/** `POST /v1/placements` */
export const placementRequestSchema = z.strictObject({
  agent: z.string().min(1).max(64),
  residency: createSessionRequestSchema.shape.residency,
  caller: z
    .strictObject({
      /** An IP address; looked up. */
      address: z.string().min(1).max(64).optional(),
      /** ISO 3166-1 alpha-2; wins over what the address says. */
      country: z
        .string()
        .regex(/^[A-Z]{2}$/, 'must be a country of two upper-case letters')
        .optional(),
      at: z.strictObject(coordinates).optional(),
      /** POP region -> round trip that the caller measured, ms; wins over the place. */
      probesMs: z.record(z.string().min(1).max(64), z.number().min(0).max(10_000)).optional(),
    })
    .default({}),
  /** Keep a slot for `expiresAt`; of a placement service apart from POPs, for its own next answers only. */
  reserve: z.boolean().default(true),
});

/** What it answers. */
export const placementAnswerSchema = z.object({
  pop: z.object({ nodeId: z.string(), region: z.string(), signalingUrl: z.string().nullable() }),
  core: z.object({ nodeId: z.string(), region: z.string() }),
  reason: z.string(),
  prediction: placementViewSchema.shape.prediction.unwrap(),
  candidates: sessionViewSchema.shape.candidates.unwrap(),
  /** For `placementId` of POST /v1/sessions at the same POP. */
  reservation: z.object({ placementId: z.string(), expiresAt: z.iso.datetime() }).nullable(),
});
export type PlacementAnswer = z.infer<typeof placementAnswerSchema>;
