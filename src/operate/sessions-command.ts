/**
 * `antipode sessions`: the sessions of the zone as a table or JSON, filtered and bounded. Owns the arguments' meaning
 * and the layout. Words, names and metadata of callers come only from a POP that was shown an API key.
 */
import { AntipodeError } from '../errors.ts';
import { SESSION_PAGE_LIMIT, type SessionQuery } from '../registry/index.ts';
import { durationText } from './duration.ts';
import type { Terminal } from './live-screen.ts';
import { askNode, keyOf, nodeUrlOf, type OperatorOptions, registryOf } from './operator-source.ts';
import { type SessionList, type SessionSummary, sessionList, sessionListSchema } from './session-summary.ts';
import { type Cell, type Column, tableLines, toned } from './text-table.ts';

export interface SessionsOptions extends OperatorOptions {
  /** At this POP or core. */
  node?: string;
  room?: string;
  agent?: string;
  /** Also those that have ended, as long as the registry keeps them. */
  ended?: boolean;
  /** Most sessions that are shown. @defaultValue 50 */
  limit?: number;
  /** With metadata and the words of ends; from a POP by its API key only. */
  full?: boolean;
  json?: boolean;
  out: Terminal;
}

const DEFAULT_LIMIT = 50;
const MAX_LIMIT = 100_000;

const COLUMNS: readonly Column[] = [
  { title: 'SESSION', atLeast: 14 },
  { title: 'AGENT', atLeast: 8 },
  { title: 'ROOM', atLeast: 8, dropAs: 1 },
  { title: 'POP', atLeast: 10 },
  { title: 'CORE', atLeast: 10 },
  { title: 'MOVES', right: true },
  { title: 'STATE', atLeast: 7 },
  { title: 'AGE', right: true },
];

/** @throws ERR_REQUEST_MALFORMED, ERR_UNAUTHORIZED, ERR_REGISTRY_*, ERR_SERVICE_* */
export async function sessionsCommand(options: SessionsOptions): Promise<void> {
  const { out, json = false, clock } = options;
  const limit = limitOf(options.limit);
  const { sessions, more, partial } = await collect(options, limit);
  if (json) {
    out.write(`${JSON.stringify({ sessions, more, partial }, null, 2)}\n`);
    return;
  }
  const terminal = out.isTTY === true;
  const layout = { width: terminal ? (out.columns ?? 80) : null, colors: terminal && !process.env.NO_COLOR };
  const lines =
    sessions.length === 0 ? ['No session.'] : tableLines(COLUMNS, sessions.map(rowAt(clock.date())), layout);
  for (const { sessionId, metadata, endReason } of options.full === true ? sessions : []) {
    lines.push(`${sessionId}: ${JSON.stringify(metadata)}${endReason ? ` (${endReason})` : ''}`);
  }
  if (more) lines.push(toned(`There are more: --limit ${limit} was reached.`, 'doubtful', layout.colors));
  if (partial) {
    const words = 'warning: the registry is out of reach: these are the sessions of the node that was asked alone.';
    lines.push(toned(words, 'doubtful', layout.colors));
  }
  out.write(`${lines.join('\n')}\n`);
}

interface Collected {
  sessions: SessionSummary[];
  more: boolean;
  partial: boolean;
}

/** A session that two pages tell counts once. */
async function collect(options: SessionsOptions, limit: number): Promise<Collected> {
  const found = new Map<string, SessionSummary>();
  await using source = await openSource(options);
  let cursor: string | null = null;
  let partial = false;
  do {
    const page: SessionList = await source.page(Math.min(SESSION_PAGE_LIMIT, limit - found.size), cursor);
    for (const session of page.sessions) found.set(session.sessionId, session);
    cursor = page.next;
    partial ||= page.partial;
  } while (cursor !== null && found.size < limit);
  const sessions = [...found.values()].sort((a, b) => (a.createdAt < b.createdAt ? -1 : 1));
  return { sessions, more: cursor !== null, partial };
}

interface Source extends AsyncDisposable {
  page(limit: number, cursor: string | null): Promise<SessionList>;
}

async function openSource(options: SessionsOptions): Promise<Source> {
  const { node, room, agent, ended = false, full = false } = options;
  const base = nodeUrlOf(options);
  if (base !== null) {
    const key = keyOf(options);
    if (key === undefined) {
      throw new AntipodeError('ERR_UNAUTHORIZED', 'A list of sessions needs an API key: --key, or ANTIPODE_API_KEYS.');
    }
    return {
      page(limit, cursor) {
        const query = new URLSearchParams({ limit: String(limit) });
        for (const [name, value] of Object.entries({ node, room, agent, cursor })) if (value) query.set(name, value);
        if (ended) query.set('ended', 'true');
        if (full) query.set('full', 'true');
        return askNode({ base, path: `/v1/sessions?${query}`, key, schema: sessionListSchema });
      },
      [Symbol.asyncDispose]: async () => undefined,
    };
  }
  if (full) {
    const words = '--full: metadata of callers is told by a POP that is shown an API key; name one by --url.';
    throw new AntipodeError('ERR_REQUEST_MALFORMED', words, { path: 'full' });
  }
  const registry = await registryOf(options);
  const query: Omit<SessionQuery, 'limit'> = {
    ...(node !== undefined && { node }),
    ...(room !== undefined && { room }),
    ...(agent !== undefined && { agent }),
    ...(ended && { states: ['created', 'active', 'ended'] }),
  };
  return {
    page: async (limit, cursor) =>
      sessionList(await registry.listSessions({ ...query, limit, ...(cursor !== null && { cursor }) }), false),
    [Symbol.asyncDispose]: () => registry.close(),
  };
}

function rowAt(at: Date): (session: SessionSummary) => Cell[] {
  return ({ sessionId, agent, room, pop, core, epoch, state, ended, createdAt }) => [
    { text: sessionId },
    { text: agent },
    { text: room },
    { text: pop },
    { text: core },
    { text: String(epoch - 1) },
    { text: ended ?? state, tone: state === 'ended' ? 'quiet' : 'plain' },
    { text: durationText(Math.max(0, at.getTime() - Date.parse(createdAt))) },
  ];
}

function limitOf(limit = DEFAULT_LIMIT): number {
  if (Number.isInteger(limit) && limit >= 1 && limit <= MAX_LIMIT) return limit;
  const words = `--limit: must be a whole number, 1 to ${MAX_LIMIT}.`;
  throw new AntipodeError('ERR_REQUEST_MALFORMED', words, { path: 'limit' });
}
