/** The record of a new session, as the registry keeps it. Owns its first state; who changes it is session-book.ts. */
import type { NodeRecord, SessionRecord } from '../registry/index.ts';
import type { CreateSessionRequest } from './protocol.ts';
import type { StoredPlacement } from './rest-protocol.ts';

export interface NewSession {
  readonly sessionId: string;
  readonly room: string;
  readonly request: CreateSessionRequest;
  /** The text of every pin that holds, or null. */
  readonly residency: string | null;
  readonly pop: string;
  readonly core: NodeRecord;
  readonly createdAt: Date;
  readonly expiresAt: Date;
  readonly placement: StoredPlacement;
}

export function newRecord(session: NewSession): SessionRecord {
  const { request, core } = session;
  return {
    sessionId: session.sessionId,
    room: session.room,
    agent: request.agent,
    residency: session.residency,
    metadata: request.metadata ?? {},
    pop: session.pop,
    core: core.nodeId,
    epoch: 1,
    zone: core.region,
    state: 'created',
    end: null,
    createdAt: session.createdAt.toISOString(),
    expiresAt: session.expiresAt.toISOString(),
    placement: session.placement,
  };
}
