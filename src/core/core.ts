/**
 * A core node: media workers, the control channel that POPs dial, the node's ticker, and the sessions that agents run
 * in. Owns their start and their orderly end.
 */
import type { SessionEnd } from '../agent/client-events.ts';
import { ControlServer, MediaWorker, type MediaWorkerUsage, type RenewableIdentity } from '../backbone/index.ts';
import type { Clock, Timer } from '../clock.ts';
import { backboneWays, type Config } from '../config/index.ts';
import type { AgentDescription, MeasuredLegs } from '../registry/index.ts';
import type { Logger, Registry } from '../telemetry/index.ts';
import { Admission, type AnnouncedCapacity, type AnnouncedLoad } from './admission.ts';
import { AdmissionMeter } from './admission-meter.ts';
import type { AgentStarter } from './agent-starter.ts';
import { CoreMetrics, type CoreTotals } from './core-metrics.ts';
import type { LatenessPercentiles } from './lateness-record.ts';
import { LegTimes, timed } from './leg-times.ts';
import { NodeClock } from './node-clock.ts';
import { createOpusDecoder } from './opus-codec.ts';
import { SessionHost } from './session-host.ts';
import { WorkerPool } from './worker-pool.ts';

export interface CoreOptions {
  config: Pick<Config, 'node' | 'core' | 'backbone' | 'limits'>;
  nodeId: string;
  identity: RenewableIdentity;
  /** An AgentHost; not closed with the core. */
  agents: AgentStarter;
  clock: Clock;
  log: Logger;
  metrics: Registry;
  /** mediasoup worker binary. @defaultValue MEDIASOUP_WORKER_BIN, else the one in the mediasoup package */
  workerBin?: string;
  /** Told the number of sessions whenever it changes. */
  onSessionCount?: (sessions: number) => void;
}

export interface CoreStats {
  sessions: number;
  /** A worker that is being replaced has no usage. */
  workers: { name: string; pid: number; generation: number; usage: MediaWorkerUsage | null }[];
  /** Lateness of the 20 ms ticker since the start, ms. */
  tickLatenessMs: LatenessPercentiles;
  /** Counts since the start: see core-metrics.ts. */
  totals: Readonly<CoreTotals>;
  /** As the node's record tells it. */
  capacity: AnnouncedCapacity;
  load: AnnouncedLoad;
}

/** The POP ends a call that lasts too long; the core ends it this much later, should the POP have forgotten it. */
const EXPIRY_MARGIN_MS = 60_000;
const PUBLISH_INTERVAL_MS = 1_000;

export class Core {
  readonly control: { readonly host: string; readonly port: number };
  readonly #options: CoreOptions;
  readonly #server: ControlServer;
  readonly #host: SessionHost;
  readonly #workers: WorkerPool;
  readonly #nodeClock: NodeClock;
  readonly #metrics: CoreMetrics;
  readonly #legTimes: LegTimes;
  readonly #admission: Admission;
  #publishTimer: Timer | null = null;
  #closing: Promise<void> | null = null;

  private constructor(
    options: CoreOptions,
    parts: {
      server: ControlServer;
      host: SessionHost;
      workers: WorkerPool;
      nodeClock: NodeClock;
      metrics: CoreMetrics;
      legTimes: LegTimes;
      admission: Admission;
    },
  ) {
    this.#options = options;
    this.#server = parts.server;
    this.#host = parts.host;
    this.#workers = parts.workers;
    this.#nodeClock = parts.nodeClock;
    this.#metrics = parts.metrics;
    this.#legTimes = parts.legTimes;
    this.#admission = parts.admission;
    this.control = { host: options.config.core.controlHost, port: parts.server.port };
    this.#publish();
  }

