/**
 * The sessions that came in by this POP: creates them (placement, limits, record, token), opens them to tokens, ends
 * them, and keeps their records in the registry in step. What one session does is caller-session.ts.
 */
import { randomBytes } from 'node:crypto';
import type { SessionEnd } from '../agent/client-events.ts';
import type { Clock } from '../clock.ts';
import type { Config } from '../config/index.ts';
import { AntipodeError } from '../errors.ts';
import type {
  CallerPlaces,
  PlaceAsk,
  PlacementService,
  Reservation,
  ResidencyRecord,
  ResidencyRecordView,
} from '../placement/index.ts';
import type { NodeStores, Registry, SessionRecord } from '../registry/index.ts';
import type { Logger } from '../telemetry/index.ts';
import type { SessionPriority } from './api-keys.ts';
import type { MediaEdge } from './call-port.ts';
import { CallerSession, sessionEnded } from './caller-session.ts';
import type { ClientAddress } from './client-address.ts';
import { EndedSessions } from './ended-sessions.ts';
import { PlacedSession } from './placed-session.ts';
import {
  type CreateSessionAnswer,
  type CreateSessionRequest,
  SIGNALING_VERSION,
  type SignalingData,
} from './protocol.ts';
import { SessionCounts } from './session-counts.ts';
import { SessionHomes } from './session-homes.ts';
import { newRecord } from './session-record.ts';
import { SessionRecordWriter } from './session-record-writer.ts';
import type { SignalingMetrics } from './signaling-metrics.ts';
import type { SessionDoor } from './socket.ts';
import { ALL_GRANTS, type SessionTokens } from './tokens.ts';

export interface SessionBookOptions {
  config: Pick<Config, 'limits' | 'auth'>;
  nodeId: string;
  region: string;
  /** Where this POP keeps what it writes down. @defaultValue in its own region */
  stores?: NodeStores;
  edge: MediaEdge;
  registry: Registry;
  places: CallerPlaces;
  placement: PlacementService;
  tokens: SessionTokens;
  clock: Clock;
  log: Logger;
  metrics: SignalingMetrics;
  /** Told the number of sessions that have not ended whenever it changes. */
  onSessionCount?: (sessions: number) => void;
}

export interface SessionOrigin {
  from: ClientAddress;
  /** The request carried an API key. */
  authenticated: boolean;
  /** Of its API key. @defaultValue normal */
  priority?: SessionPriority;
  signalingUrl: string;
}

/** A session that has not ended, where it runs, and its record. */
interface Entry {
  readonly session: CallerSession;
  readonly place: PlacedSession;
  readonly record: SessionRecordWriter;
}

export class SessionBook implements SessionDoor {
  readonly #options: SessionBookOptions;
  readonly #entries = new Map<string, Entry>();
  readonly #counts: SessionCounts;
  readonly #ended: EndedSessions;
  readonly #homes: SessionHomes;
  /** Sessions that ended and whose record is not written, or whose media is not closed yet. */
  readonly #settling = new Map<string, { written: Promise<void>; settled: Promise<void> }>();
  /** What each session's data touched; as long as the session can be asked about. */
  readonly #residency = new Map<string, ResidencyRecord>();
  #shuttingDown = false;

