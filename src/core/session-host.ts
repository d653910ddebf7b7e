/**
 * What POPs ask of a core: the handlers of its control channel. Owns which sessions, POP links and pipes there are,
 * admission and the epoch fence; a session's own life is core-session.ts.
 */
import type { SessionEnd } from '../agent/client-events.ts';
import {
  type CoreHandlers,
  type HandledPopRequestMethod,
  MediaPipe,
  type PopEventData,
  type PopEventName,
  type PopPeer,
  type PopRequestAnswer,
  type PopRequestData,
  type PortRange,
} from '../backbone/index.ts';
import type { Clock } from '../clock.ts';
import type { BackboneWay } from '../config/index.ts';
import { AntipodeError } from '../errors.ts';
import type { Logger } from '../telemetry/index.ts';
import type { Admission } from './admission.ts';
import type { AgentStarter } from './agent-starter.ts';
import type { CoreMetrics } from './core-metrics.ts';
import { CoreSession } from './core-session.ts';
import type { HostedSession } from './hosted-session.ts';
import type { NodeClock } from './node-clock.ts';
import { createOpusDecoder, type OpusDecoder } from './opus-codec.ts';
import { PipeEchoes } from './pipe-echo.ts';
import { type OpenPipe, PopLink } from './pop-link.ts';
import { RoomBook } from './room-book.ts';
import type { SeatedAttach } from './room-member.ts';
import type { WorkerPool } from './worker-pool.ts';
import { YieldGate } from './yield-gate.ts';

export interface SessionHostOptions {
  agents: AgentStarter;
  workers: WorkerPool;
  nodeClock: NodeClock;
  clock: Clock;
  log: Logger;
  metrics: CoreMetrics;
  /** Says whether one more session may begin. */
  admission: Pick<Admission, 'demand'>;
  /** A session that lasts longer is ended. */
  maxSessionMs: number;
  /** How long a session waits for a caller whose POP is lost. */
  popGraceMs: number;
  reorderWaitMs: number;
  /** Where pipes listen. */
  listenIp: string;
  announcedAddress: string | null;
  /** Where there are several, by their names; the first one is preferred. @defaultValue listenIp and announcedAddress */
  ways?: readonly BackboneWay[];
  /** Their UDP ports; null: any. @defaultValue null */
  ports?: PortRange | null;
  /** Told the number of sessions whenever it changes. */
  onSessionCount?: (sessions: number) => void;
}

const SHARES_AGENT = 'Others hear the same agent: only all of them could move.';
/** One POP has one pipe a worker; more than this is a fault of it. */
const MAX_PIPES_PER_POP = 256;

type Methods = {
  [M in HandledPopRequestMethod]: (link: PopLink, data: PopRequestData<M>) => Promise<PopRequestAnswer<M>>;
};

export class SessionHost implements CoreHandlers {
  readonly #options: SessionHostOptions;
  readonly #links = new Map<string, PopLink>();
  readonly #sessions = new Map<string, HostedSession>();
  /** Pipes that are being opened. */
  readonly #opening = new Set<string>();
  readonly #methods: Methods;
  readonly #echoes = new PipeEchoes();
  readonly #yieldGate = new YieldGate();
  readonly #rooms: RoomBook;
  /** Sessions are to be elsewhere by then, monotonic ms; null: nothing of that kind. */
  #leaveByMs: number | null = null;
  #closing = false;

