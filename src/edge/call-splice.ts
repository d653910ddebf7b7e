/**
 * Where a caller's transport and whichever core speaks are joined: the tap and the writer of one call, their producers
 * on the POP's worker, and the present way over a pipe. Tap and writer outlive workers, pipes and cores; producers and
 * ways are made anew. Owns no control messages: it is told what the core answered.
 */
import type { Consumer, DirectTransport, Producer, Router } from 'mediasoup/types';
import {
  type MediaPipe,
  type MediaWorker,
  opusProducerParameters,
  type PipeStream,
  type ReceivedStream,
} from '../backbone/index.ts';
import type { Clock } from '../clock.ts';
import { AntipodeError } from '../errors.ts';
import { directCapabilities } from './direct-capabilities.ts';
import { type DownlinkInput, DownlinkWriter } from './downlink-writer.ts';
import type { EdgeMetrics } from './edge-metrics.ts';
import { mediaFailure } from './media-failure.ts';
import type { Played } from './played-position.ts';
import { Reflex, type ReflexOptions } from './reflex.ts';
import { type AudioLevel, UplinkTap } from './uplink-tap.ts';

export interface CallSpliceOptions {
  clock: Clock;
  metrics: EdgeMetrics;
  ringSeconds: number;
  /** SSRC of the caller's voice to the core, unique among the producers of the worker's direct transport. */
  uplinkSsrc: number;
  /** SSRC of the agent's voice, likewise. */
  downlinkSsrc: number;
  /** First sequence number (16 bits) and timestamp (32 bits) of the agent's voice. */
  firstSequenceNumber: number;
  firstTimestamp: number;
  onPlayed: (played: Played) => void;
  /** Told how loud each of the caller's packets is. */
  onLevel?: ((level: Readonly<AudioLevel>) => void) | undefined;
  /** Null: the agent is silenced by its core only. */
  reflex: Pick<ReflexOptions, 'log' | 'onDucked' | 'pathRttMs' | 'settings'> | null;
}

/** Both producers on one process of one worker. */
interface Ends {
  direct: DirectTransport;
  router: Router;
  uplink: Producer;
  downlink: Producer;
}

/** One way over a pipe, in both directions. */
interface Way {
  pipe: MediaPipe;
  close(): void;
}

export class CallSplice {
  readonly tap: UplinkTap;
  readonly writer: DownlinkWriter;
  readonly reflex: Reflex | null;
  readonly #options: CallSpliceOptions;
  #ends: Ends | null = null;
  #way: Way | null = null;
  #closed = false;

