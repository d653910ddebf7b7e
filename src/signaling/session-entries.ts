/**
 * Which sessions are at this POP: those that have not ended, those that have and can still be asked about, and what
 * is not settled of them yet. Owns their ends: record, home, slot and count of each, once. Makes none.
 */
import type { SessionEnd } from '../agent/client-events.ts';
import type { Clock } from '../clock.ts';
import { AntipodeError } from '../errors.ts';
import type { PlaceAsk, ResidencyRecord, ResidencyRecordView } from '../placement/index.ts';
import type { Registry, SessionRecord } from '../registry/index.ts';
import type { Logger } from '../telemetry/index.ts';
import { type CallerSession, sessionEnded } from './caller-session.ts';
import type { Elsewhere } from './elsewhere.ts';
import { EndedSessions } from './ended-sessions.ts';
import type { PlacedSession } from './placed-session.ts';
import type { SessionHomes } from './session-homes.ts';
import type { SessionRecordWriter } from './session-record-writer.ts';
import type { SignalingMetrics } from './signaling-metrics.ts';

/** A session that has not ended, where it runs, and its record. */
export interface SessionEntry {
  readonly session: CallerSession;
  readonly place: PlacedSession;
  readonly record: SessionRecordWriter;
  /** What its place was asked for by, with every pin that holds. */
  readonly ask: PlaceAsk;
  readonly elsewhere: Elsewhere;
}

export interface SessionEntriesOptions {
  registry: Pick<Registry, 'deleteSession' | 'session'>;
  homes: Pick<SessionHomes, 'forget' | 'release'>;
  clock: Clock;
  log: Logger;
  metrics: Pick<SignalingMetrics, 'sessionEnded'>;
  /** Told the number of sessions that have not ended whenever it changes. */
  onSessionCount?: ((sessions: number) => void) | undefined;
  /** A session is over here. */
  onFinished(): void;
}

export class SessionEntries {
  readonly #options: SessionEntriesOptions;
  readonly #entries = new Map<string, SessionEntry>();
  readonly #ended: EndedSessions;
  /** Sessions that ended and whose record is not written, or whose media is not closed yet. */
  readonly #settling = new Map<string, { written: Promise<void>; settled: Promise<void> }>();
  /** What each session's data touched; as long as the session can be asked about. */
  readonly #residency = new Map<string, ResidencyRecord>();

  constructor(options: SessionEntriesOptions) {
    this.#options = options;
    const { clock, registry, log } = options;
    this.#ended = new EndedSessions({
      clock,
      forget: (sessionId) => {
        this.#residency.delete(sessionId);
        registry
          .deleteSession(sessionId)
          .catch((error) => log.warn({ sessionId, err: error }, 'the record of an ended session was not removed'));
      },
    });
  }

  /** Sessions that have not ended. */
  get size(): number {
    return this.#entries.size;
  }

  get all(): SessionEntry[] {
    return [...this.#entries.values()];
  }

  get(sessionId: string): SessionEntry | undefined {
    return this.#entries.get(sessionId);
  }

  /** Whether it is here, or was and can be asked about. */
  knows(sessionId: string): boolean {
    return this.#entries.has(sessionId) || this.#ended.has(sessionId);
  }

  hasEnded(sessionId: string): boolean {
    return this.#ended.has(sessionId);
  }

  /** @throws ERR_SESSION_ENDED, ERR_SESSION_UNKNOWN */
  find(sessionId: string): CallerSession {
    const entry = this.#entries.get(sessionId);
    if (entry) return entry.session;
    const end = this.#ended.endOf(sessionId);
    throw end ? sessionEnded(end) : unknownSession();
  }

  add(entry: SessionEntry): void {
    const { sessionId } = entry.session;
    this.#entries.set(sessionId, entry);
    this.#residency.set(sessionId, entry.place.residency.record);
    this.#options.onSessionCount?.(this.#entries.size);
  }

  /** @throws ERR_SESSION_UNKNOWN */
  async record(sessionId: string): Promise<SessionRecord> {
    await this.#entries.get(sessionId)?.record.written;
    await this.#settling.get(sessionId)?.written;
    const record = await this.#options.registry.session(sessionId);
    if (!record) throw unknownSession();
    return record;
  }

  /** What a session's data touched. @throws ERR_SESSION_UNKNOWN, also for one that came in by another POP */
  residencyOf(sessionId: string): ResidencyRecordView {
    const record = this.#residency.get(sessionId);
    if (record === undefined) throw unknownSession();
    return record.view();
  }

  /** The session is over here; with `elsewhere` it goes on at another POP, and nothing is written of its end. */
  finish(session: CallerSession, end: SessionEnd, closed: Promise<void>, how: { elsewhere: boolean }): void {
    const { sessionId } = session;
    const { homes, metrics, onFinished, onSessionCount } = this.#options;
    const entry = this.#entries.get(sessionId);
    if (entry?.session !== session) return;
    this.#entries.delete(sessionId);
    onFinished();
    entry.place.release();
    metrics.sessionEnded(end.code);
    if (how.elsewhere) {
      homes.forget(sessionId);
      this.#residency.delete(sessionId);
    } else {
      entry.record.write({ state: 'ended', end });
      this.#ended.add(sessionId, end);
      this.#residency.get(sessionId)?.ended(end.reason);
      homes.release(sessionId, session.epoch);
    }
    const settled = Promise.all([entry.record.written, closed]).then(() => {
      this.#settling.delete(sessionId);
    });
    this.#settling.set(sessionId, { written: entry.record.written, settled });
    onSessionCount?.(this.#entries.size);
  }

  /** Resolves when the media of those that ended is closed and their records are written. */
  async settled(): Promise<void> {
    await Promise.all([...this.#settling.values()].map(({ settled }) => settled));
  }

  /** Idempotent. */
  close(): void {
    this.#ended.close();
  }
}

export function unknownSession(): AntipodeError {
  return new AntipodeError('ERR_SESSION_UNKNOWN', 'No session has this id here.');
}
