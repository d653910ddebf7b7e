/**
 * The sessions that came in by this POP: creates them (placement, limits, record, token), opens them to tokens, ends
 * them, and keeps their records in the registry in step. What one session does is caller-session.ts.
 */
import { randomBytes } from 'node:crypto';
import type { SessionEnd } from '../agent/client-events.ts';
import type { Clock } from '../clock.ts';
import type { Config } from '../config/index.ts';
import { AntipodeError, asAntipodeError } from '../errors.ts';
import type { CallerPlaces, PlaceAsk, PlacementService, Reservation, ResidencyRecordView } from '../placement/index.ts';
import type { NodeStores, Registry, SessionRecord } from '../registry/index.ts';
import type { Logger } from '../telemetry/index.ts';
import { adoptedPlace } from './adopted-place.ts';
import type { SessionPriority } from './api-keys.ts';
import type { HandedOver, HandOverRequest, MediaEdge } from './call-port.ts';
import { CallerSession } from './caller-session.ts';
import type { ClientAddress } from './client-address.ts';
import { Elsewhere } from './elsewhere.ts';
import { PlacedSession } from './placed-session.ts';
import {
  type CreateSessionAnswer,
  type CreateSessionRequest,
  type Grant,
  SIGNALING_VERSION,
  type SignalingData,
} from './protocol.ts';
import { RoomBook } from './room-book.ts';
import { SessionAdoption } from './session-adoption.ts';
import { SessionCounts } from './session-counts.ts';
import { SessionEntries } from './session-entries.ts';
import { SessionHomes } from './session-homes.ts';
import { newRecord } from './session-record.ts';
import { SessionRecordWriter } from './session-record-writer.ts';
import { grantsOf, seatOf } from './session-request.ts';
import type { SignalingMetrics } from './signaling-metrics.ts';
import type { SessionDoor } from './socket.ts';
import { addressMark, type ResumeClaims, type SessionTokens } from './tokens.ts';

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

export class SessionBook implements SessionDoor {
  readonly #options: SessionBookOptions;
  readonly #entries: SessionEntries;
  readonly #counts: SessionCounts;
  readonly #homes: SessionHomes;
  readonly #adoption: SessionAdoption;
  readonly #rooms: RoomBook;
  /** Sessions of other POPs whose callers come back by this one, until they are this one's. */
  readonly #adopting = new Map<string, Promise<CallerSession>>();
  #shuttingDown = false;

