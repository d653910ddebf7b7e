/**
 * A POP's tie to one core: the control channel and the media pipes, opened when first asked for and kept. Hands events to
 * the sessions that joined, and says which pipe they lost. Owns no session; which pipe is used is pipe-set.ts.
 */
import {
  ControlClient,
  type ControlClientOptions,
  type CoreEventTuple,
  type HandledPopRequestMethod,
  type MediaPipe,
  type MediaWorker,
  type PopEventData,
  type PopEventName,
  type PopRequestAnswer,
  type PopRequestData,
  type PortRange,
  type RttSpread,
} from '../backbone/index.ts';
import type { Clock, Timer } from '../clock.ts';
import type { BackboneWay } from '../config/index.ts';
import type { Logger } from '../telemetry/index.ts';
import { type MeasuredWay, PipeSet } from './pipe-set.ts';
import { waysBetween } from './way-pairs.ts';

/** A control channel that is down for longer than this takes its sessions with it. */
export const CORE_LOST_AFTER_MS = 5_000;

/** What a core tells of a whole room. */
export type RoomEventTuple = Extract<CoreEventTuple, [`room.${string}`, unknown]>;
/** Events about one session. */
export type SessionEventTuple = Extract<CoreEventTuple, [unknown, { sessionId: string }]>;

/** What a session hears of its link. None of these may throw. */
export interface LinkSession {
  readonly sessionId: string;
  coreEvent(...event: SessionEventTuple): void;
  /** This pipe carries nothing any more: find another way if it was yours. */
  pipeGone(pipe: MediaPipe): void;
  /** The channel was away and words may have been lost: tell the core again where you are. Resolves when that is done. */
  channelBack(): Promise<void>;
  /** A better pipe is there: ask for it if this one is yours. As `pipeGone` where it is absent. */
  pipeBetter?(pipe: MediaPipe): void;
  /** The channel is down, or the core has been silent for so long that it may be gone. */
  channelDown?(): void;
  /** The channel is down, and nobody listens where the core was: it need not be waited for. */
  channelRefused?(): void;
  /** The core was only late. As `channelBack` where it is absent. */
  channelHeard?(): void;
  /** The channel was away for too long. */
  coreLost(): void;
}

export interface CoreLinkOptions
  extends Pick<
    ControlClientOptions,
    'addresses' | 'host' | 'port' | 'identity' | 'region' | 'suspectAfterMs' | 'dialFrom'
  > {
  coreNodeId: string;
  requestTimeoutMs: number;
  /** Of this POP: where our ends of the pipes listen. */
  ways: readonly BackboneWay[];
  /** Their UDP ports; null: any. */
  ports: PortRange | null;
  clock: Clock;
  log: Logger;
  metrics: ControlClientOptions['metrics'];
  /** The core wants to be left within this time; null: not any more. */
  onDraining: (link: CoreLink, withinMs: number | null) => void;
  /** A core told something of a room. */
  onRoom: (link: CoreLink, event: RoomEventTuple) => void;
  /** Media of one of our workers takes another way. */
  onWayChanged?: (to: string, why: string) => void;
  /** The channel is down and no session needs it. */
  onIdle: () => void;
}

/** A path as it is measured now: round trip, ms, and what becomes of packets where that is known. */
export interface MeasuredPath {
  readonly p50: number;
  readonly p95: number;
  readonly jitterMs: number | null;
  /** Share of the packets, there and back. */
  readonly loss: number | null;
}

/** Fewer probes say nothing of loss. */
const ENOUGH_PROBES = 30;

/** Asks the core. */
export type CoreRequests = <M extends HandledPopRequestMethod>(
  method: M,
  data: PopRequestData<M>,
) => Promise<PopRequestAnswer<M>>;

export class CoreLink {
  readonly #options: CoreLinkOptions;
  readonly #client: ControlClient;
  readonly #sessions = new Map<string, LinkSession>();
  readonly #pipes: PipeSet;
  /** Sessions that know that the channel is away. */
  readonly #toldDown = new Set<LinkSession>();
  #lostTimer: Timer | null = null;
  #closed = false;

