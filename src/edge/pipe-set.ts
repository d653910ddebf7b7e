/**
 * The media pipes of a POP to one core: for each of the POP's workers one in use, and where the core has several ways one
 * more for each, ready to be used. Owns the pipes, their probes and by which way each worker sends; the sessions on them
 * are told by core-link.ts.
 */
import { randomUUID } from 'node:crypto';
import { MediaPipe, type MediaWorker, type PathQuality, PipeProbe, type PortRange } from '../backbone/index.ts';
import type { Clock, Timer } from '../clock.ts';
import type { BackboneWay } from '../config/index.ts';
import { AntipodeError, asAntipodeError } from '../errors.ts';
import type { Logger } from '../telemetry/index.ts';
import type { CoreRequests } from './core-link.ts';
import { afterReading, chosenWay, NEW_WAY, type WayState } from './way-choice.ts';

export interface PipeSetOptions {
  coreNodeId: string;
  /** Of both ends, the preferred one first: `name` is the core's, the rest is where our end listens. */
  ways: readonly BackboneWay[];
  ports: PortRange | null;
  request: CoreRequests;
  clock: Clock;
  log: Logger;
  /** A pipe in use carries nothing any more. */
  onGone(pipe: MediaPipe): void;
  /** Its worker has a better one. */
  onBetter(pipe: MediaPipe): void;
  /** The way in use is another one. */
  onWayChanged(to: string, why: WayState['health']): void;
}

/** A way as it is measured now. */
export interface MeasuredWay {
  readonly name: string;
  readonly inUse: boolean;
  readonly health: WayState['health'];
  /** Of the last half minute; null where nothing measures it. */
  readonly quality: PathQuality | null;
}

interface Entry {
  readonly pipeId: string;
  opening: Promise<MediaPipe>;
  pipe: MediaPipe | null;
  probe: PipeProbe | null;
  /** The core said that it closed while we were still opening. */
  closedByCore: boolean;
}

/** One worker's pipes by way. */
interface WorkerPipes {
  readonly byWay: (Entry | null)[];
  readonly states: WayState[];
  inUse: number;
}

/** Between probes of a pipe in use, of one that waits, and where there is no other way to change to. */
const PROBE_MS = { used: 100, waiting: 250, only: 250 } as const;
const LOOK_MS = 500;
/** Of the readings that a way is chosen by, and of those that are told. */
const CHOICE_WINDOW_MS = 5_000;
const TOLD_WINDOW_MS = 30_000;
/** A way that could not be opened is tried again. */
const REOPEN_MS = 15_000;

export class PipeSet {
  readonly #options: PipeSetOptions;
  readonly #workers = new Map<MediaWorker, WorkerPipes>();
  #lookTimer: Timer | null = null;
  readonly #reopenTimers = new Set<Timer>();
  #closed = false;

  constructor(options: PipeSetOptions) {
    this.#options = options;
  }

