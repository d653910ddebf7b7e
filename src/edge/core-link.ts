/**
 * A POP's tie to one core: the control channel and one media pipe for each of the POP's workers, opened when first
 * asked for and kept. Hands events to the sessions that joined, and says which pipe they lost. Owns no session.
 */
import { randomUUID } from 'node:crypto';
import {
  ControlClient,
  type ControlClientOptions,
  type CoreEventData,
  type CoreEventTuple,
  type HandledPopRequestMethod,
  MediaPipe,
  type MediaWorker,
  type PopEventData,
  type PopEventName,
  type PopRequestAnswer,
  type PopRequestData,
  type PortRange,
  type RttSpread,
} from '../backbone/index.ts';
import type { Clock, Timer } from '../clock.ts';
import { AntipodeError } from '../errors.ts';
import type { Logger } from '../telemetry/index.ts';

/** A control channel that is down for longer than this takes its sessions with it. */
export const CORE_LOST_AFTER_MS = 5_000;

export type SessionEventTuple = Exclude<CoreEventTuple, ['pipe.closed', unknown]>;

/** What a session hears of its link. None of these may throw. */
export interface LinkSession {
  readonly sessionId: string;
  coreEvent(...event: SessionEventTuple): void;
  /** This pipe carries nothing any more: find another way if it was yours. */
  pipeGone(pipe: MediaPipe): void;
  /** The channel was away and words may have been lost: tell the core again where you are. Resolves when that is done. */
  channelBack(): Promise<void>;
  /** The channel is down. */
  channelDown?(): void;
  /** The channel was away for too long. */
  coreLost(): void;
}

export interface CoreLinkOptions extends Pick<ControlClientOptions, 'host' | 'port' | 'identity' | 'region'> {
  coreNodeId: string;
  requestTimeoutMs: number;
  /** Where our ends of the pipes listen. */
  listenIp: string;
  announcedAddress: string | null;
  /** Their UDP ports; null: any. */
  ports: PortRange | null;
  clock: Clock;
  log: Logger;
  metrics: ControlClientOptions['metrics'];
  /** The channel is down and no session needs it. */
  onIdle: () => void;
}

interface PipeEntry {
  pipeId: string;
  opening: Promise<MediaPipe>;
  pipe: MediaPipe | null;
  /** The core said that it closed while we were still opening. */
  closedByCore: boolean;
}

export class CoreLink {
  readonly #options: CoreLinkOptions;
  readonly #client: ControlClient;
  readonly #sessions = new Map<string, LinkSession>();
  readonly #pipes = new Map<MediaWorker, PipeEntry>();
  #lostTimer: Timer | null = null;
  #closed = false;

