/**
 * The sessions that came in by this POP: creates them (placement, limits, record, token), opens them to tokens, ends
 * them, and keeps their records in the registry in step. What one session does is caller-session.ts.
 */
import { randomBytes } from 'node:crypto';
import type { SessionEnd } from '../agent/client-events.ts';
import type { Clock } from '../clock.ts';
import type { Config } from '../config/index.ts';
import { AntipodeError, asAntipodeError } from '../errors.ts';
import {
  type CallerPlaces,
  type PlaceAsk,
  type Placed,
  type PlacementService,
  pinsText,
  type Reservation,
  type ResidencyRecord,
  type ResidencyRecordView,
} from '../placement/index.ts';
import type { NodeStores, Registry, SessionRecord } from '../registry/index.ts';
import type { Logger } from '../telemetry/index.ts';
import type { SessionPriority } from './api-keys.ts';
import type { LostCall, MediaEdge, Successor } from './call-port.ts';
import { CallerSession, type SessionPlace, sessionEnded } from './caller-session.ts';
import type { ClientAddress } from './client-address.ts';
import { EndedSessions } from './ended-sessions.ts';
import { candidateViews, placementView } from './placement-view.ts';
import {
  type CreateSessionAnswer,
  type CreateSessionRequest,
  SIGNALING_VERSION,
  type SignalingData,
} from './protocol.ts';
import { SessionCounts } from './session-counts.ts';
import { SessionHomes } from './session-homes.ts';
import { newRecord } from './session-record.ts';
import { confinementOf, SessionResidency } from './session-residency.ts';
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