  private constructor(options: CoreLinkOptions, client: ControlClient) {
    this.#options = options;
    this.#client = client;
    const { coreNodeId, ways, addresses = [], ports, clock, log } = options;
    this.#pipes = new PipeSet({
      ...{ coreNodeId, ports, clock, log },
      ways: waysBetween(ways, addresses),
      request: (method, data) => client.request(method, data),
      onGone: (pipe) => this.#each((session) => session.pipeGone(pipe)),
      onBetter: (pipe) =>
        this.#each((session) => (session.pipeBetter ? session.pipeBetter(pipe) : session.pipeGone(pipe))),
      onWayChanged: (to, why) => options.onWayChanged?.(to, why),
    });
    client.on('event', (...event) => this.#onEvent(event));
    client.on('down', () => this.#onDown());
    client.on('up', () => this.#onUp());
    client.on('suspected', () => this.#tellDown());
    client.on('heard', () => this.#onHeard());
    client.on('refused', () => this.#each((session) => session.channelRefused?.()));
  }

  /** @throws as ControlClient.connect */
  static async open(options: CoreLinkOptions): Promise<CoreLink> {
    const client = await ControlClient.connect({ ...options, expectNodeId: options.coreNodeId });
    const link = new CoreLink(options, client);
    // What an earlier process of this id said counts no more; this one says it again.
    options.onDraining(link, null);
    return link;
  }

  get coreNodeId(): string {
    return this.#options.coreNodeId;
  }

  get coreRegion(): string {
    return this.#client.coreRegion;
  }

  /** False when it is of no use for new sessions and must be opened anew. */
  get usable(): boolean {
    return !this.#closed && !this.#client.closed;
  }

  /** The core is heard. */
  get up(): boolean {
    return this.#client.up && !this.#client.suspected;
  }

  /** The core has been silent for so long that it may be gone. */
  get suspected(): boolean {
    return this.#client.up && this.#client.suspected;
  }

  /** Name of the address by which the control channel reaches the core. */
  get controlWay(): string {
    return this.#client.way;
  }

  /** By which ways media goes, or could. */
  get ways(): MeasuredWay[] {
    return this.#pipes.measured;
  }

  /** Which of several ways media takes; null where there is one. */
  get mediaWay(): string | null {
    const ways = this.ways;
    return ways.length === 1 ? null : (ways.find(({ inUse }) => inUse)?.name ?? null);
  }

  /** What the path does to media, as probes measured it, else to the control channel's heartbeats; null before either. */
  get path(): MeasuredPath | null {
    const quality = this.ways.find(({ inUse }) => inUse)?.quality ?? null;
    if (quality?.rttMs && quality.probes >= ENOUGH_PROBES) {
      return { ...quality.rttMs, jitterMs: quality.jitterMs, loss: quality.loss };
    }
    const spread = this.up ? this.rttSpread() : null;
    return spread === null ? null : { ...spread, jitterMs: null, loss: null };
  }

  get sessionCount(): number {
    return this.#sessions.size;
  }

  get pipeCount(): number {
    return this.#pipes.size;
  }

  rttMs(): number | null {
    return this.#client.rttMs();
  }

  rttSpread(): RttSpread | null {
    return this.#client.rttSpread();
  }

  /** @throws as ControlClient.request */
  request<M extends HandledPopRequestMethod>(method: M, data: PopRequestData<M>): Promise<PopRequestAnswer<M>> {
    return this.#client.request(method, data);
  }

  /** Dropped and counted when the channel is down. @throws ERR_REQUEST_TOO_LARGE */
  send<E extends PopEventName>(event: E, data: PopEventData<E>): void {
    this.#client.send(event, data);
  }

  /** From now on the session hears of its events; call the returned function to stop. */
  join(session: LinkSession): () => void {
    this.#sessions.set(session.sessionId, session);
    return () => {
      if (this.#sessions.get(session.sessionId) !== session) return;
      this.#sessions.delete(session.sessionId);
      this.#toldDown.delete(session);
      // Whoever leaves a core that is away may want to tell it so when it is back.
      queueMicrotask(() => this.#checkIdle());
    };
  }

  /**
   * The pipe between `worker` and this core; whoever asks while it is being opened waits for the same one.
   * @throws ERR_MEDIA_WORKER_DIED, ERR_BACKBONE_CLOSED, ERR_BACKBONE_TIMEOUT, what the core says
   */
  pipe(worker: MediaWorker): Promise<MediaPipe> {
    return this.#pipes.pipe(worker);
  }

  /** The pipe of this id that is open now, or null. */
  pipeOf(pipeId: string): MediaPipe | null {
    return this.#pipes.byId(pipeId);
  }

  /** Ends channel and pipes. The sessions are not told: who closes a link ends them. Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#lostTimer?.cancel();
    this.#pipes.close();
    this.#client.close();
  }

  #onEvent(event: CoreEventTuple): void {
    if (event[0] === 'pipe.closed') {
      this.#pipes.closedByCore(event[1].pipeId);
      return;
    }
    if (event[0] === 'core.draining') this.#options.onDraining(this, event[1].withinMs);
    else if (isOfRoom(event)) this.#options.onRoom(this, event);
    else if ('sessionId' in event[1])
      this.#sessions.get(event[1].sessionId)?.coreEvent(...(event as SessionEventTuple));
  }

  #onDown(): void {
    if (this.#closed) return;
    this.#checkIdle();
    if (this.#closed) return;
    this.#tellDown();
    this.#lostTimer ??= this.#options.clock.setTimeout(() => {
      this.#lostTimer = null;
      for (const session of [...this.#sessions.values()]) session.coreLost();
    }, CORE_LOST_AFTER_MS);
  }

  #tellDown(): void {
    this.#each((session) => {
      if (this.#toldDown.has(session)) return;
      this.#toldDown.add(session);
      session.channelDown?.();
    });
  }

  /** It was only late: nothing that either said is lost. */
  #onHeard(): void {
    this.#toldDown.clear();
    this.#each((session) => {
      if (session.channelHeard) session.channelHeard();
      else void session.channelBack();
    });
  }

  #each(tell: (session: LinkSession) => void): void {
    for (const session of [...this.#sessions.values()]) tell(session);
  }

  /**
   * The core may have lost what it knew of us, and we what it said: each session says anew where it is, by a new pipe,
   * and only then the former pipes go. Media goes on over them meanwhile.
   */
  #onUp(): void {
    this.#lostTimer?.cancel();
    this.#lostTimer = null;
    this.#options.onDraining(this, null);
    this.#toldDown.clear();
    const closeFormer = this.#pipes.leaveAll();
    const moved = [...this.#sessions.values()].map((session) => session.channelBack());
    void Promise.allSettled(moved).then(closeFormer);
  }

  #checkIdle(): void {
    if (this.#closed || this.#client.up || this.#sessions.size > 0) return;
    this.close();
    this.#options.onIdle();
  }
}

function isOfRoom(event: CoreEventTuple): event is RoomEventTuple {
  return event[0].startsWith('room.');
}
