/** Real media workers and pipes for tests. Whoever starts one closes it. */
import type { Consumer, Producer } from 'mediasoup/types';
import {
  buildRtp,
  MediaPipe,
  MediaWorker,
  type MediaWorkerOptions,
  opusProducerParameters,
  PIPE_OPUS_PAYLOAD_TYPE,
  parseRtp,
  type RtpView,
} from '../../../src/backbone/index.ts';
import { systemClock } from '../../../src/clock.ts';
import { createMetrics, type Registry, silentLogger } from '../../../src/telemetry/index.ts';

export function workerBin(): string {
  const bin = process.env.MEDIASOUP_WORKER_BIN;
  if (!bin)
    throw new Error('These tests need a mediasoup worker: set MEDIASOUP_WORKER_BIN, or run them by `npm test`.');
  return bin;
}

export function startWorker(name: string, options: Partial<MediaWorkerOptions> = {}): Promise<MediaWorker> {
  return MediaWorker.start({
    name,
    workerBin: workerBin(),
    log: silentLogger,
    metrics: createMetrics({ processMetrics: false }),
    clock: systemClock,
    ...options,
  });
}

export async function joinedPipes(a: MediaWorker, b: MediaWorker): Promise<[MediaPipe, MediaPipe]> {
  const options = { pipeId: 'pipe-1', listenIp: '127.0.0.1', announcedAddress: null };
  const pair = await Promise.all([MediaPipe.create(a, options), MediaPipe.create(b, options)]);
  await Promise.all([pair[0].connect(pair[1].local), pair[1].connect(pair[0].local)]);
  return pair;
}

/** A stream from `from`'s direct transport over the pipes to a consumer on `to`'s. */
export class Stream {
  readonly producer: Producer;
  readonly consumer: Consumer;
  readonly ssrc: number;
  readonly received: RtpView[] = [];
  #wake: (() => void) | null = null;

  private constructor(producer: Producer, consumer: Consumer, ssrc: number) {
    this.producer = producer;
    this.consumer = consumer;
    this.ssrc = ssrc;
    consumer.on('rtp', (packet) => {
      const view = parseRtp(packet);
      if (!view) throw new Error('mediasoup gave what is no RTP');
      this.received.push(view);
      this.#wake?.();
    });
  }

  static async open(
    from: MediaWorker,
    out: MediaPipe,
    into: MediaPipe,
    to: MediaWorker,
    ssrc: number,
  ): Promise<Stream> {
    const producer = await from.direct.produce({ kind: 'audio', rtpParameters: opusProducerParameters(ssrc) });
    const sent = await out.send(producer);
    const arrived = await into.receive(sent.stream);
    const consumer = await to.direct.consume({
      producerId: arrived.id,
      rtpCapabilities: to.router.rtpCapabilities,
      paused: false,
    });
    return new Stream(producer, consumer, ssrc);
  }

  /** A packet whose payload says its own number. */
  send(sequenceNumber: number, timestamp: number, payload = Buffer.from(`packet ${sequenceNumber}`)): void {
    this.producer.send(
      buildRtp({
        payloadType: PIPE_OPUS_PAYLOAD_TYPE,
        marker: false,
        sequenceNumber,
        timestamp,
        ssrc: this.ssrc,
        payload,
      }),
    );
  }

  async until(count: number): Promise<void> {
    while (this.received.length < count) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}

export function processIsAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

export async function metricValue(registry: Registry, name: string, labels: Record<string, string>): Promise<number> {
  const metric = await registry.getSingleMetric(name)?.get();
  const found = metric?.values.find((value) =>
    Object.entries(labels).every(([key, wanted]) => value.labels[key as keyof typeof value.labels] === wanted),
  );
  return found?.value ?? 0;
}
