/**
 * The media side of a POP: its workers, its calls, its links to cores. Owns them all and what they share; signaling
 * drives it, and nothing here knows of sockets or tokens.
 */
import { randomInt } from 'node:crypto';
import type { SessionEnd } from '../agent/client-events.ts';
import { MediaWorker, type MediaWorkerUsage, type RenewableIdentity } from '../backbone/index.ts';
import type { Clock } from '../clock.ts';
import { backboneWays, type Config } from '../config/index.ts';
import { AntipodeError } from '../errors.ts';
import type { Logger, Registry } from '../telemetry/index.ts';
import type { CallRequest } from './call-request.ts';
import { CallRoom } from './call-room.ts';
import { type ClientRtpCapabilities, clientRtpCapabilities } from './client-rtp.ts';
import type { MeasuredPath } from './core-link.ts';
import { CoreLinks } from './core-links.ts';
import type { DownlinkResult } from './downlink-writer.ts';
import { DrainedCores } from './drained-cores.ts';
import { EdgeCall, type EdgeCallStats } from './edge-call.ts';
import { EdgeMetrics } from './edge-metrics.ts';
import { PathMetrics } from './path-metrics.ts';
import type { MeasuredWay } from './pipe-set.ts';
import type { EdgeRoom } from './room.ts';
import { roomMetrics } from './room-metrics.ts';
import { type EdgeRoomStats, EdgeRooms } from './rooms.ts';
import type { UplinkResult } from './uplink-tap.ts';

export interface EdgeOptions {
  config: Config;
  nodeId: string;
  identity: RenewableIdentity;
  clock: Clock;
  log: Logger;
  metrics: Registry;
  /** mediasoup worker binary; mediasoup's own choice when absent. */
  workerBin?: string;
}

export interface EdgeWorkerStats {
  name: string;
  pid: number;
  calls: number;
  /** Since the process started; null while it is being replaced. */
  usage: MediaWorkerUsage | null;
}

export interface EdgeStats {
  workers: EdgeWorkerStats[];
  cores: {
    nodeId: string;
    up: boolean;
    rttMs: number | null;
    sessions: number;
    pipes: number;
    /** By which address the control channel reaches it. */
    controlWay: string;
    /** And media. */
    ways: MeasuredWay[];
  }[];
  /** Calls that run now. */
  calls: EdgeCallStats[];
  rooms: EdgeRoomStats[];
  /** Packets of all calls since the start, those that ended included. */
  uplink: Record<UplinkResult, number>;
  downlink: Record<DownlinkResult, number>;
}

interface EdgeParts {
  options: EdgeOptions;
  workers: MediaWorker[];
  links: CoreLinks;
  rooms: EdgeRooms;
  drained: { cores: DrainedCores | null };
  metrics: EdgeMetrics;
}

export class Edge {
  readonly #options: EdgeOptions;
  readonly #workers: MediaWorker[];
  readonly #links: CoreLinks;
  readonly #rooms: EdgeRooms;
  readonly #drained: DrainedCores;
  readonly #metrics: EdgeMetrics;
  readonly #calls = new Map<string, EdgeCall>();
  /** Sessions whose call is being opened, and the worker that it will be on. */
  readonly #opening = new Map<string, MediaWorker>();
  #nextSsrc = randomInt(1, 0x7fff_ffff);
  #closing: Promise<void> | null = null;