  constructor(options: SessionBookOptions) {
    this.#options = options;
    const onFenced = (sessionId: string) => this.#lose(sessionId);
    this.#homes = new SessionHomes({ ...options, onFenced });
    this.#rooms = new RoomBook({ ...options, maxCallers: options.config.limits.maxRoomCallers });
    this.#adoption = new SessionAdoption({ ...options, homes: this.#homes });
    this.#counts = new SessionCounts(options.config.limits.maxSessions);
    this.#entries = new SessionEntries({ ...options, homes: this.#homes, onFinished: () => this.#counts.give() });
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
    const grants = grantsOf(request, origin);
    const seat = seatOf(request);
    const wanted: PlaceAsk = {
      ...ask,
      ...(request.placementId !== undefined && { instead: this.#reservation(request.placementId) }),
    };
    const { placed, ticket } = seat
      ? await this.#rooms.enter(room, wanted)
      : { placed: await placement.place(wanted), ticket: null };
    const { core } = placed;
    const place = new PlacedSession({
      ...this.#options,
      ...{ ask, caller, placed, homes: this.#homes, pop: { nodeId, region, stores } },
      call: {
        ...{ room, metadata: request.metadata ?? {} },
        ...(priority !== 'normal' && { priority }),
        ...(seat && { seat }),
      },
      ...(ticket && { ticket }),
    });
    const residency = place.pins;
    const subject = { sessionId, room, residency, grants };
    const { token, expiresAt, joined } = await this.#admit(subject, placed.reservation, origin).catch((error) => {
      place.release();
      throw error;
    });
    const { name, title, description, notices, examples } = core.agents.find(({ name }) => name === request.agent)!;
    const held = { ...ask, residency };
    const elsewhere = new Elsewhere({ ...this.#options, ask: held });
    const session = new CallerSession({
      ...this.#options,
      limits: config.limits,
      ...place.first,
      another: () => place.another(),
      agent: { name, title, description, notices, examples },
      iceServers: [],
      expiresAt,
      elsewhere: () => elsewhere.now(),
      onJoined: () => {
        joined();
        this.#homes.claim(sessionId, session.coreId, session.epoch);
        record.write({ state: 'active' });
      },
      onResumed: (newest) => this.#homes.resumed(sessionId, newest),
      onEnded: (end, closed, how) => {
        joined();
        this.#entries.finish(session, end, closed, how);
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
    this.#entries.add({ session, place, record, ask: held, elsewhere });
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
    return {
      ...{ sessionId, room, signalingUrl, token, iceServers: [], expiresAt: stored.expiresAt, placement: view },
      ...(seat && { participantId: seat.participantId }),
    };
  }

  async admitJoin(data: SignalingData<'join'>) {
    demandVersion(data.version);
    const claims = await this.#options.tokens.verifyJoin(data.token);
    const session = this.#entries.find(claims.sub);
    demandSame(session, claims);
    if (!(await this.#options.registry.claimOnce(`join:${claims.jti}`, claims.exp * 1_000))) {
      throw new AntipodeError('ERR_TOKEN_REPLAYED', 'This join token was used already.');
    }
    return { session, grants: claims.grants };
  }

  async admitResume(data: SignalingData<'resume'>, addressKey: string) {
    demandVersion(data.version);
    const claims = await this.#options.tokens.verifyResume(data.resumeToken);
    const { sub: sessionId, generation, grants } = claims;
    const known = this.#entries.knows(sessionId);
    const session = known ? this.#entries.find(sessionId) : await this.#adopt(claims);
    demandSame(session, claims);
    this.#countResume(claims, known ? 'own' : 'other', addressKey);
    return { session, generation, grants };
  }

  /** Callers change networks, so another address is no reason to refuse a token; it is one to be seen. */
  #countResume({ sub: sessionId, from }: ResumeClaims, pop: 'own' | 'other', addressKey: string): void {
    const moved = from !== undefined && from !== addressMark(sessionId, addressKey);
    this.#options.metrics.resumed(pop, moved ? 'another' : 'same');
    if (moved) this.#options.log.info({ sessionId, pop }, 'a caller came back from another address');
  }

  /** @throws as `SessionAdoption.take`, ERR_SHUTTING_DOWN, ERR_SESSION_LIMIT */
  #adopt(claims: ResumeClaims): Promise<CallerSession> {
    const { sub: sessionId } = claims;
    const underWay = this.#adopting.get(sessionId);
    if (underWay !== undefined) return underWay;
    const adopting = this.#adoptOnce(claims).finally(() => this.#adopting.delete(sessionId));
    this.#adopting.set(sessionId, adopting);
    return adopting;
  }

  async #adoptOnce(claims: ResumeClaims): Promise<CallerSession> {
    const { registry, config, clock, log, metrics, nodeId, region, stores } = this.#options;
    const { sub: sessionId, seat } = claims;
    this.#refuseWhenShuttingDown();
    this.#counts.take(null);
    let session: CallerSession;
    try {
      const adopted = await this.#adoption.take(claims);
      this.#refuseWhenShuttingDown();
      const { record: known, core, formerPop } = adopted;
      const { agent, room, residency } = known;
      const found = adoptedPlace(adopted, {
        ...{ ...this.#options, homes: this.#homes, pop: { nodeId, region, stores }, seat },
        ...(seat && { ticket: this.#rooms.adopt(room, sessionId, { core: core.nodeId, agent, residency }) }),
      });
      const { place } = found;
      const elsewhere = new Elsewhere({ ...this.#options, ask: found.ask });
      const lastedMs = clock.date().getTime() - Date.parse(known.createdAt);
      session = new CallerSession({
        ...this.#options,
        ...place.first,
        limits: config.limits,
        agent: found.agent,
        iceServers: [],
        expiresAt: null,
        lifeSeconds: Math.max(1, config.limits.maxSessionSeconds - lastedMs / 1_000),
        another: async () => null,
        elsewhere: () => elsewhere.now(),
        onJoined: () => undefined,
        onResumed: (newest) => this.#homes.resumed(sessionId, newest),
        onEnded: (end, closed, how) => this.#entries.finish(session, end, closed, how),
      });
      const record = new SessionRecordWriter({ sessionId, registry, log, epoch: () => session.epoch });
      place.opened(session, record);
      this.#entries.add({ session, place, record, ask: found.ask, elsewhere });
      record.write({ placement: place.stored });
      log.info(
        { sessionId, core: core.nodeId, from: formerPop, epoch: known.epoch },
        'a session of another POP is here now',
      );
      metrics.adopted('taken');
    } catch (error) {
      this.#counts.give();
      this.#homes.forget(sessionId);
      metrics.adopted(asAntipodeError(error).code);
      throw error;
    }
    return session;
  }

  /** The POPs have changed: tells the clients for whom that makes a difference. */
  async tellElsewhere(): Promise<void> {
    for (const { session, elsewhere } of this.#entries.all) {
      const changed = session.phase === 'live' ? await elsewhere.changed() : null;
      if (changed !== null) session.tellElsewhere(changed);
    }
  }

  /** Tells one client to come back by another POP. False when nobody listens, or there is no other POP for it. */
  async sendAway(sessionId: string, reason: string): Promise<boolean> {
    const entry = this.#entries.get(sessionId);
    const others = (await entry?.elsewhere.now()) ?? [];
    return others.length > 0 && entry!.session.sendAway({ elsewhere: [...others], reason });
  }

  /** Ids of the sessions whose callers are here. */
  get liveIds(): string[] {
    return this.#entries.all.filter(({ session }) => session.phase === 'live').map(({ session }) => session.sessionId);
  }

  /** Another POP has the session: its call here ends, and nothing else. */
  #lose(sessionId: string): void {
    const reason = 'The caller came back by another POP.';
    this.#entries.get(sessionId)?.session.end({ code: 'replaced', reason }, { elsewhere: true });
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
      const entry = this.#entries.get(sessionId);
      return this.#entries.hasEnded(sessionId) || entry?.session.acceptsResume(claims.generation) === true;
    }
  }

  /** @throws ERR_SESSION_UNKNOWN */
  record(sessionId: string): Promise<SessionRecord> {
    return this.#entries.record(sessionId);
  }

  /** Whether it came in by this POP and has not ended. */
  has(sessionId: string): boolean {
    return this.#entries.get(sessionId) !== undefined;
  }

  /**
   * A session goes to another core while its own lives.
   * @throws ERR_SESSION_UNKNOWN | ERR_SESSION_ENDED | ERR_HANDOVER_REFUSED | what placement says
   */
  move(sessionId: string, request: HandOverRequest): Promise<HandedOver> {
    return this.#entries.find(sessionId).handOver(request);
  }

  /** Sessions that are open here, with what their place was asked for by, and the core that they have. */
  get running(): { sessionId: string; ask: PlaceAsk; core: string; hasSeat: boolean }[] {
    return this.#entries.all
      .filter(({ session }) => session.phase === 'live')
      .map(({ session: { sessionId, coreId: core, hasSeat }, ask }) => ({ sessionId, ask, core, hasSeat }));
  }

  /** What a session's data touched. @throws ERR_SESSION_UNKNOWN, also for one that came in by another POP */
  residencyOf(sessionId: string): ResidencyRecordView {
    return this.#entries.residencyOf(sessionId);
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

  /** Ends the sessions of this POP that have a seat in a room, also those that nobody joined yet; answers how many. */
  endRoom(room: string, end: SessionEnd): number {
    const seated = this.#entries.all.filter(({ session }) => session.room === room && session.hasSeat);
    for (const { session } of seated) session.end(end);
    return seated.length;
  }

  beginShutdown(): void {
    this.#shuttingDown = true;
  }

  /** New sessions are taken again. */
  endDrain(): void {
    this.#shuttingDown = false;
  }

  /** Ends every session; resolves when their media is closed and their records are written. */
  async close(end: SessionEnd): Promise<void> {
    this.#shuttingDown = true;
    for (const { session } of this.#entries.all) session.end(end, { shuttingDown: true });
    await this.#entries.settled();
    this.#homes.close();
    this.#rooms.close();
    this.#entries.close();
  }

  /** The session's token, its slot held and the session counted; lets the slot go when it is not admitted. */
  async #admit(
    subject: { sessionId: string; room: string; residency: string | null; grants: readonly Grant[] },
    slot: Reservation,
    origin: SessionOrigin,
  ) {
    const { tokens, config } = this.#options;
    try {
      const issued = await tokens.issueJoin(subject, config.auth.joinTokenTtlSeconds);
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

  #refuseWhenShuttingDown(): void {
    if (this.#shuttingDown) throw new AntipodeError('ERR_SHUTTING_DOWN', 'This POP is shutting down.');
  }
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
