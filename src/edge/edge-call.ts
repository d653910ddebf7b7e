/**
 * One call at the POP: the caller's media on one side, the splice and the route to the core on the other, and the time
 * limits that end it. Everything of it is closed exactly once. Owns no worker and no link: the edge lends them.
 */
import { EventEmitter } from 'node:events';
import type { IceParameters } from 'mediasoup/types';
import type { ClientEvent, ClientMessage, SessionEnd } from '../agent/client-events.ts';
import type { MediaWorker } from '../backbone/index.ts';
import type { Clock, Timer } from '../clock.ts';
import { AntipodeError, asAntipodeError } from '../errors.ts';
import type { Logger } from '../telemetry/index.ts';
import type { CallRequest } from './call-request.ts';
import type { CallRoom } from './call-room.ts';
import { CallRoute } from './call-route.ts';
import { CallSplice, type CallSpliceOptions } from './call-splice.ts';
import { type CallerConsumer, CallerMedia, type Offer } from './caller-media.ts';
import type { CoreLinks } from './core-links.ts';
import type { DownlinkWriterStats } from './downlink-writer.ts';
import { EarlyEvents } from './early-events.ts';
import type { EdgeMetrics } from './edge-metrics.ts';
import type { HandedOver, HandOverRequest } from './hand-over.ts';
import { MediaWatch, type MediaWatchOptions } from './media-watch.ts';
import { type PlainCaller, type PlainDoor, PlainMedia } from './plain-media.ts';
import type { ReflexSettings, ReflexStats } from './reflex.ts';
import type { Participant, RoomNotice } from './room-notices.ts';
import type { MediaKind, SeatedCall } from './room-seat.ts';
import { RoomWay } from './room-way.ts';
import type { UplinkTapStats } from './uplink-tap.ts';

export type EdgeCallEvents = {
  /** What the agent tells the client. Those before the first listener wait for it. */
  event: [ClientEvent];
  /** The caller's transports are gone with their worker: the client must come back for new ones (`renewMedia`). */
  mediaLost: [{ code: string; reason: string }];
  /** In a room: what is told of those there. */
  participant: [RoomNotice, Participant];
  /** Once. */
  ended: [SessionEnd];
};

export interface EdgeCallOptions extends Pick<MediaWatchOptions, 'mediaConnectTimeoutMs' | 'resumeWindowMs'> {
  request: CallRequest;
  worker: MediaWorker;
  /** Its seat in a room, or null. */
  room: CallRoom | null;
  links: CoreLinks;
  /** Where plain media listens, and the address that is told instead. */
  listenIp: string;
  announcedAddress: string | null;
  splice: Omit<CallSpliceOptions, 'clock' | 'metrics' | 'onPlayed' | 'reflex'>;
  /** Null: switched off. */
  reflex: ReflexSettings | null;
  clock: Clock;
  log: Logger;
  metrics: EdgeMetrics;
  /** See CallRoute. */
  takeOverGraceMs: number;
  /** Called once, when the call ends. */
  onEnded: (call: EdgeCall) => void;
}

export interface EdgeCallStats {
  sessionId: string;
  uplink: UplinkTapStats;
  downlink: DownlinkWriterStats;
  /** Null: switched off. */
  reflex: ReflexStats | null;
}

/** A core ends a session that was without a pipe for 10 s. */
const HOLD_MS = 8_000;

export class EdgeCall extends EventEmitter<EdgeCallEvents> {
  readonly sessionId: string;
  readonly worker: MediaWorker;
  readonly #options: EdgeCallOptions;
  readonly #splice: CallSplice;
  readonly #route: CallRoute;
  readonly #roomWay: RoomWay | null;
  readonly #watch: MediaWatch;
  readonly #earlyEvents: EarlyEvents;
  #media: CallerMedia | PlainMedia | null = null;
  /** Settles when the splice is built on the worker that runs now. */
  #built = Promise.withResolvers<void>();
  #renewing: Promise<void> | null = null;
  /** Runs while the core waits for a caller whose media process died. */
  #holdTimer: Timer | null = null;
  #end: SessionEnd | null = null;
  #closing: Promise<void> | null = null;

