/**
 * Pages of sessions out of Redis: a walk by SCAN, a master after the other, a bounded number of steps a page. A session
 * that is there for the whole walk is told at least once; one may be told twice when Redis grows its table meanwhile.
 * Owns the walk and its place; reading a record is the caller's.
 */
import type { SessionRecord } from '../registry.ts';
import { matchesQuery, type SessionPage, type SessionQuery, writeCursor } from '../session-list.ts';
import type { RegistryKeys } from './keys.ts';
import type { RedisLink } from './link.ts';

export interface SessionWalkOptions {
  link: Pick<RedisLink, 'scanStep'>;
  keys: RegistryKeys;
  query: SessionQuery;
  /** Where it begins: a master, SCAN's cursor there, and the id behind which that step goes on. */
  from: WalkPlace;
  /** Null for what is gone meanwhile or can't be read. */
  read(sessionId: string): Promise<SessionRecord | null>;
}

export interface WalkPlace {
  readonly server: number;
  readonly cursor: string;
  readonly after: string;
}

export const WALK_START: WalkPlace = { server: 0, cursor: '0', after: '' };

/** Keys that one step looks at; most of a page: so that no page takes Redis, or us, for long. */
const KEYS_A_STEP = 500;
const MAX_STEPS = 40;
const READ_AT_ONCE = 100;

/** @throws ERR_REGISTRY_UNAVAILABLE */
export async function walkSessions({ link, keys, query, from, read }: SessionWalkOptions): Promise<SessionPage> {
  const found = new Map<string, SessionRecord>();
  let place: WalkPlace | null = from;
  for (let step = 0; step < MAX_STEPS && place !== null; step++) {
    const here: WalkPlace = place;
    const { found: names, next } = await link.scanStep({ ...here, prefix: keys.sessions, count: KEYS_A_STEP });
    const ids = names.map((name) => name.slice(keys.sessions.length + 1, -1)).sort();
    const left = ids.filter((id, index) => id > here.after && id !== ids[index - 1]);
    for (let at = 0; at < left.length; at += READ_AT_ONCE) {
      const some = left.slice(at, at + READ_AT_ONCE);
      const records = await Promise.all(some.map(read));
      for (const [index, record] of records.entries()) {
        const sessionId = some[index]!;
        if (record === null || !matchesQuery(record, query)) continue;
        found.set(sessionId, record);
        if (found.size < query.limit) continue;
        const wholeStep = at + index === left.length - 1;
        const then = wholeStep ? next && { ...next, after: '' } : { ...here, after: sessionId };
        return pageOf(found, then);
      }
    }
    place = next === null ? null : { ...next, after: '' };
  }
  return pageOf(found, place);
}

function pageOf(found: ReadonlyMap<string, SessionRecord>, next: WalkPlace | null): SessionPage {
  return {
    sessions: [...found.values()],
    next: next === null ? null : writeCursor(['scan', next.server, next.cursor, next.after]),
    partial: false,
  };
}
