/**
 * Sessions of the whole zone as pages, for operators: what may be asked for, what a page is, and where the next begins.
 * Owns the bounds and the cursor's form; the stores own the walking.
 */
import { z } from 'zod';
import { AntipodeError } from '../errors.ts';
import type { SessionRecord } from './registry.ts';

export interface SessionQuery {
  /** Sessions at this POP or this core. */
  readonly node?: string;
  readonly room?: string;
  readonly agent?: string;
  /** @defaultValue those that have not ended */
  readonly states?: readonly SessionRecord['state'][];
  /** Most sessions of the page, 1 to 1000. */
  readonly limit: number;
  /** `next` of the page before; absent for the first. */
  readonly cursor?: string;
}

export interface SessionPage {
  /** Perhaps fewer than `limit`, even none, though more follow: each page looks at a bounded part of the store. */
  readonly sessions: readonly SessionRecord[];
  /** Where the next page begins; null at the end. */
  readonly next: string | null;
  /** The store is out of reach: these are the sessions of this process alone. */
  readonly partial: boolean;
}

export const SESSION_PAGE_LIMIT = 1_000;

const RUNNING: readonly SessionRecord['state'][] = ['created', 'active'];

export function matchesQuery(session: SessionRecord, query: SessionQuery): boolean {
  const { node, room, agent, states = RUNNING } = query;
  return (
    states.includes(session.state) &&
    (node === undefined || session.pop === node || session.core === node) &&
    (room === undefined || session.room === room) &&
    (agent === undefined || session.agent === agent)
  );
}

const cursorSchema = z.union([
  /** The sessions of one process in the order of their ids, behind this one. */
  z.tuple([z.literal('own'), z.string().max(256)]),
  /** A walk through one of the store's servers, and the last id of the step that was under way. */
  z.tuple([z.literal('scan'), z.number().int().min(0), z.string().regex(/^\d{1,20}$/), z.string().max(256)]),
]);
export type SessionCursor = z.infer<typeof cursorSchema>;

export function writeCursor(cursor: SessionCursor): string {
  return Buffer.from(JSON.stringify(cursor)).toString('base64url');
}

/** @throws ERR_REQUEST_MALFORMED for one that no page gave */
export function readCursor(text: string): SessionCursor {
  try {
    return cursorSchema.parse(JSON.parse(Buffer.from(text, 'base64url').toString('utf8')));
  } catch (cause) {
    const words = 'cursor: is none that a page of sessions told as "next".';
    throw new AntipodeError('ERR_REQUEST_MALFORMED', words, { path: 'cursor', cause });
  }
}

/** A page of what one process has, by the order of ids. */
export function pageOfOwn(sessions: Iterable<SessionRecord>, query: SessionQuery, after: string): SessionPage {
  const matching = [...sessions]
    .filter((session) => session.sessionId > after && matchesQuery(session, query))
    .sort((a, b) => (a.sessionId < b.sessionId ? -1 : 1));
  const page = matching.slice(0, query.limit).map((session) => structuredClone(session));
  const last = page.at(-1);
  const more = last !== undefined && matching.length > page.length;
  return { sessions: page, next: more ? writeCursor(['own', last.sessionId]) : null, partial: false };
}