  /**
   * Leaves nothing behind when it fails.
   * @throws ERR_MEDIA_WORKER_MISSING, ERR_MEDIA_WORKER_DIED, ERR_PORT_IN_USE, ERR_CONFIG_INVALID
   */
  static async start(options: CoreOptions): Promise<Core> {
    const { config, nodeId, identity, agents, clock, log, metrics: registry, workerBin } = options;
    const stack = new AsyncDisposableStack();
    try {
      const metrics = new CoreMetrics(registry, nodeId);
      const starting = Array.from({ length: config.core.workers }, (_, index) =>
        MediaWorker.start({ name: `${nodeId}-${index}`, workerBin, log, metrics: registry, clock }),
      );
      // Loads the codec, so that the first caller need not wait for it.
      const [started, decoder] = await Promise.all([Promise.allSettled(starting), createOpusDecoder()]);
      decoder.close();
      const alive = started.flatMap((one) => (one.status === 'fulfilled' ? [stack.use(one.value)] : []));
      const failed = started.find((one) => one.status === 'rejected');
      if (failed) throw failed.reason;
      const workers = new WorkerPool(alive, clock);
      const meter = new AdmissionMeter({ totals: metrics.totals });
      const onLateness = (latenessMs: number) => {
        metrics.tickWasLate(latenessMs);
        meter.ticked(latenessMs);
      };
      const nodeClock = stack.adopt(new NodeClock({ clock, log, onLateness }), (it) => it.close());
      const legTimes = new LegTimes({ clock });
      const admission = stack.adopt(
        new Admission({
          capacity: config.core.capacity,
          settings: config.core.admission,
          maxSessions: config.limits.maxSessions,
          sample: () => meter.take(host.sessionCount),
          clock,
          log,
          metrics: registry,
          nodeId,
        }),
        (it) => it.close(),
      );
      const host: SessionHost = stack.adopt(
        new SessionHost({
          agents: timed(agents, legTimes),
          workers,
          nodeClock,
          clock,
          log,
          metrics,
          admission,
          maxSessionMs: config.limits.maxSessionSeconds * 1_000 + EXPIRY_MARGIN_MS,
          popGraceMs: config.core.popGraceMs,
          reorderWaitMs: config.core.reorderWaitMs,
          listenIp: config.backbone.listenIp,
          announcedAddress: config.backbone.announcedAddress,
          ways: backboneWays(config.backbone),
          ports: config.backbone.ports,
          ...(options.onSessionCount && { onSessionCount: options.onSessionCount }),
        }),
        (it) => it.close(),
      );
      const server = await ControlServer.listen({
        host: config.core.controlHost,
        port: config.core.controlPort,
        identity,
        region: config.node.region,
        clock,
        log,
        metrics: registry,
        handlers: host,
        suspectAfterMs: config.backbone.suspectAfterMs,
      });
      stack.move();
      return new Core(options, { server, host, workers, nodeClock, metrics, legTimes, admission });
    } catch (error) {
      await stack.disposeAsync();
      throw error;
    }
  }

  get sessionCount(): number {
    return this.#host.sessionCount;
  }

  /** Sessions that it takes now, for the node's record. */
  get capacity(): AnnouncedCapacity {
    return this.#admission.announced(this.sessionCount);
  }

  /** How busy it is, for the node's record. */
  get load(): AnnouncedLoad {
    return this.#admission.load(this.sessionCount);
  }

  get agents(): AgentDescription[] {
    return this.#options.agents.agents;
  }

  /** What was measured of its agents' turns, for the node's record. */
  get measured(): MeasuredLegs {
    return this.#legTimes.measured;
  }

  async stats(): Promise<CoreStats> {
    this.#metrics.totals.ticksSkipped = this.#nodeClock.skippedTicks;
    const workers = await Promise.all(
      this.#workers.workers.map(async (worker) => ({
        name: worker.name,
        pid: worker.pid,
        generation: worker.generation,
        // It may die while it is asked.
        usage: worker.alive ? await worker.cpuUsage().catch(() => null) : null,
      })),
    );
    return {
      sessions: this.sessionCount,
      workers,
      tickLatenessMs: this.#metrics.lateness.percentiles(),
      totals: { ...this.#metrics.totals },
      capacity: this.capacity,
      load: this.load,
    };
  }

  /** Tells the POPs to move its sessions to other cores within this time. */
  beginDrain(withinMs: number): void {
    this.#host.beginDrain(withinMs);
  }

  /** Sessions may stay. Idempotent. */
  endDrain(): void {
    this.#host.endDrain();
  }

  /** `close` is near: a media worker that ends before it is not replaced. */
  beginShutdown(): void {
    for (const worker of this.#workers.workers) worker.retire();
  }

  /** End every session with `end`, tell the POPs, leave no process behind. Idempotent. */
  close(end: SessionEnd): Promise<void> {
    this.#closing ??= this.#close(end);
    return this.#closing;
  }

  async #close(end: SessionEnd): Promise<void> {
    await this.#host.endAll(end);
    await this.#server.close();
    this.#host.close();
    this.#admission.close();
    this.#nodeClock.close();
    this.#publishTimer?.cancel();
    this.#metrics.publish();
    await this.#workers.close();
  }

  #publish(): void {
    this.#metrics.totals.ticksSkipped = this.#nodeClock.skippedTicks;
    this.#metrics.publish();
    this.#publishTimer = this.#options.clock.setTimeout(() => this.#publish(), PUBLISH_INTERVAL_MS);
  }
}
