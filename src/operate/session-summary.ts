/**
 * A session as operators see it in a list: where it runs and how it stands, and nothing of what the caller is called or
 * said. Owns the document of `GET /v1/sessions`; metadata and the words of its end only where all was asked for.
 */
import { z } from 'zod';
import type { SessionPage, SessionRecord } from '../registry/index.ts';

export const sessionSummarySchema = z.object({
  sessionId: z.string(),
  room: z.string(),
  agent: z.string(),
  pop: z.string(),
  core: z.string(),
  /** One more with each move. */
  epoch: z.number().int(),
  zone: z.string(),
  residency: z.string().nullable(),
  state: z.enum(['created', 'active', 'ended']),
  /** Code of its end. */
  ended: z.string().nullable(),
  createdAt: z.string(),
  /** `full` only. */
  metadata: z.record(z.string(), z.unknown()).optional(),
  /** `full` only: the words of its end. */
  endReason: z.string().nullable().optional(),
});
export type SessionSummary = z.infer<typeof sessionSummarySchema>;

export const sessionListSchema = z.object({
  sessions: z.array(sessionSummarySchema),
  /** For `cursor` of the next request; null at the end. */
  next: z.string().nullable(),
  /** The registry is out of reach: these are sessions of the node that was asked alone. */
  partial: z.boolean(),
});
export type SessionList = z.infer<typeof sessionListSchema>;

/** @param full for who showed an API key and asked for all */
export function sessionList({ sessions, next, partial }: SessionPage, full: boolean): SessionList {
  return { sessions: sessions.map((session) => summaryOf(session, full)), next, partial };
}

function summaryOf(record: SessionRecord, full: boolean): SessionSummary {
  const { sessionId, room, agent, pop, core, epoch, zone, residency, state, end, createdAt, metadata } = record;
  const summary = { sessionId, room, agent, pop, core, epoch, zone, residency, state, createdAt };
  const ended = end?.code ?? null;
  return full ? { ...summary, ended, metadata, endReason: end?.reason ?? null } : { ...summary, ended };
}