  private constructor(options: EdgeCallOptions) {
    super();
    const { request, worker, links, clock, metrics } = options;
    const log = options.log.child({ sessionId: request.sessionId });
    this.#options = { ...options, log };
    this.sessionId = request.sessionId;
    this.worker = worker;
    this.#earlyEvents = new EarlyEvents(
      (event) => this.#guard(() => this.emit('event', event)),
      ({ type }) => log.warn({ type }, 'nobody listens to this call; an event is dropped'),
    );
    const { room } = options;
    this.#roomWay = room && new RoomWay({ sessionId: request.sessionId, log, onArrived: (core) => room.arrived(core) });
    this.#splice = new CallSplice({
      ...options.splice,
      clock,
      metrics,
      onPlayed: (played) => this.#route.played(played),
      onLevel: room ? (level) => room.heard(level) : undefined,
      reflex: options.reflex && {
        settings: options.reflex,
        log,
        pathRttMs: () => this.#route.rttMs(),
        onDucked: (ducked) => this.#route.ducked(ducked),
      },
    });
    this.#route = new CallRoute({
      request,
      worker,
      splice: this.#splice,
      links,
      takeOverGraceMs: options.takeOverGraceMs,
      roomWay: this.#roomWay,
      clock,
      log,
      metrics,
      onEvent: (event) => {
        if (!this.#end) this.#earlyEvents.push(event);
      },
      onEnded: (end) => void this.#finish(end, end.code === 'agent-failed'),
    });
    this.#watch = new MediaWatch({
      ...options,
      onTimeout: (reason) => void this.#finish({ code: 'caller-lost', reason }, true),
    });
    this.#built.promise.catch(() => {});
    (this as EventEmitter).on('newListener', (event) => {
      if (event === 'event') queueMicrotask(() => this.#earlyEvents.release());
    });
  }

  /**
   * Makes the caller's transports and the splice and attaches the session at its core, side by side.
   * @throws what the core says, ERR_BACKBONE_CLOSED, ERR_BACKBONE_TIMEOUT, ERR_MEDIA_WORKER_DIED
   */
  static async open(options: EdgeCallOptions): Promise<EdgeCall> {
    const call = new EdgeCall(options);
    const opened = await Promise.allSettled([call.#route.attach(call.#build()), call.#openMedia()]);
    const failed = opened.find((part) => part.status === 'rejected');
    if (failed) {
      const failure = asAntipodeError(failed.reason);
      // A session of another POP outlives the attempt: its core waits on for a POP that can.
      const code = options.request.adopt ? 'replaced' : 'agent-failed';
      await call.#finish({ code, reason: failure.message }, true);
      throw failure;
    }
    if (call.#end) throw new AntipodeError('ERR_SESSION_ENDED', call.#end.reason);
    call.#watch.awaitConnection();
    options.room?.open(call.#seated(call.#roomWay!));
    return call;
  }

  /** Of the core that has it now. */
  get epoch(): number {
    return this.#route.epoch;
  }

  /** Node id of that core. */
  get coreId(): string {
    return this.#route.coreId;
  }

  /** Its room, as its client sees it; null when it has an agent of its own. */
  get room(): CallRoom | null {
    return this.#options.room;
  }

  /** Why it ended, or null. */
  get end(): SessionEnd | null {
    return this.#end;
  }

  /** The caller's transports exist and a client that kept its own may go on with them. */
  get mediaAlive(): boolean {
    return this.#media?.alive ?? false;
  }

  /** @throws ERR_MEDIA_WORKER_DIED when the transports are gone: `renewMedia` brings others */
  offer(): Offer {
    return this.#present().offer();
  }

  /** @throws ERR_MEDIA_STATE, ERR_MEDIA_PARAMETERS, ERR_MEDIA_WORKER_DIED, ERR_SESSION_ENDED */
  async connectTransport(transportId: string, dtlsParameters: unknown): Promise<void> {
    await this.#counted(this.#present().connect(transportId, dtlsParameters));
  }

  /** @throws ERR_MEDIA_STATE, ERR_MEDIA_WORKER_DIED, ERR_SESSION_ENDED */
  async restartIce(transportId: string): Promise<IceParameters> {
    return this.#present().restartIce(transportId);
  }

  /** Once, and only Opus; in a room video too, once. @throws ERR_MEDIA_STATE, ERR_MEDIA_PARAMETERS, ERR_MEDIA_WORKER_DIED, ERR_SESSION_ENDED */
  async produce(
    transportId: string,
    rtpParameters: unknown,
    kind: MediaKind = 'audio',
  ): Promise<{ producerId: string }> {
    return this.#counted(this.#present().produce(transportId, rtpParameters, kind));
  }

  /**
   * The agent's voice, or the stream of another in the room; each once.
   * @throws ERR_MEDIA_STATE, ERR_MEDIA_PARAMETERS, ERR_MEDIA_WORKER_DIED, ERR_SESSION_ENDED
   */
  async consume(transportId: string, rtpCapabilities: unknown, producerId?: string): Promise<CallerConsumer> {
    return this.#counted(this.#present().consume(transportId, rtpCapabilities, producerId));
  }

  /**
   * New transports for a client that comes back without its own; the session at the core goes on. Waits for the
   * worker's replacement when it just died. Concurrent calls share one renewal.
   * @throws ERR_MEDIA_WORKER_DIED, ERR_SESSION_ENDED
   */
  renewMedia(): Promise<void> {
    this.#renewing ??= this.#renew().finally(() => {
      this.#renewing = null;
    });
    return this.#renewing;
  }

  /**
   * Take the caller by plain SRTP instead of WebRTC: the offered transports are closed.
   * @throws ERR_MEDIA_PARAMETERS, ERR_MEDIA_WORKER_DIED, ERR_SESSION_ENDED
   */
  async connectPlain(caller: PlainCaller): Promise<PlainDoor> {
    const former = this.#present();
    const media = await this.#counted(
      PlainMedia.create({
        worker: this.worker,
        listenIp: this.#options.listenIp,
        announcedAddress: this.#options.announcedAddress,
        caller,
        downlinkProducerId: this.#splice.downlinkProducerId,
        onUplink: (packet) => this.#splice.tap.push(packet),
        room: this.#options.room ?? undefined,
        onChange: () => this.#onMediaChange(),
      }),
    );
    if (this.#end || this.#media !== former) {
      media.close();
      throw new AntipodeError('ERR_SESSION_ENDED', this.#end?.reason ?? 'The media of this call changed meanwhile.');
    }
    this.#media = media;
    former.close();
    return media.door;
  }

  /** Words for the agent. @throws ERR_REQUEST_TOO_LARGE */
  sendMessage(message: ClientMessage): void {
    if (!this.#end) this.#route.sendMessage(message);
  }

  /** The client lost or regained its signaling; told to the core. */
  callerConnection(state: 'connected' | 'disconnected'): void {
    if (!this.#end) this.#route.callerConnection(state);
  }

  /**
   * Moves the call to another core while its own goes on. When that does not come about it goes on where it is.
   * @throws ERR_HANDOVER_REFUSED with the reason, what placement says, ERR_SESSION_ENDED
   */
  async handOver(request: HandOverRequest): Promise<HandedOver> {
    this.#assertRunning();
    return this.#route.handOver(request);
  }

  /** Ends the call; resolves when the core knows or can't be told. Idempotent: the first reason counts. */
  close(end: SessionEnd): Promise<void> {
    return this.#finish(end, true);
  }

  stats(): EdgeCallStats {
    const { tap, writer, reflex } = this.#splice;
    return {
      sessionId: this.sessionId,
      uplink: tap.stats(),
      downlink: writer.stats(),
      reflex: reflex?.stats() ?? null,
    };
  }

  /** The edge tells that `worker` died. */
  workerDied(): void {
    if (this.#end) return;
    const { metrics, log } = this.#options;
    this.#built = Promise.withResolvers<void>();
    this.#built.promise.catch(() => {});
    this.#splice.unroute();
    this.#media?.close();
    this.#media = null;
    metrics.mediaLost.inc();
    log.warn({ worker: this.worker.name }, 'the media of a call is gone with its worker');
    this.#watch.lost();
    const reason = 'The media process of this call ended.';
    this.#guard(() => this.emit('mediaLost', { code: 'ERR_MEDIA_WORKER_DIED', reason }));
  }

  /** The edge tells that `worker` runs again. */
  async workerRestarted(): Promise<void> {
    if (this.#end) return;
    try {
      await this.#build();
      this.#rerouteWhenHeard();
    } catch (error) {
      // Dead again: its next replacement tries again, and the caller's time to come back goes on running.
      this.#options.log.warn({ code: asAntipodeError(error).code }, 'the splice could not be built anew');
    }
  }

  /**
   * A core without a pipe holds its words. It gets one when the caller is back to hear them, or when it would give up.
   */
  #rerouteWhenHeard(): void {
    this.#holdTimer?.cancel();
    this.#holdTimer = null;
    if (this.#media?.ready) this.#route.reroute();
    else this.#holdTimer = this.#options.clock.setTimeout(() => this.#route.reroute(), HOLD_MS);
  }

  async #build(): Promise<void> {
    const built = this.#built;
    await this.#splice.build(this.worker);
    built.resolve();
  }

  async #openMedia(): Promise<void> {
    const media = await CallerMedia.create({
      worker: this.worker,
      downlinkProducerId: () => this.#splice.downlinkProducerId,
      onUplink: (packet) => this.#splice.tap.push(packet),
      room: this.#options.room ?? undefined,
      onChange: () => this.#onMediaChange(),
    });
    if (this.#end) {
      media.close();
      throw new AntipodeError('ERR_SESSION_ENDED', this.#end.reason);
    }
    this.#media = media;
  }

  async #renew(): Promise<void> {
    this.#assertRunning();
    const former = this.#media;
    this.#media = null;
    former?.close();
    this.#watch.awaitConnection();
    await this.#built.promise;
    await this.#openMedia();
  }

  /** What the room asks of this call. */
  #seated(way: RoomWay): SeatedCall {
    return {
      notice: (notice, participant) => this.#guard(() => this.emit('participant', notice, participant)),
      muted: (muted) => way.muted(muted),
      shareVideo: (producer) => way.video(producer),
      removed: () => void this.#finish({ code: 'deleted', reason: 'A moderator ended this call.' }, true),
      order: (participantId, order) => way.order(participantId, order),
    };
  }

  #onMediaChange(): void {
    const media = this.#media;
    if (!media || this.#end) return;
    if (media.ready) this.#route.mediaReady();
    if (media.ready && this.#holdTimer) this.#rerouteWhenHeard();
    this.#watch.observe(media);
  }

  async #counted<T>(request: Promise<T>): Promise<T> {
    try {
      return await request;
    } catch (error) {
      const failure = asAntipodeError(error);
      if (failure.code === 'ERR_MEDIA_PARAMETERS') this.#options.metrics.mediaFailures.inc({ reason: 'parameters' });
      throw failure;
    }
  }

  /** A listener that throws must not take other calls with it. */
  #guard(emit: () => void): void {
    try {
      emit();
    } catch (error) {
      this.#options.log.error({ err: error }, 'a listener of a call threw');
    }
  }

  #present(): CallerMedia {
    this.#assertRunning();
    if (this.#media instanceof PlainMedia) {
      throw new AntipodeError('ERR_MEDIA_STATE', 'This call has plain media, not WebRTC.');
    }
    if (!this.#media) throw new AntipodeError('ERR_MEDIA_WORKER_DIED', 'The media of this call is gone.');
    return this.#media;
  }

  #assertRunning(): void {
    if (this.#end) throw new AntipodeError('ERR_SESSION_ENDED', this.#end.reason);
  }

  #finish(end: SessionEnd, tellCore: boolean): Promise<void> {
    this.#closing ??= this.#close(end, tellCore);
    return this.#closing;
  }

  async #close(end: SessionEnd, tellCore: boolean): Promise<void> {
    const { log, metrics, onEnded } = this.#options;
    this.#end = end;
    this.#options.room?.leave();
    this.#roomWay?.close();
    this.#watch.close();
    this.#holdTimer?.cancel();
    this.#built.reject(new AntipodeError('ERR_SESSION_ENDED', end.reason));
    const told = this.#route.close(end, tellCore);
    this.#media?.close();
    this.#media = null;
    this.#splice.close();
    metrics.callsEnded.inc({ code: end.code });
    log.info({ code: end.code, reason: end.reason }, 'a call ended');
    onEnded(this);
    this.#guard(() => this.emit('ended', end));
    await told;
  }
}