  /** Pipes in use. */
  get size(): number {
    return [...this.#workers.values()].filter(({ byWay, inUse }) => byWay[inUse] !== null).length;
  }

  /** The pipe that this worker is to use; whoever asks while it is being opened waits for the same one. @throws as `CoreLink.pipe` */
  async pipe(worker: MediaWorker): Promise<MediaPipe> {
    const pipes = this.#of(worker);
    const { ways, log, coreNodeId } = this.#options;
    for (;;) {
      const way = pipes.inUse;
      try {
        const pipe = await this.#opened(worker, pipes, way);
        for (let other = 0; other < ways.length; other++) if (other !== way) this.#keepReady(worker, pipes, other);
        return pipe;
      } catch (error) {
        const next = way + 1;
        const { code, message } = asAntipodeError(error);
        // Only a way of its own can be at fault for what is wrong with it.
        if (next >= ways.length || code !== 'ERR_MEDIA_PARAMETERS') throw error;
        log.warn({ core: coreNodeId, way: ways[way]?.name, message }, 'a way can not be used; taking the next one');
        pipes.states[way] = { ...NEW_WAY, health: 'dead' };
        pipes.inUse = next;
      }
    }
  }

  /** The pipe of this id that is open now, or null. */
  byId(pipeId: string): MediaPipe | null {
    for (const { byWay } of this.#workers.values()) {
      for (const entry of byWay) if (entry?.pipe?.pipeId === pipeId && !entry.pipe.closed) return entry.pipe;
    }
    return null;
  }

  /** Best known figures of each way, of whichever worker measured most. */
  get measured(): MeasuredWay[] {
    return this.#options.ways.map(({ name }, way) => {
      let quality: PathQuality | null = null;
      let health: WayState['health'] = 'well';
      let inUse = false;
      for (const pipes of this.#workers.values()) {
        inUse ||= pipes.inUse === way;
        if (pipes.states[way]!.health !== 'well') health = pipes.states[way]!.health;
        const read = pipes.byWay[way]?.probe?.quality(TOLD_WINDOW_MS) ?? null;
        if (read !== null && read.probes > (quality?.probes ?? 0)) quality = read;
      }
      return { name, inUse, health, quality };
    });
  }

  /** The core said so. */
  closedByCore(pipeId: string): void {
    for (const { byWay } of this.#workers.values()) {
      for (const entry of byWay) {
        if (entry?.pipeId !== pipeId) continue;
        entry.closedByCore = true;
        entry.pipe?.close();
        return;
      }
    }
  }

  /** Nothing counts any more, new pipes are opened when they are asked for; the function closes the former ones. */
  leaveAll(): () => void {
    const former = [...this.#workers.values()].flatMap(({ byWay }) => byWay);
    // How the ways are is known still.
    for (const pipes of this.#workers.values()) pipes.byWay.fill(null);
    return () => {
      for (const entry of former) entry?.pipe?.close();
    };
  }

  /** Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#lookTimer?.cancel();
    for (const timer of this.#reopenTimers) timer.cancel();
    this.leaveAll()();
  }

  #of(worker: MediaWorker): WorkerPipes {
    const known = this.#workers.get(worker);
    if (known) return known;
    const { ways } = this.#options;
    const pipes = { byWay: ways.map(() => null), states: ways.map(() => NEW_WAY), inUse: 0 };
    this.#workers.set(worker, pipes);
    return pipes;
  }

  #opened(worker: MediaWorker, pipes: WorkerPipes, way: number): Promise<MediaPipe> {
    const present = pipes.byWay[way];
    if (present) return present.opening;
    const entry: Entry = {
      pipeId: randomUUID(),
      opening: Promise.resolve() as never,
      pipe: null,
      probe: null,
      closedByCore: false,
    };
    entry.opening = this.#open(worker, pipes, way, entry);
    pipes.byWay[way] = entry;
    entry.opening.catch(() => this.#forget(pipes, way, entry));
    return entry.opening;
  }

  async #open(worker: MediaWorker, pipes: WorkerPipes, way: number, entry: Entry): Promise<MediaPipe> {
    const { ways, ports, request, log, coreNodeId } = this.#options;
    const { name, listenIp, announcedAddress } = ways[way]!;
    const { pipeId } = entry;
    const pipe = await MediaPipe.create(worker, { pipeId, listenIp, announcedAddress, ports });
    try {
      const remote = await request('pipe.open', { ...pipe.local, ...(ways.length > 1 && { way: name }) });
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
      const wasUsed = pipes.inUse === way && pipes.byWay[way] === entry;
      this.#forget(pipes, way, entry);
      if (reason === 'worker-died') this.#workers.delete(worker);
      if (reason === 'worker-died' || !entry.closedByCore) this.#tellClosed(pipeId);
      if (this.#closed) return;
      log.warn({ core: coreNodeId, pipeId, way: name, worker: worker.name, reason, wasUsed }, 'a media pipe is gone');
      this.#options.onGone(pipe);
    });
    log.info({ core: coreNodeId, pipeId, way: name, worker: worker.name }, 'a media pipe is open');
    void this.#probe(worker, pipes, way, entry, pipe);
    return pipe;
  }

  /** A core of an earlier version sends nothing back: its paths are measured by heartbeats alone, and it has one way. */
  async #probe(worker: MediaWorker, pipes: WorkerPipes, way: number, entry: Entry, pipe: MediaPipe): Promise<void> {
    const { clock, request, ways, log, coreNodeId } = this.#options;
    try {
      entry.probe = await PipeProbe.open({
        ...{ worker, pipe, clock },
        intervalMs: this.#paceOf(pipes, way),
        ask: async (stream) => (await request('pipe.probe', { pipeId: pipe.pipeId, stream })).stream,
      });
      if (ways.length > 1) this.#look();
    } catch (error) {
      if (pipe.closed || this.#closed) return;
      const { code, message } = asAntipodeError(error);
      log.warn({ core: coreNodeId, way: ways[way]?.name, code, message }, 'a media pipe is not measured');
    }
  }

  #paceOf(pipes: WorkerPipes, way: number): number {
    if (this.#options.ways.length === 1) return PROBE_MS.only;
    return pipes.inUse === way ? PROBE_MS.used : PROBE_MS.waiting;
  }

  #keepReady(worker: MediaWorker, pipes: WorkerPipes, way: number): void {
    if (pipes.byWay[way] !== null || this.#closed) return;
    const { clock, log, ways, coreNodeId } = this.#options;
    this.#opened(worker, pipes, way).catch((error: unknown) => {
      if (this.#closed || !worker.alive) return;
      const { code, message } = asAntipodeError(error);
      log.warn({ core: coreNodeId, way: ways[way]?.name, code, message }, 'a second way could not be made ready');
      const timer = clock.setTimeout(() => {
        this.#reopenTimers.delete(timer);
        if (this.#workers.get(worker) === pipes) this.#keepReady(worker, pipes, way);
      }, REOPEN_MS);
      this.#reopenTimers.add(timer);
    });
  }

  #look(): void {
    this.#lookTimer?.cancel();
    if (this.#closed) return;
    this.#lookTimer = this.#options.clock.setTimeout(() => this.#look(), LOOK_MS);
    for (const [worker, pipes] of this.#workers) this.#lookAt(worker, pipes);
  }

  #lookAt(worker: MediaWorker, pipes: WorkerPipes): void {
    const nowMs = this.#options.clock.now();
    for (const [way, entry] of pipes.byWay.entries()) {
      const probe = entry?.probe ?? null;
      if (probe === null) continue;
      const reading = { quality: probe.quality(CHOICE_WINDOW_MS), silentMs: probe.silentMs };
      pipes.states[way] = afterReading(pipes.states[way]!, reading, nowMs);
    }
    // A way without a pipe can't be changed to.
    const usable = pipes.states.map(
      (state, way): WayState => (pipes.byWay[way]?.pipe ? state : { ...state, health: 'dead' }),
    );
    const next = chosenWay(usable, pipes.inUse);
    if (next !== pipes.inUse) this.#change(worker, pipes, next);
  }

  #change(worker: MediaWorker, pipes: WorkerPipes, next: number): void {
    const { ways, log, coreNodeId, onWayChanged, onGone, onBetter } = this.#options;
    const former = pipes.inUse;
    const health = pipes.states[former]!.health;
    const left = pipes.byWay[former];
    pipes.inUse = next;
    for (const [way, entry] of pipes.byWay.entries()) {
      if (entry?.probe) entry.probe.intervalMs = this.#paceOf(pipes, way);
    }
    const [from, to] = [ways[former]!.name, ways[next]!.name];
    log.warn({ core: coreNodeId, worker: worker.name, from, to, health }, 'media takes another way');
    onWayChanged(to, health);
    if (!left?.pipe) return;
    // What is said from now on waits for the new way where the former one swallows it.
    if (health === 'dead') onGone(left.pipe);
    else onBetter(left.pipe);
  }

  #forget(pipes: WorkerPipes, way: number, entry: Entry): void {
    entry.probe?.close();
    if (pipes.byWay[way] === entry) pipes.byWay[way] = null;
  }

  /** So that the core does not keep its end. A core that can't be told lets it go with the channel. */
  #tellClosed(pipeId: string): void {
    this.#options.request('pipe.close', { pipeId }).catch((error) => {
      this.#options.log.debug(
        { core: this.#options.coreNodeId, pipeId, err: error },
        'the core did not close its end of a pipe',
      );
    });
  }
}
