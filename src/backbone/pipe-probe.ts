/**
 * Probes on one media pipe: small packets that the other end sends back, so that the path is measured by what media goes
 * through, whether anybody speaks or not. Owns the probe's streams and its timer; what was measured is path-meter.ts.
 */
import { randomInt } from 'node:crypto';
import type { Producer } from 'mediasoup/types';
import type { Clock, Timer } from '../clock.ts';
import { AntipodeError } from '../errors.ts';
import type { MediaPipe } from './media-pipe.ts';
import type { MediaWorker } from './media-worker.ts';
import { OPUS_FRAME_TIMESTAMP_STEP, opusProducerParameters, PIPE_OPUS_PAYLOAD_TYPE } from './opus-stream.ts';
import { PathMeter, type PathQuality } from './path-meter.ts';
import type { PipeStream } from './protocol.ts';
import { buildRtp, parseRtp } from './rtp.ts';

export interface PipeProbeOptions {
  worker: MediaWorker;
  pipe: MediaPipe;
  clock: Clock;
  intervalMs: number;
  /** Tells the other end of the stream, and brings the one that comes back. */
  ask(stream: PipeStream): Promise<PipeStream>;
}

/** Above those of callers, which count up from below. */
const SSRC_RANGE = [0x8000_0000, 0xffff_fffe] as const;
/** Opus silence: any packet with a payload would do. */
const PAYLOAD = Buffer.from([0xf8, 0xff, 0xfe]);

export class PipeProbe {
  readonly #clock: Clock;
  readonly #meter: PathMeter;
  readonly #producer: Producer;
  readonly #ssrc: number;
  #intervalMs: number;
  #timer: Timer | null = null;
  #closed = false;

  private constructor({ clock, intervalMs }: PipeProbeOptions, producer: Producer, ssrc: number) {
    this.#clock = clock;
    this.#intervalMs = intervalMs;
    this.#meter = new PathMeter(clock.now());
    this.#producer = producer;
    this.#ssrc = ssrc;
  }

  /** @throws what `ask` throws, ERR_BACKBONE_CLOSED, ERR_MEDIA_PARAMETERS, ERR_MEDIA_WORKER_DIED */
  static async open(options: PipeProbeOptions): Promise<PipeProbe> {
    const { worker, pipe, ask } = options;
    const ssrc = randomInt(...SSRC_RANGE);
    const { direct, router } = worker;
    const producer = await direct.produce({ kind: 'audio', rtpParameters: opusProducerParameters(ssrc) });
    try {
      const sent = await pipe.send(producer);
      const echo = await pipe.receive(await ask(sent.stream));
      const consumer = await direct.consume({ producerId: echo.id, rtpCapabilities: router.rtpCapabilities });
      if (pipe.closed) throw new AntipodeError('ERR_BACKBONE_CLOSED', `Pipe ${pipe.pipeId} closed.`);
      const probe = new PipeProbe(options, producer, ssrc);
      consumer.on('rtp', (packet) => probe.#onPacket(packet));
      pipe.onClose(() => probe.close());
      probe.#send();
      return probe;
    } catch (error) {
      producer.close();
      throw error;
    }
  }

  /** From the next probe on. */
  set intervalMs(intervalMs: number) {
    this.#intervalMs = intervalMs;
  }

  /** Since the last probe came back. */
  get silentMs(): number {
    return this.#meter.silentMs(this.#clock.now());
  }

  quality(windowMs: number): PathQuality {
    return this.#meter.quality(this.#clock.now(), windowMs);
  }

  /** Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#timer?.cancel();
    this.#producer.close();
  }

  #send(): void {
    if (this.#closed || this.#producer.closed) return;
    const number = this.#meter.sent(this.#clock.now());
    this.#producer.send(
      buildRtp({
        payloadType: PIPE_OPUS_PAYLOAD_TYPE,
        marker: false,
        sequenceNumber: number & 0xffff,
        timestamp: (number * OPUS_FRAME_TIMESTAMP_STEP) >>> 0,
        ssrc: this.#ssrc,
        payload: PAYLOAD,
      }),
    );
    this.#timer = this.#clock.setTimeout(() => this.#send(), this.#intervalMs);
  }

  #onPacket(packet: Buffer): void {
    const view = parseRtp(packet);
    if (view === null || this.#closed) return;
    const newest = this.#meter.count - 1;
    this.#meter.back(newest - ((newest - view.sequenceNumber) & 0xffff), this.#clock.now());
  }
}
