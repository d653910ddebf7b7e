/**
 * The records of sessions in Redis. Owns the compare-and-set, and the copies of what this process created: with them it
 * goes on while Redis is out of reach, and writes afterwards what Redis missed or lost.
 */
import { AntipodeError } from '../../errors.ts';
import type { Logger } from '../../telemetry/index.ts';
import { type SessionRecord, sessionRecordSchema } from '../registry.ts';
import type { RegistryMetrics } from '../registry-metrics.ts';
import { pageOfOwn, readCursor, type SessionPage, type SessionQuery } from '../session-list.ts';
import { type RecordReader, sealRecord } from './envelope.ts';
import type { RegistryKeys } from './keys.ts';
import type { RedisLink } from './link.ts';
import { WALK_START, walkSessions } from './session-walk.ts';

export type SessionChange = Partial<
  Pick<SessionRecord, 'pop' | 'core' | 'zone' | 'epoch' | 'state' | 'end' | 'placement'>
>;

export interface RedisSessionsOptions {
  link: RedisLink;
  keys: RegistryKeys;
  reader: RecordReader;
  log: Logger;
  metrics: RegistryMetrics;
}

interface OwnRecord {
  record: SessionRecord;
  /** Not written yet, or perhaps not. */
  pending: boolean;
  deleted: boolean;
}

interface StoredRecord {
  record: SessionRecord;
  /** With fields that another version wrote. */
  raw: Record<string, unknown>;
  revision: string;
}

/** Longer than any session lasts; each change begins it anew. */
const SESSION_TTL_MS = 25 * 60 * 60 * 1_000;
const ENDED_SESSION_TTL_MS = 60 * 60 * 1_000;
const MAX_ATTEMPTS = 32;
const AT_ONCE = 100;

export class RedisSessions {
  readonly #options: RedisSessionsOptions;
  readonly #own = new Map<string, OwnRecord>();

  constructor(options: RedisSessionsOptions) {
    this.#options = options;
  }