  constructor(options: SessionHostOptions) {
    this.#options = options;
    this.#rooms = new RoomBook({ agents: options.agents, maxSessionMs: options.maxSessionMs });
    this.#methods = {
      'pipe.open': (link, data) => this.#openPipe(link, data),
      'pipe.probe': async (link, data) => ({
        stream: await this.#echoes.open(this.#pipe(link, data.pipeId).pipe, data.stream),
      }),
      'pipe.close': async (link, data) => {
        link.pipes.get(data.pipeId)?.pipe.close();
        return {};
      },
      'session.attach': (link, data) => this.#attach(link, data),
      'session.ready': async (link, data) => {
        this.#session(link, data).ready();
        return {};
      },
      'session.repipe': async (link, data) => ({
        downlink: await this.#session(link, data).bind(this.#pipe(link, data.pipeId), data.uplink),
      }),
      'session.detach': async (link, data) => {
        const session = this.#sessions.get(data.sessionId);
        if (!session || session.seat.link !== link || session.seat.epoch > data.epoch) return {};
        if (data.end.code === 'replaced' && !data.elsewhere) {
          // A POP that could not take a caller after all: the session waits for one that does.
          session.popAway();
          return {};
        }
        // Not awaited: the POP need not wait for the agent to put its things away.
        void session.end(data.end, false);
        return {};
      },
      'room.publish': async (link, data) => {
        const session = this.#session(link, data);
        await session.publish(this.#pipe(link, data.pipeId), data.stream);
        return {};
      },
      'room.unpublish': async (link, data) => {
        this.#session(link, data).unpublish();
        return {};
      },
      'session.yield': async (link, data) => {
        const { seat, yielding } = this.#session(link, data);
        if (yielding) yielding.ask(data);
        else seat.tell('session.yielded', { notes: 0, atTurnBoundary: false, refused: SHARES_AGENT });
        return {};
      },
      'session.unyield': async (link, data) => {
        this.#session(link, data).yielding?.cancel();
        return {};
      },
    };
  }

  get sessionCount(): number {
    return this.#sessions.size;
  }

  request<M extends HandledPopRequestMethod>(
    peer: PopPeer,
    method: M,
    data: PopRequestData<M>,
  ): Promise<PopRequestAnswer<M>> {
    const link = this.#links.get(peer.nodeId);
    if (!link) throw new AntipodeError('ERR_BACKBONE_CLOSED', `POP ${peer.nodeId} is not connected.`);
    return this.#methods[method](link, data);
  }

  event<E extends PopEventName>(peer: PopPeer, event: E, data: PopEventData<E>): void {
    const session = this.#sessions.get(data.sessionId);
    if (!session || session.seat.epoch !== data.epoch || session.seat.link.nodeId !== peer.nodeId) {
      this.#options.metrics.totals.staleMessages += 1;
      return;
    }
    if (event === 'session.played') session.played((data as PopEventData<'session.played'>).timestamp);
    else if (event === 'session.message') session.message((data as PopEventData<'session.message'>).message);
    else if (event === 'reflex.ducked') session.ducked(data as PopEventData<'reflex.ducked'>);
    else if (event === 'session.muted') session.mute((data as PopEventData<'session.muted'>).muted);
    else if (event === 'room.order') {
      const { participantId, order } = data as PopEventData<'room.order'>;
      session.order?.(participantId, order);
    } else if (event === 'session.journaled') session.journaled((data as PopEventData<'session.journaled'>).to);
    else this.#options.log.debug({ ...data }, 'the way to the caller changed');
  }