  constructor(options: SessionBookOptions) {
    this.#options = options;
    const { clock, registry, log } = options;
    this.#homes = new SessionHomes(options);
    this.#counts = new SessionCounts(options.config.limits.maxSessions);
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

  /**
   * @throws ERR_SHUTTING_DOWN | ERR_SESSION_LIMIT | ERR_RATE_LIMITED (too many that nobody joined) | what
   * `PlacementService.place` throws | ERR_NOT_FOUND for a placementId that is none | what the registry throws
   */
  async create(request: CreateSessionRequest, origin: SessionOrigin): Promise<CreateSessionAnswer> {
    this.#refuseWhenShuttingDown();
    const { registry, places, placement, config, clock, log, nodeId, region, stores } = this.#options;
    const sessionId = `s-${randomBytes(16).toString('base64url')}`;
    const room = request.room ?? sessionId;
    const caller = await places.place(origin.from.address);
    const { priority = 'normal' } = origin;
    const ask: PlaceAsk = {
      agent: request.agent,
      residency: request.residency ?? null,
      caller: { country: caller.country, place: caller.at, withinKm: caller.withinKm },
      ...(request.probes !== undefined && { probes: request.probes }),
      pop: { nodeId, region },
      priority,
      key: sessionId,
    };
    const placed = await placement.place({
      ...ask,
      ...(request.placementId !== undefined && { instead: this.#reservation(request.placementId) }),
    });
    const { core } = placed;
    const place = new PlacedSession({
      ...this.#options,
      ...{ ask, caller, placed, homes: this.#homes, pop: { nodeId, region, stores } },
      call: { room, metadata: request.metadata ?? {}, ...(priority !== 'normal' && { priority }) },
    });
    const residency = place.pins;
    const { token, expiresAt, joined } = await this.#admit({ sessionId, room, residency }, placed.reservation, origin);
    this.#residency.set(sessionId, place.residency.record);
    const { name, title, description, notices, examples } = core.agents.find(({ name }) => name === request.agent)!;
    const session = new CallerSession({
      ...this.#options,
      limits: config.limits,
      ...place.first,
      another: () => place.another(),
      agent: { name, title, description, notices, examples },
      iceServers: [],
      expiresAt,
      onJoined: () => {
        joined();
        record.write({ state: 'active' });
      },
      onEnded: (end, closed) => {
        joined();
        this.#finish(session, end, closed);
      },
    });
    const record = new SessionRecordWriter({ sessionId, registry, log, epoch: () => session.epoch });
    place.opened(session, record);
    const stored = newRecord({
      ...{ sessionId, room, request, residency, expiresAt, pop: nodeId, core },
      createdAt: clock.date(),
      placement: place.stored,
    });
    const recorded = record.create(stored);
    this.#entries.set(sessionId, { session, place, record });
    this.#options.onSessionCount?.(this.#entries.size);
    this.#options.metrics.sessionCreated(request.agent);
    try {
      await recorded;
    } catch (error) {
      session.end({ code: 'deleted', reason: 'The session could not be recorded.' });
      throw error;
    }
    log.info({ sessionId, agent: request.agent, core: core.nodeId, address: origin.from.address }, 'session created');
    const { signalingUrl } = origin;
    const view = place.first.placement;
    return { sessionId, room, signalingUrl, token, iceServers: [], expiresAt: stored.expiresAt, placement: view };
  }

  async admitJoin(data: SignalingData<'join'>) {
    demandVersion(data.version);
    const claims = await this.#options.tokens.verifyJoin(data.token);
    const session = this.#find(claims.sub);
    demandSame(session, claims);
    if (!(await this.#options.registry.claimOnce(`join:${claims.jti}`, claims.exp * 1_000))) {
      throw new AntipodeError('ERR_TOKEN_REPLAYED', 'This join token was used already.');
    }
    return { session, grants: claims.grants };
  }

  async admitResume(data: SignalingData<'resume'>) {
    demandVersion(data.version);
    const claims = await this.#options.tokens.verifyResume(data.resumeToken);
    const session = this.#find(claims.sub);
    demandSame(session, claims);
    return { session, generation: claims.generation };
  }

  /**
   * Whether a bearer token is this very session's: its join token until that expires, or a good resume token.
   * @throws ERR_TOKEN_INVALID | ERR_TOKEN_EXPIRED for what is no token of ours
   */
  async holds(sessionId: string, token: string): Promise<boolean> {
    const { tokens } = this.#options;
    try {
      return (await tokens.verifyJoin(token)).sub === sessionId;
    } catch (error) {
      const claims = await tokens.verifyResume(token).catch(() => {
        throw error;
      });
      if (claims.sub !== sessionId) return false;
      return (
        this.#ended.has(sessionId) || this.#entries.get(sessionId)?.session.acceptsResume(claims.generation) === true
      );
    }
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

  /** Ends a session and answers with its record; one that has ended stays as it is. @throws ERR_SESSION_UNKNOWN */
  async end(sessionId: string, end: SessionEnd): Promise<SessionRecord> {
    this.#entries.get(sessionId)?.session.end(end);
    const record = await this.record(sessionId);
    if (record.state !== 'ended') {
      throw new AntipodeError('ERR_SESSION_UNKNOWN', `This session came in by another POP, ${record.pop}.`);
    }
    return record;
  }

  beginShutdown(): void {
    this.#shuttingDown = true;
  }

  /** Ends every session; resolves when their media is closed and their records are written. */
  async close(end: SessionEnd): Promise<void> {
    this.#shuttingDown = true;
    for (const { session } of [...this.#entries.values()]) session.end(end, { shuttingDown: true });
    await Promise.all([...this.#settling.values()].map(({ settled }) => settled));
    this.#ended.close();
  }

  /** The session's token, its slot held and the session counted; lets the slot go when it is not admitted. */
  async #admit(
    subject: { sessionId: string; room: string; residency: string | null },
    slot: Reservation,
    origin: SessionOrigin,
  ) {
    const { tokens, config } = this.#options;
    try {
      const issued = await tokens.issueJoin({ ...subject, grants: ALL_GRANTS }, config.auth.joinTokenTtlSeconds);
      this.#refuseWhenShuttingDown();
      if (!slot.hold()) throw new AntipodeError('ERR_PLACEMENT_NO_CORE', 'The reserved slot has expired.');
      return { ...issued, joined: this.#counts.take(origin.authenticated ? null : origin.from.key) };
    } catch (error) {
      slot.release();
      throw error;
    }
  }

  /** @throws ERR_NOT_FOUND */
  #reservation(placementId: string): Reservation {
    const reservation = this.#options.placement.reservation(placementId);
    if (reservation !== null) return reservation;
    throw new AntipodeError('ERR_NOT_FOUND', 'No reservation has this id at this POP, or it has expired.', {
      path: 'placementId',
    });
  }

  #find(sessionId: string): CallerSession {
    const entry = this.#entries.get(sessionId);
    if (entry) return entry.session;
    const end = this.#ended.endOf(sessionId);
    throw end ? sessionEnded(end) : unknownSession();
  }

  #finish(session: CallerSession, end: SessionEnd, closed: Promise<void>): void {
    const { sessionId } = session;
    const entry = this.#entries.get(sessionId);
    if (!entry) return;
    entry.record.write({ state: 'ended', end });
    this.#entries.delete(sessionId);
    this.#counts.give();
    entry.place.release();
    this.#ended.add(sessionId, end);
    this.#residency.get(sessionId)?.ended(end.reason);
    this.#options.metrics.sessionEnded(end.code);
    this.#homes.release(sessionId, session.epoch);
    const settled = Promise.all([entry.record.written, closed]).then(() => {
      this.#settling.delete(sessionId);
    });
    this.#settling.set(sessionId, { written: entry.record.written, settled });
    this.#options.onSessionCount?.(this.#entries.size);
  }

  #refuseWhenShuttingDown(): void {
    if (this.#shuttingDown) throw new AntipodeError('ERR_SHUTTING_DOWN', 'This POP is shutting down.');
  }
}

function unknownSession(): AntipodeError {
  return new AntipodeError('ERR_SESSION_UNKNOWN', 'No session has this id here.');
}

function demandVersion(version: number): void {
  if (version === SIGNALING_VERSION) return;
  throw new AntipodeError(
    'ERR_PROTOCOL_VERSION',
    `This POP speaks version ${SIGNALING_VERSION} of the signaling protocol, not ${version}.`,
    { path: 'data.version' },
  );
}

function demandSame(session: CallerSession, claims: { room: string; residency: string | null }): void {
  if (session.room === claims.room && session.residency === claims.residency) return;
  throw new AntipodeError('ERR_TOKEN_INVALID', 'The token tells of another room or pin than its session has.');
}