/** A session that has not ended, and the writes to its record, which go one after the other. */
interface Entry {
  readonly session: CallerSession;
  /** Its slot at the core. */
  slot: Reservation;
  /** Settles when what was written last is in the registry. */
  written: Promise<void>;
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
    const { registry, places, placement, config, nodeId, region, stores } = this.#options;
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
    const { core, reservation: slot } = placed;
    const residency = pinsText(placed.pins);
    const { token, expiresAt, joined } = await this.#admit(sessionId, room, residency, slot, origin);
    const successor = async (lost: LostCall): Promise<Successor> => {
      const { placed: other, epoch } = await this.#placedAnew(ask, lost);
      residencyBook.moved(other);
      const { call, placement } = placeOf(other);
      const stored = { view: placement, candidates: candidateViews(other.candidates) };
      this.#write(sessionId, { core: other.core.nodeId, zone: other.core.region, epoch, placement: stored });
      session.moved({ call: { ...call, epoch }, placement });
      return { core: call.core, epoch, confinement: call.confinement };
    };
    const placeOf = (at: Placed): SessionPlace => ({
      call: {
        sessionId,
        epoch: 1,
        room,
        agent: request.agent,
        residency,
        confinement: confinementOf(at),
        metadata: request.metadata ?? {},
        ...(priority !== 'normal' && { priority }),
        core: { nodeId: at.core.nodeId, ...at.core.control! },
        onTouched: (touch) => residencyBook.touched(touch),
        successor,
      },
      placement: placementView(at, request.agent, caller),
    });
    const place = placeOf(placed);
    const view = place.placement;
    const record = newRecord({
      ...{ sessionId, room, request, residency, expiresAt, pop: nodeId, core },
      createdAt: this.#options.clock.date(),
      placement: { view, candidates: candidateViews(placed.candidates) },
    });
    const residencyBook = new SessionResidency({
      sessionId,
      placed,
      pop: { nodeId, region, stores },
      placement,
      clock: this.#options.clock,
    });
    this.#residency.set(sessionId, residencyBook.record);
    const { name, title, description, notices, examples } = core.agents.find(({ name }) => name === request.agent)!;
    const session = new CallerSession({
      ...this.#options,
      limits: config.limits,
      ...place,
      another: async () => {
        const other = await this.#placedElsewhere(ask, core.nodeId);
        if (other === null) return null;
        residencyBook.moved(other);
        const { call, placement } = placeOf(other);
        const { nodeId, region: zone } = other.core;
        const stored = { view: placement, candidates: candidateViews(other.candidates) };
        this.#write(sessionId, { core: nodeId, zone, placement: stored });
        return { call, placement };
      },
      agent: { name, title, description, notices, examples },
      iceServers: [],
      expiresAt,
      onJoined: () => {
        joined();
        this.#write(sessionId, { state: 'active' });
      },
      onEnded: (end, closed) => {
        joined();
        this.#finish(session, end, closed);
      },
    });
    const recorded = registry.createSession(record);
    this.#entries.set(sessionId, { session, slot, written: recorded.catch(() => undefined) });
    this.#options.onSessionCount?.(this.#entries.size);
    this.#options.metrics.sessionCreated(request.agent);
    try {
      await recorded;
    } catch (error) {
      session.end({ code: 'deleted', reason: 'The session could not be recorded.' });
      throw error;
    }
    this.#options.log.info(
      { sessionId, agent: request.agent, core: record.core, address: origin.from.address },
      'session created',
    );
    const { signalingUrl } = origin;
    return { sessionId, room, signalingUrl, token, iceServers: [], expiresAt: record.expiresAt, placement: view };
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
    await this.#entries.get(sessionId)?.written;
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
  async #admit(sessionId: string, room: string, residency: string | null, slot: Reservation, origin: SessionOrigin) {
    const { tokens, config } = this.#options;
    try {
      const subject = { sessionId, room, grants: ALL_GRANTS, residency };
      const issued = await tokens.issueJoin(subject, config.auth.joinTokenTtlSeconds);
      this.#refuseWhenShuttingDown();
      if (!slot.hold()) throw new AntipodeError('ERR_PLACEMENT_NO_CORE', 'The reserved slot has expired.');
      return { ...issued, joined: this.#counts.take(origin.authenticated ? null : origin.from.key) };
    } catch (error) {
      slot.release();
      throw error;
    }
  }

  /** A slot at another core than the one that is full, instead of the session's own; null when nobody has one. */
  async #placedElsewhere(ask: PlaceAsk, full: string): Promise<Placed | null> {
    const { placement, metrics } = this.#options;
    const placed = await placement.place({ ...ask, excludedCores: [full] }).catch((error: unknown) => {
      if (asAntipodeError(error).code === 'ERR_PLACEMENT_NO_CORE') return null;
      throw error;
    });
    const entry = this.#entries.get(ask.key);
    if (placed !== null && entry?.session.phase === 'opening' && placed.reservation.hold()) {
      entry.slot.release();
      entry.slot = placed.reservation;
      metrics.coreFull('another');
      return placed;
    }
    placed?.reservation.release();
    metrics.coreFull('none');
    return null;
  }

  /**
   * Another core for a call whose own is lost, within the same pins, and the session's home there.
   * @throws ERR_SESSION_UNKNOWN, what placing throws, ERR_REGISTRY_CONFLICT when somebody else has the session
   */
  async #placedAnew(ask: PlaceAsk, lost: LostCall): Promise<{ placed: Placed; epoch: number }> {
    const { placement } = this.#options;
    const { sessionId, excludedCores } = lost;
    const entry = this.#entries.get(sessionId);
    if (!entry) throw unknownSession();
    const placed = await placement.place({ ...ask, excludedCores, priority: 'take-over' });
    try {
      const epoch = await this.#homes.take(lost, placed.core.nodeId);
      if (this.#entries.get(sessionId) !== entry) throw unknownSession();
      if (!placed.reservation.hold())
        throw new AntipodeError('ERR_PLACEMENT_NO_CORE', 'The reserved slot has expired.');
      entry.slot.release();
      entry.slot = placed.reservation;
      return { placed, epoch };
    } catch (error) {
      placed.reservation.release();
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
    this.#write(sessionId, { state: 'ended', end });
    this.#entries.delete(sessionId);
    this.#counts.give();
    entry.slot.release();
    this.#ended.add(sessionId, end);
    this.#residency.get(sessionId)?.ended(end.reason);
    this.#options.metrics.sessionEnded(end.code);
    this.#homes.release(sessionId, session.epoch);
    const settled = Promise.all([entry.written, closed]).then(() => {
      this.#settling.delete(sessionId);
    });
    this.#settling.set(sessionId, { written: entry.written, settled });
    this.#options.onSessionCount?.(this.#entries.size);
  }

  #write(sessionId: string, change: Parameters<Registry['updateSession']>[2]): void {
    const entry = this.#entries.get(sessionId);
    if (!entry) return;
    // As it is now: a take-over changes it before this is written.
    const { epoch } = entry.session;
    entry.written = entry.written
      .then(() => this.#options.registry.updateSession(sessionId, epoch, change))
      .then(
        () => undefined,
        (error) => this.#options.log.warn({ sessionId, err: error }, "a session's record was not updated"),
      );
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