  peerOpened(peer: PopPeer): void {
    let link = this.#links.get(peer.nodeId);
    if (!link) {
      const { clock, log } = this.#options;
      const { popGraceMs: graceMs } = this.#options;
      const onAway = (away: PopLink) => this.#popAway(away);
      link = new PopLink({ nodeId: peer.nodeId, clock, log, graceMs, onAway, onLost: (lost) => this.#popLost(lost) });
      this.#links.set(peer.nodeId, link);
    }
    link.opened(peer);
    if (this.#leaveByMs !== null) this.#tellDraining([link]);
  }

  /** Every POP is told to move its sessions to other cores within this time; told again it is another time. */
  beginDrain(withinMs: number): void {
    this.#leaveByMs = this.#options.clock.now() + withinMs;
    this.#tellDraining(this.#links.values());
  }

  /** Sessions that are here may stay. Idempotent. */
  endDrain(): void {
    if (this.#leaveByMs === null) return;
    this.#leaveByMs = null;
    this.#tellDraining(this.#links.values());
  }

  #tellDraining(links: Iterable<PopLink>): void {
    const { clock } = this.#options;
    const withinMs = this.#leaveByMs === null ? null : Math.max(0, Math.round(this.#leaveByMs - clock.now()));
    for (const link of links) link.send('core.draining', { withinMs });
  }

  peerClosed(peer: PopPeer): void {
    this.#links.get(peer.nodeId)?.peerClosed(peer);
  }

  /** No new sessions; the running ones end with `end`. Resolves when their agents have closed. Idempotent. */
  async endAll(end: SessionEnd): Promise<void> {
    this.#closing = true;
    await Promise.all([...this.#sessions.values()].map((session) => session.end(end, true)));
  }

  close(): void {
    this.#closing = true;
    for (const link of this.#links.values()) link.close();
    this.#links.clear();
  }

  async #openPipe(link: PopLink, data: PopRequestData<'pipe.open'>): Promise<PopRequestAnswer<'pipe.open'>> {
    this.#assertOpen();
    const key = `${link.nodeId} ${data.pipeId}`;
    if (link.pipes.has(data.pipeId) || this.#opening.has(key)) {
      throw new AntipodeError('ERR_MEDIA_STATE', `Pipe ${data.pipeId} is open already.`);
    }
    if (link.pipes.size >= MAX_PIPES_PER_POP) {
      throw new AntipodeError('ERR_RATE_LIMITED', `A POP may have ${MAX_PIPES_PER_POP} pipes.`);
    }
    this.#opening.add(key);
    try {
      const { ways, ports, workers } = this.#options;
      const { listenIp, announcedAddress } = ways?.find(({ name }) => name === data.way) ?? ways?.[0] ?? this.#options;
      const worker = await workers.take();
      const pipe = await MediaPipe.create(worker, { pipeId: data.pipeId, listenIp, announcedAddress, ports });
      try {
        await pipe.connect(data);
        this.#assertOpen();
      } catch (error) {
        pipe.close();
        throw error;
      }
      const release = workers.occupy(worker);
      link.pipes.set(data.pipeId, { pipe, worker });
      pipe.onClose((reason) => {
        release();
        if (link.pipes.get(data.pipeId)?.pipe === pipe) link.pipes.delete(data.pipeId);
        if (reason === 'worker-died') link.send('pipe.closed', { pipeId: data.pipeId });
      });
      return pipe.local;
    } finally {
      this.#opening.delete(key);
    }
  }

  /**
   * The caller comes back by another POP to a session that is here.
   * @throws ERR_SESSION_UNKNOWN, ERR_BACKBONE_EPOCH when another POP has it by now
   */
  async #adopt(link: PopLink, data: PopRequestData<'session.attach'>): Promise<PopRequestAnswer<'session.attach'>> {
    const { sessionId, epoch, pipeId, uplink } = data;
    const open = this.#pipe(link, pipeId);
    const session = this.#sessions.get(sessionId);
    if (!session?.adopt) throw new AntipodeError('ERR_SESSION_UNKNOWN', `There is no session ${sessionId} here.`);
    if (session.seat.epoch >= epoch) throw tooLate(sessionId, session.seat.epoch, epoch);
    const downlink = await session.adopt({ link, epoch }, open, uplink);
    this.#options.metrics.totals.sessionsAdopted += 1;
    return { downlink };
  }

  async #attach(link: PopLink, data: PopRequestData<'session.attach'>): Promise<PopRequestAnswer<'session.attach'>> {
    if (data.adopt) return this.#adopt(link, data);
    const open = this.#pipe(link, data.pipeId);
    if (!this.#options.agents.agents.some((agent) => agent.name === data.agent)) {
      throw new AntipodeError('ERR_AGENT_UNKNOWN', `There is no agent "${data.agent}" here.`);
    }
    // A core that has no time for a session has none to prepare it either.
    this.#assertRoom(data);
    if (isSeated(data)) this.#rooms.assertMayEnter(data);
    const decoder = await createOpusDecoder();
    let session: HostedSession;
    try {
      this.#admit(data);
      session = this.#begin(link, data, decoder);
    } catch (error) {
      decoder.close();
      throw error;
    }
    this.#sessions.set(data.sessionId, session);
    this.#counted();
    session.startResumed();
    try {
      return { downlink: await session.bind(open, data.uplink) };
    } catch (error) {
      void session.end({ code: 'caller-lost', reason: 'The media path could not be set up.' }, false);
      throw error;
    }
  }

  #begin(link: PopLink, attach: PopRequestData<'session.attach'>, decoder: OpusDecoder): HostedSession {
    const { agents, clock, nodeClock, metrics, reorderWaitMs, maxSessionMs, popGraceMs, log } = this.#options;
    const { totals } = metrics;
    const onEnded = (ended: HostedSession, end: SessionEnd) => this.#sessionEnded(ended, end);
    const common = { link, clock, nodeClock, decoder, totals, reorderWaitMs, popGraceMs, log, onEnded };
    if (isSeated(attach)) return this.#rooms.seat({ ...common, attach });
    return new CoreSession({ ...common, attach, agents, maxSessionMs, yieldGate: this.#yieldGate });
  }

  /** Whether a session may begin here; an earlier epoch of it ends. */
  #admit(data: PopRequestData<'session.attach'>): void {
    this.#assertOpen();
    const known = this.#sessions.get(data.sessionId);
    if (known && known.seat.epoch >= data.epoch) {
      throw tooLate(data.sessionId, known.seat.epoch, data.epoch);
    }
    this.#assertRoom(data);
    if (isSeated(data)) this.#rooms.assertMayEnter(data);
    void known?.end({ code: 'replaced', reason: 'A later attempt took the session over.' }, true);
  }

  /** For a session that is here already there is. */
  #assertRoom({ sessionId, epoch, priority = 'normal' }: PopRequestData<'session.attach'>): void {
    if (this.#sessions.has(sessionId)) return;
    this.#options.admission.demand(this.#sessions.size, { takenOver: epoch > 1, priority });
  }

  #sessionEnded(session: HostedSession, end: SessionEnd): void {
    const { sessionId } = session.seat;
    if (this.#sessions.get(sessionId) === session) this.#sessions.delete(sessionId);
    this.#options.metrics.sessionEnded(end.code);
    this.#counted();
  }

  #counted(): void {
    this.#options.metrics.sessionCount(this.#sessions.size);
    this.#options.onSessionCount?.(this.#sessions.size);
  }

  #popAway(link: PopLink): void {
    for (const session of this.#sessions.values()) if (session.seat.link === link) session.popAway();
  }

  #popLost(link: PopLink): void {
    this.#options.log.error({ pop: link.nodeId }, 'a POP did not come back; its sessions end');
    for (const session of [...this.#sessions.values()]) {
      if (session.seat.link !== link) continue;
      void session.end({ code: 'caller-lost', reason: 'The POP of this call is out of reach.' }, false);
    }
    link.close();
    this.#links.delete(link.nodeId);
  }

  #pipe(link: PopLink, pipeId: string): OpenPipe {
    const open = link.pipes.get(pipeId);
    // Its worker may have died a moment ago: with another pipe the same request will do.
    if (!open) throw new AntipodeError('ERR_BACKBONE_CLOSED', `There is no pipe ${pipeId}.`);
    return open;
  }

  #session(link: PopLink, data: { sessionId: string; epoch: number }): HostedSession {
    const session = this.#sessions.get(data.sessionId);
    if (!session || session.seat.link !== link) {
      throw new AntipodeError('ERR_SESSION_UNKNOWN', `There is no session ${data.sessionId} here.`);
    }
    if (session.seat.epoch !== data.epoch) {
      const { epoch } = session.seat;
      throw new AntipodeError('ERR_BACKBONE_EPOCH', `Session ${data.sessionId} is at epoch ${epoch} here.`);
    }
    return session;
  }

  #assertOpen(): void {
    if (this.#closing) throw new AntipodeError('ERR_SHUTTING_DOWN', 'This core is shutting down.');
  }
}

function tooLate(sessionId: string, known: number, epoch: number): AntipodeError {
  const words = `Session ${sessionId} is at epoch ${known} here; ${epoch} comes too late.`;
  return new AntipodeError('ERR_BACKBONE_EPOCH', words);
}

function isSeated(attach: PopRequestData<'session.attach'>): attach is SeatedAttach {
  return attach.seat !== undefined;
}