  constructor(options: CallSpliceOptions) {
    const { clock, metrics } = options;
    this.#options = options;
    this.tap = new UplinkTap({
      ssrc: options.uplinkSsrc,
      ringSeconds: options.ringSeconds,
      clock,
      onResult: metrics.countUplink,
      onLevel: (level) => {
        this.reflex?.heard(level, this.tap.lastPacket);
        options.onLevel?.(level);
      },
      onNoLevel: () => this.reflex?.heardWithoutLevel(),
    });
    this.writer = new DownlinkWriter({
      ssrc: options.downlinkSsrc,
      clock,
      firstSequenceNumber: options.firstSequenceNumber,
      firstTimestamp: options.firstTimestamp,
      write: (packet) => sendTo(this.#ends?.downlink, packet),
      onPlayed: options.onPlayed,
      onResult: metrics.countDownlink,
    });
    this.reflex = options.reflex && new Reflex({ ...options.reflex, writer: this.writer, clock, metrics });
  }

  /** The pipe that the call uses now, or null. */
  get pipe(): MediaPipe | null {
    return this.#way?.pipe ?? null;
  }

  /** Whether the producers stand: false before `build` and after their worker's death. */
  get built(): boolean {
    return this.#ends !== null && !this.#ends.uplink.closed && !this.#ends.downlink.closed;
  }

  /** What the caller consumes. @throws ERR_MEDIA_WORKER_DIED when nothing is built */
  get downlinkProducerId(): string {
    if (!this.#ends || !this.built) {
      throw new AntipodeError('ERR_MEDIA_WORKER_DIED', 'The media of this call is gone.');
    }
    return this.#ends.downlink.id;
  }

  /** Makes the producers on `worker`; those on a former one are let go. @throws ERR_MEDIA_WORKER_DIED */
  async build(worker: MediaWorker): Promise<void> {
    this.#clear();
    const { direct, router } = worker;
    const produce = (ssrc: number) => direct.produce({ kind: 'audio', rtpParameters: opusProducerParameters(ssrc) });
    const made = await Promise.allSettled([produce(this.#options.uplinkSsrc), produce(this.#options.downlinkSsrc)]);
    const [uplink, downlink] = made;
    if (uplink.status === 'fulfilled' && downlink.status === 'fulfilled' && !this.#closed) {
      this.#ends = { direct, router, uplink: uplink.value, downlink: downlink.value };
      return;
    }
    for (const one of made) if (one.status === 'fulfilled') one.value.close();
    const failed = made.find((one) => one.status === 'rejected');
    if (!failed) throw ended();
    throw mediaFailure(failed.reason, direct, 'The streams of the splice could not be made.');
  }

  /**
   * Joins the call to a core over `pipe`; the former way is let go when the new one stands.
   * @param epoch the core's epoch
   * @param ask tells the core of the caller's stream and brings the core's
   * @param how `rewindTo`: the caller's packets from this one on go out again; `alone`: see UplinkTap
   * @throws what `ask` throws, ERR_BACKBONE_CLOSED, ERR_MEDIA_WORKER_DIED
   */
  async route(
    pipe: MediaPipe,
    epoch: number,
    ask: (uplink: PipeStream) => Promise<PipeStream>,
    { rewindTo = null, alone = false }: { rewindTo?: number | null; alone?: boolean } = {},
  ): Promise<void> {
    const ends = this.#ends;
    if (!ends || !this.built) throw new AntipodeError('ERR_MEDIA_WORKER_DIED', 'The media of this call is gone.');
    const { direct, router } = ends;
    const sent = await pipe.send(ends.uplink);
    let received: ReceivedStream | undefined;
    let heard: Consumer;
    let input: DownlinkInput;
    try {
      // Callers of a room are answered with the same stream.
      received = await pipe.receiveShared(await ask(sent.stream));
      heard = await direct.consume({ producerId: received.id, rtpCapabilities: directCapabilities(router) });
      if (this.#closed) throw ended();
      if (this.#ends !== ends) throw new AntipodeError('ERR_MEDIA_WORKER_DIED', 'The media of this call is gone.');
      // Refuses a core that another one has followed meanwhile.
      input = this.writer.bind(epoch);
    } catch (error) {
      sent.close();
      received?.close();
      throw mediaFailure(error, direct, 'The stream of the core can not be listened to.');
    }
    const former = this.#way;
    const remote = received;
    this.#way = {
      pipe,
      close() {
        sent.close();
        remote.close();
      },
    };
    heard.on('rtp', (packet) => input.push(packet));
    former?.close();
    if (rewindTo !== null) this.tap.rewind(rewindTo, { alone });
    this.tap.attach((packet) => sendTo(ends.uplink, packet));
  }

  /** The core cut the agent off: what was not written of its frames before `beforeTimestamp` (48 kHz, 32 bits) is gone. */
  flush(beforeTimestamp: number): void {
    this.writer.flush(beforeTimestamp);
    this.reflex?.flushed();
  }

  /** The caller's packets wait in the ring until `goOn` or the next `route`: what the core hears ends here. Idempotent. */
  holdCaller(): void {
    this.tap.detach();
  }

  /** The way that there is goes on after `holdCaller`. */
  goOn(): void {
    const ends = this.#ends;
    if (ends && this.#way) this.tap.attach((packet) => sendTo(ends.uplink, packet));
  }

  /** The way is dead: the caller's packets wait in the ring until the next `route`. Idempotent. */
  unroute(): void {
    this.tap.detach();
    this.#way?.close();
    this.#way = null;
  }

  /** Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#clear();
    this.tap.close();
    this.reflex?.close();
    this.writer.close();
  }

  #clear(): void {
    this.unroute();
    this.#ends?.uplink.close();
    this.#ends?.downlink.close();
    this.#ends = null;
  }
}

/** A producer whose worker died takes nothing and throws; what was meant for it is lost with the worker. */
function sendTo(producer: Producer | undefined, packet: Buffer): void {
  if (producer && !producer.closed) producer.send(packet);
}

function ended(): AntipodeError {
  return new AntipodeError('ERR_SESSION_ENDED', 'The call ended meanwhile.');
}