  async create(session: SessionRecord): Promise<void> {
    const { link, keys } = this.#options;
    const { sessionId } = session;
    if (this.#own.get(sessionId)?.deleted === false) throw exists(sessionId);
    const record = structuredClone(session);
    const written = await this.#orLater(async () => {
      const args = [String(record.epoch), sealRecord(record), ttlOf(record)];
      if ((await link.script('antipodeCreateSession', [keys.session(sessionId)], args)) !== 1) throw exists(sessionId);
      return true;
    });
    this.#own.set(sessionId, { record, pending: written === null, deleted: false });
  }

  async get(sessionId: string): Promise<SessionRecord | null> {
    const own = this.#own.get(sessionId);
    try {
      const stored = await this.#stored(sessionId);
      if (stored !== null && own?.pending !== true) return stored.record;
    } catch (error) {
      if (own === undefined || !isUnavailable(error)) throw error;
    }
    return own === undefined || own.deleted ? null : structuredClone(own.record);
  }

  async all(): Promise<SessionRecord[]> {
    const { link, keys } = this.#options;
    const found = new Map<string, SessionRecord>();
    try {
      const ids = (await link.keys(keys.sessions)).map((key) => key.slice(keys.sessions.length + 1, -1));
      for (let at = 0; at < ids.length; at += AT_ONCE) {
        const some = await Promise.all(ids.slice(at, at + AT_ONCE).map((sessionId) => this.#stored(sessionId)));
        for (const stored of some) if (stored !== null) found.set(stored.record.sessionId, stored.record);
      }
    } catch (error) {
      if (!isUnavailable(error)) throw error;
    }
    for (const [sessionId, own] of this.#own) {
      if (own.deleted) found.delete(sessionId);
      else if (own.pending || !found.has(sessionId)) found.set(sessionId, structuredClone(own.record));
    }
    return [...found.values()];
  }

  /** @throws ERR_REGISTRY_UNAVAILABLE in the middle of a list; a first page is this process's own sessions then */
  async list(query: SessionQuery): Promise<SessionPage> {
    const { link, keys } = this.#options;
    const cursor = query.cursor === undefined ? null : readCursor(query.cursor);
    if (cursor?.[0] === 'own') return this.#ownPage(query, cursor[1]);
    const from = cursor === null ? WALK_START : { server: cursor[1], cursor: cursor[2], after: cursor[3] };
    const read = async (sessionId: string) => {
      const own = this.#own.get(sessionId);
      if (own?.deleted) return null;
      return own?.pending ? own.record : ((await this.#stored(sessionId))?.record ?? null);
    };
    try {
      return await walkSessions({ link, keys, query, from, read });
    } catch (error) {
      if (cursor !== null || !isUnavailable(error)) throw error;
      return this.#ownPage(query, '');
    }
  }

  async update(sessionId: string, epoch: number, change: SessionChange): Promise<SessionRecord> {
    const own = this.#own.get(sessionId);
    if (own?.deleted) throw unknown(sessionId);
    if (own?.pending) await this.#restore(sessionId, own);
    let result: SessionRecord | null = null;
    try {
      result = await this.#updateStored(sessionId, epoch, change);
    } catch (error) {
      if (own === undefined || !isUnavailable(error)) throw error;
      demandEpoch(own.record, epoch);
      this.#options.metrics.deferred.inc({ kind: 'session' });
    }
    if (own === undefined) return result!; // or it was thrown
    own.record = result ?? { ...own.record, ...structuredClone(change) };
    own.pending = result === null;
    return structuredClone(own.record);
  }

  async delete(sessionId: string): Promise<void> {
    const { link, keys } = this.#options;
    const own = this.#own.get(sessionId);
    const done = await this.#orLater(() =>
      link.command('deleteSession', (client) => client.del(keys.session(sessionId))),
    );
    if (done !== null) this.#own.delete(sessionId);
    else if (own !== undefined) Object.assign(own, { pending: true, deleted: true });
  }

  /** Writes what Redis missed while it was away, and what it lost. */
  async restoreAll(): Promise<void> {
    const all = [...this.#own];
    for (let at = 0; at < all.length; at += AT_ONCE) {
      await Promise.all(all.slice(at, at + AT_ONCE).map(([sessionId, own]) => this.#restore(sessionId, own)));
    }
  }

  #ownPage(query: SessionQuery, after: string): SessionPage {
    const own = [...this.#own.values()].filter(({ deleted }) => !deleted).map(({ record }) => record);
    return { ...pageOfOwn(own, query, after), partial: true };
  }

  /** What fails stays pending: the next outage's end comes here again, and so does the record's next change. */
  async #restore(sessionId: string, own: OwnRecord): Promise<void> {
    const { link, keys, log } = this.#options;
    const key = keys.session(sessionId);
    const { record } = own;
    try {
      if (own.deleted) {
        await link.command('deleteSession', (client) => client.del(key));
        this.#own.delete(sessionId);
        return;
      }
      const args = [String(record.epoch), sealRecord(record), ttlOf(record), own.pending ? '1' : '0'];
      await link.script('antipodeRestoreSession', [key], args);
      if (own.record === record && !own.deleted) own.pending = false;
    } catch (error) {
      log.debug({ sessionId, err: error }, 'a session could not be written to the registry yet');
    }
  }

  async #updateStored(sessionId: string, epoch: number, change: SessionChange): Promise<SessionRecord> {
    const { link, keys } = this.#options;
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
      const stored = await this.#stored(sessionId, true);
      const own = this.#own.get(sessionId);
      if (stored === null && own !== undefined) {
        await this.#restore(sessionId, own); // Redis lost it
        continue;
      }
      if (stored === null) throw unknown(sessionId);
      demandEpoch(stored.record, epoch);
      const record = { ...stored.record, ...structuredClone(change) };
      const sealed = sealRecord({ ...stored.raw, ...change });
      const args = [stored.revision, String(record.epoch), sealed, ttlOf(record)];
      if ((await link.script('antipodeUpdateSession', [keys.session(sessionId)], args)) === 1) return record;
    }
    throw new AntipodeError('ERR_REGISTRY_CONFLICT', `Session ${sessionId} is changed by too many at once.`);
  }

  /** @param demanded whether a record that cannot be read is an error, instead of none */
  async #stored(sessionId: string, demanded = false): Promise<StoredRecord | null> {
    const { link, keys, reader } = this.#options;
    const [revision, text] = await link.command('getSession', (client) =>
      client.hmget(keys.session(sessionId), 'revision', 'record'),
    );
    if (typeof revision !== 'string' || typeof text !== 'string') return null;
    const read = reader.read('session', sessionId, text, sessionRecordSchema);
    if (read !== null) return { ...read, revision };
    if (!demanded) return null;
    throw new AntipodeError('ERR_REGISTRY_UNSUPPORTED', `The record of session ${sessionId} cannot be read here.`);
  }

  /** Null when Redis is out of reach and this process keeps the write. */
  async #orLater<T>(work: () => Promise<T>): Promise<T | null> {
    try {
      return await work();
    } catch (error) {
      if (!isUnavailable(error)) throw error;
      this.#options.metrics.deferred.inc({ kind: 'session' });
      return null;
    }
  }
}

function isUnavailable(error: unknown): boolean {
  return error instanceof AntipodeError && error.code === 'ERR_REGISTRY_UNAVAILABLE';
}

function ttlOf(record: SessionRecord): string {
  return String(record.state === 'ended' ? ENDED_SESSION_TTL_MS : SESSION_TTL_MS);
}

function demandEpoch(record: SessionRecord, epoch: number): void {
  if (record.epoch === epoch) return;
  throw new AntipodeError(
    'ERR_REGISTRY_CONFLICT',
    `Session ${record.sessionId} is at epoch ${record.epoch}, not ${epoch}.`,
  );
}

function exists(sessionId: string): AntipodeError {
  return new AntipodeError('ERR_REGISTRY_CONFLICT', `Session ${sessionId} exists already.`);
}

function unknown(sessionId: string): AntipodeError {
  return new AntipodeError('ERR_SESSION_UNKNOWN', `No session ${sessionId}.`);
}