  private constructor({ options, workers, links, rooms, drained, metrics }: EdgeParts) {
    this.#options = options;
    this.#workers = workers;
    this.#links = links;
    this.#rooms = rooms;
    const { clock, log } = options;
    this.#drained = new DrainedCores({ calls: () => this.#calls.values(), clock, log });
    drained.cores = this.#drained;
    this.#metrics = metrics;
    for (const worker of workers) {
      worker.on('died', () => this.#onWorker(worker, (call) => call.workerDied()));
      worker.on('restarted', () => this.#onWorker(worker, (call) => void call.workerRestarted()));
    }
  }

  /** @throws ERR_MEDIA_WORKER_MISSING, ERR_PORT_IN_USE, ERR_CONFIG_INVALID, ERR_MEDIA_WORKER_DIED */
  static async start(options: EdgeOptions): Promise<Edge> {
    const { config, nodeId, identity, clock, log, metrics, workerBin } = options;
    const { workers: workerCount, mediaPort, listenIp, announcedAddress } = config.edge;
    const started = await Promise.allSettled(
      Array.from({ length: workerCount }, (_, index) =>
        MediaWorker.start({
          name: `${nodeId}-${index}`,
          workerBin,
          log,
          metrics,
          clock,
          webRtcServer: { listenIp, port: mediaPort === 0 ? 0 : mediaPort + index, announcedAddress },
        }),
      ),
    );
    const workers = started.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
    const failed = started.find((one) => one.status === 'rejected');
    if (failed) {
      await Promise.all(workers.map((worker) => worker.close()));
      throw failed.reason;
    }
    const rooms = new EdgeRooms({ nodeId, clock, log, metrics: roomMetrics(metrics) });
    // No channel is open before the edge stands.
    const drained: EdgeParts['drained'] = { cores: null };
    const links = new CoreLinks({
      identity,
      region: config.node.region,
      requestTimeoutMs: config.backbone.requestTimeoutMs,
      ways: backboneWays(config.backbone),
      suspectAfterMs: config.backbone.suspectAfterMs,
      ports: config.backbone.ports,
      dialFrom: config.backbone.dialFrom,
      clock,
      log,
      metrics,
      onDraining: ({ coreNodeId }, withinMs) => drained.cores?.told(coreNodeId, withinMs),
      onRoom: (link, event) => rooms.told(link, ...event),
      onWayChanged: (way, left) => paths.changes.inc({ way, left }),
    });
    const paths = new PathMetrics(metrics, () => links.all);
    return new Edge({ options, workers, links, rooms, drained, metrics: new EdgeMetrics(metrics) });
  }

  /** What clients load their device with: audio only. */
  get routerRtpCapabilities(): ClientRtpCapabilities {
    return clientRtpCapabilities((this.#workers[0] as MediaWorker).router);
  }

  /** And in rooms: video too. */
  get roomRtpCapabilities(): ClientRtpCapabilities {
    return clientRtpCapabilities((this.#workers[0] as MediaWorker).router, ['audio', 'video']);
  }

  /** A room with callers here, or nothing. */
  room(name: string): EdgeRoom | undefined {
    return this.#rooms.get(name);
  }

  get callCount(): number {
    return this.#calls.size;
  }

  call(sessionId: string): EdgeCall | undefined {
    return this.#calls.get(sessionId);
  }

  /**
   * Opens a call: the caller's transports, the splice and the session at its core, side by side.
   * @throws ERR_SHUTTING_DOWN, ERR_MEDIA_STATE when the session has a call here, ERR_MEDIA_WORKER_DIED when no worker
   * runs, ERR_BACKBONE_CLOSED, ERR_BACKBONE_TIMEOUT, what the core says
   */
  async openCall(request: CallRequest): Promise<EdgeCall> {
    const { sessionId } = request;
    if (this.#closing) throw new AntipodeError('ERR_SHUTTING_DOWN', 'This POP is shutting down.');
    if (this.#calls.has(sessionId) || this.#opening.has(sessionId)) {
      throw new AntipodeError('ERR_MEDIA_STATE', 'This session has a call at this POP already.');
    }
    const { config, clock, log } = this.#options;
    const { worker, room } = this.#placeFor(request);
    this.#opening.set(sessionId, worker);
    try {
      const call = await EdgeCall.open({
        request,
        worker,
        room,
        links: this.#links,
        splice: {
          ringSeconds: config.edge.uplinkRingSeconds,
          uplinkSsrc: this.#takeSsrc(),
          downlinkSsrc: this.#takeSsrc(),
          firstSequenceNumber: randomInt(0x1_0000),
          firstTimestamp: randomInt(0x1_0000_0000),
        },
        reflex: config.edge.reflex.enabled ? config.edge.reflex : null,
        listenIp: config.edge.listenIp,
        announcedAddress: config.edge.announcedAddress,
        mediaConnectTimeoutMs: config.limits.mediaConnectTimeoutMs,
        resumeWindowMs: config.limits.resumeWindowMs,
        takeOverGraceMs: config.edge.takeOver.graceMs,
        clock,
        log,
        metrics: this.#metrics,
        onEnded: (ended) => this.#onEnded(ended),
      });
      // Closed, or its worker died, while it was being opened: nobody told the call, which was not in the list yet.
      if (this.#closing) {
        await call.close({ code: 'node-shutdown', reason: 'This POP is shutting down.' });
        throw new AntipodeError('ERR_SHUTTING_DOWN', 'This POP is shutting down.');
      }
      if (!call.mediaAlive) {
        await call.close({ code: 'caller-lost', reason: 'The media process of this call ended.' });
        throw new AntipodeError('ERR_MEDIA_WORKER_DIED', 'The media process of this call ended.');
      }
      this.#calls.set(sessionId, call);
      this.#metrics.calls.set(this.#calls.size);
      this.#drained.opened(call);
      return call;
    } finally {
      this.#opening.delete(sessionId);
    }
  }

  /** Round trips to the cores that this POP is connected to, where enough were measured. */
  paths(): (MeasuredPath & { coreNodeId: string; way: string | null; region: string; sessions: number })[] {
    return this.#links.all.flatMap((link) => {
      const path = link.path;
      return path === null
        ? []
        : [
            {
              coreNodeId: link.coreNodeId,
              way: link.mediaWay,
              region: link.coreRegion,
              sessions: link.sessionCount,
              ...path,
            },
          ];
    });
  }

  async stats(): Promise<EdgeStats> {
    const workers = this.#workers.map(async (worker): Promise<EdgeWorkerStats> => {
      const usage = worker.alive ? await worker.cpuUsage().catch(() => null) : null;
      return { name: worker.name, pid: worker.pid, calls: this.#callsOn(worker), usage };
    });
    return {
      workers: await Promise.all(workers),
      cores: this.#links.all.map((link) => ({
        nodeId: link.coreNodeId,
        up: link.up,
        rttMs: link.rttMs(),
        sessions: link.sessionCount,
        pipes: link.pipeCount,
        controlWay: link.controlWay,
        ways: link.ways,
      })),
      calls: [...this.#calls.values()].map((call) => call.stats()),
      rooms: this.#rooms.stats(),
      uplink: { ...this.#metrics.uplinkTotals },
      downlink: { ...this.#metrics.downlinkTotals },
    };
  }

  /** `close` is near: a media worker that ends before it is not replaced. */
  beginShutdown(): void {
    for (const worker of this.#workers) worker.retire();
  }

  /** Ends the calls with `end`, then pipes, channels and workers. Idempotent: the first reason counts. */
  close(end: SessionEnd): Promise<void> {
    this.#closing ??= this.#close(end);
    return this.#closing;
  }

  async #close(end: SessionEnd): Promise<void> {
    await Promise.allSettled([...this.#calls.values()].map((call) => call.close(end)));
    this.#links.close();
    this.#drained.close();
    this.#rooms.close();
    await Promise.all(this.#workers.map((worker) => worker.close()));
  }

  #onEnded(call: EdgeCall): void {
    if (this.#calls.get(call.sessionId) !== call) return;
    this.#calls.delete(call.sessionId);
    this.#metrics.calls.set(this.#calls.size);
  }

  #onWorker(worker: MediaWorker, tell: (call: EdgeCall) => void): void {
    for (const call of [...this.#calls.values()]) if (call.worker === worker) tell(call);
  }

  /** All callers of a room are on one worker, so that they hear each other there. */
  #placeFor({ sessionId, room: name, seat }: CallRequest): { worker: MediaWorker; room: CallRoom | null } {
    if (!seat) return { worker: this.#leastLoaded(), room: null };
    const room = this.#rooms.open(name, () => this.#leastLoaded());
    if (!room.worker.alive) throw workerReplaced();
    return { worker: room.worker, room: new CallRoom(room, room.enter({ sessionId, ...seat })) };
  }

  #leastLoaded(): MediaWorker {
    const alive = this.#workers.filter((worker) => worker.alive);
    const [first, ...others] = alive;
    if (!first) throw workerReplaced();
    return others.reduce((least, worker) => (this.#callsOn(worker) < this.#callsOn(least) ? worker : least), first);
  }

  #callsOn(worker: MediaWorker): number {
    let count = 0;
    for (const call of this.#calls.values()) if (call.worker === worker) count += 1;
    for (const on of this.#opening.values()) if (on === worker) count += 1;
    return count;
  }

  /** Unique on every direct transport until 2^32 calls later. */
  #takeSsrc(): number {
    const ssrc = this.#nextSsrc;
    this.#nextSsrc = ssrc === 0xffff_ffff ? 1 : ssrc + 1;
    return ssrc;
  }
}

function workerReplaced(): AntipodeError {
  return new AntipodeError('ERR_MEDIA_WORKER_DIED', 'The media process is being replaced; try again.');
}