  private constructor(options: CoreLinkOptions, client: ControlClient) {
    this.#options = options;
    this.#client = client;
    client.on('event', (...event) => this.#onEvent(event));
    client.on('down', () => this.#onDown());
    client.on('up', () => this.#onUp());
  }

  /** @throws as ControlClient.connect */
  static async open(options: CoreLinkOptions): Promise<CoreLink> {
    const client = await ControlClient.connect({ ...options, expectNodeId: options.coreNodeId });
    return new CoreLink(options, client);
  }

  get coreNodeId(): string {
    return this.#options.coreNodeId;
  }

  /** False when it is of no use for new sessions and must be opened anew. */
  get usable(): boolean {
    return !this.#closed && !this.#client.closed;
  }

  get up(): boolean {
    return this.#client.up;
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
      this.#checkIdle();
    };
  }

  /**
   * The pipe between `worker` and this core; whoever asks while it is being opened waits for the same one.
   * @throws ERR_MEDIA_WORKER_DIED, ERR_BACKBONE_CLOSED, ERR_BACKBONE_TIMEOUT, what the core says
   */
  pipe(worker: MediaWorker): Promise<MediaPipe> {
    const present = this.#pipes.get(worker);
    if (present) return present.opening;
    const entry: PipeEntry = {
      pipeId: randomUUID(),
      opening: Promise.resolve() as never,
      pipe: null,
      closedByCore: false,
    };
    entry.opening = this.#openPipe(worker, entry);
    this.#pipes.set(worker, entry);
    entry.opening.catch(() => this.#forget(worker, entry));
    return entry.opening;
  }

  /** Ends channel and pipes. The sessions are not told: who closes a link ends them. Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#lostTimer?.cancel();
    for (const { pipe } of [...this.#pipes.values()]) pipe?.close();
    this.#client.close();
  }

  async #openPipe(worker: MediaWorker, entry: PipeEntry): Promise<MediaPipe> {
    const { listenIp, announcedAddress, ports, log, coreNodeId } = this.#options;
    const { pipeId } = entry;
    const pipe = await MediaPipe.create(worker, { pipeId, listenIp, announcedAddress, ports });
    try {
      const remote = await this.#client.request('pipe.open', pipe.local);
      await pipe.connect(remote);
      if (entry.closedByCore || this.#closed) {
        throw new AntipodeError('ERR_BACKBONE_CLOSED', `Core ${coreNodeId} closed the pipe again.`);
      }
    } catch (error) {
      pipe.close();
      this.#tellClosed(pipeId);
      throw error;
    }
    entry.pipe = pipe;
    pipe.onClose((reason) => {
      this.#forget(worker, entry);
      if (reason === 'worker-died' || !entry.closedByCore) this.#tellClosed(pipeId);
      if (this.#closed) return;
      log.warn({ core: coreNodeId, pipeId, worker: worker.name, reason }, 'a media pipe is gone');
      for (const session of [...this.#sessions.values()]) session.pipeGone(pipe);
    });
    log.info({ core: coreNodeId, pipeId, worker: worker.name }, 'a media pipe is open');
    return pipe;
  }

  #forget(worker: MediaWorker, entry: PipeEntry): void {
    if (this.#pipes.get(worker) === entry) this.#pipes.delete(worker);
  }

  /** So that the core does not keep its end. A core that can't be told lets it go with the channel. */
  #tellClosed(pipeId: string): void {
    if (!this.#client.up) return;
    this.#client.request('pipe.close', { pipeId }).catch((error) => {
      this.#options.log.debug(
        { core: this.coreNodeId, pipeId, err: error },
        'the core did not close its end of a pipe',
      );
    });
  }

  #onEvent(event: CoreEventTuple): void {
    if (event[0] === 'pipe.closed') {
      this.#onPipeClosed(event[1]);
      return;
    }
    this.#sessions.get(event[1].sessionId)?.coreEvent(...(event as SessionEventTuple));
  }

  #onPipeClosed({ pipeId }: CoreEventData<'pipe.closed'>): void {
    for (const entry of this.#pipes.values()) {
      if (entry.pipeId !== pipeId) continue;
      entry.closedByCore = true;
      entry.pipe?.close();
      return;
    }
  }

  #onDown(): void {
    if (this.#closed) return;
    this.#checkIdle();
    if (this.#closed) return;
    for (const session of [...this.#sessions.values()]) session.channelDown?.();
    this.#lostTimer ??= this.#options.clock.setTimeout(() => {
      this.#lostTimer = null;
      for (const session of [...this.#sessions.values()]) session.coreLost();
    }, CORE_LOST_AFTER_MS);
  }

  /**
   * The core may have lost what it knew of us, and we what it said: each session says anew where it is, by a new pipe,
   * and only then the former pipes go. Media goes on over them meanwhile.
   */
  #onUp(): void {
    this.#lostTimer?.cancel();
    this.#lostTimer = null;
    const former = [...this.#pipes.values()];
    this.#pipes.clear();
    const moved = [...this.#sessions.values()].map((session) => session.channelBack());
    void Promise.allSettled(moved).then(() => {
      for (const { pipe } of former) pipe?.close();
    });
  }

  #checkIdle(): void {
    if (this.#closed || this.#client.up || this.#sessions.size > 0) return;
    this.close();
    this.#options.onIdle();
  }
}
