/**
 * The POP's half of a call without an edge: a real worker, a real pipe, packets of our own making. Whatever carries the
 * requests to the core (a control channel, or the session host itself) comes from outside.
 */
import { randomInt } from 'node:crypto';
import type { Consumer, Producer } from 'mediasoup/types';
import {
  buildRtp,
  type HandledPopRequestMethod,
  MediaPipe,
  MediaWorker,
  opusProducerParameters,
  type PipeStream,
  type PopRequestAnswer,
  type PopRequestData,
  parseRtp,
  type RtpView,
} from '../../../src/backbone/index.ts';
import { systemClock } from '../../../src/clock.ts';
import { createMetrics, silentLogger } from '../../../src/telemetry/index.ts';

export type Ask = <M extends HandledPopRequestMethod>(
  method: M,
  data: PopRequestData<M>,
) => Promise<PopRequestAnswer<M>>;

export function workerBin(): string {
  const bin = process.env.MEDIASOUP_WORKER_BIN;
  if (!bin)
    throw new Error('These tests need a mediasoup worker: set MEDIASOUP_WORKER_BIN, or run them by `npm test`.');
  return bin;
}

export function startWorker(name: string): Promise<MediaWorker> {
  return MediaWorker.start({
    name,
    workerBin: workerBin(),
    log: silentLogger,
    metrics: createMetrics({ processMetrics: false }),
    clock: systemClock,
  });
}

/** One caller's streams at the POP. */
export class ScriptedCaller {
  readonly sessionId: string;
  readonly epoch: number;
  readonly heard: RtpView[] = [];
  /** What the core speaks by, as it answered last. */
  downlink: PipeStream | null = null;
  readonly #pop: ScriptedPop;
  readonly #ssrc = randomInt(1, 0xffff_ffff);
  #producer: Producer | null = null;
  #sequenceNumber = 0;
  #timestamp = 0;
  #wake: (() => void) | null = null;

  constructor(pop: ScriptedPop, sessionId: string, epoch: number) {
    this.#pop = pop;
    this.sessionId = sessionId;
    this.epoch = epoch;
  }

  get name(): { sessionId: string; epoch: number } {
    return { sessionId: this.sessionId, epoch: this.epoch };
  }

  async attach(agent: string, more: Partial<PopRequestData<'session.attach'>> = {}): Promise<void> {
    const uplink = await this.#send();
    const { downlink } = await this.#pop.ask('session.attach', {
      ...this.name,
      pipeId: this.#pop.pipeId,
      agent,
      room: 'room-1',
      residency: null,
      confinement: null,
      metadata: { from: 'test' },
      uplink,
      ...more,
    });
    await this.#receive(downlink);
  }

  async ready(): Promise<void> {
    await this.#pop.ask('session.ready', this.name);
  }

  async detach(end: PopRequestData<'session.detach'>['end']): Promise<void> {
    await this.#pop.ask('session.detach', { ...this.name, end });
  }

  async repipe(): Promise<void> {
    const uplink = await this.#send();
    const { downlink } = await this.#pop.ask('session.repipe', { ...this.name, pipeId: this.#pop.pipeId, uplink });
    await this.#receive(downlink);
  }

  /** The next 20 ms of the caller's voice. */
  speak(payload: Uint8Array): void {
    this.#producer?.send(
      buildRtp({
        payloadType: 100,
        marker: false,
        sequenceNumber: this.#sequenceNumber++,
        timestamp: this.#timestamp,
        ssrc: this.#ssrc,
        payload,
      }),
    );
    this.#timestamp += 960;
  }

  /** Resolves when `count` packets were heard in all. */
  async hears(count: number): Promise<void> {
    while (this.heard.length < count) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  async #send(): Promise<PipeStream> {
    this.#producer?.close();
    this.#producer = await this.#pop.worker.direct.produce({
      kind: 'audio',
      rtpParameters: opusProducerParameters(this.#ssrc),
    });
    return (await this.#pop.pipe.send(this.#producer)).stream;
  }

  async #receive(downlink: PipeStream): Promise<void> {
    this.downlink = downlink;
    const producer = await this.#pop.pipe.receiveShared(downlink);
    const consumer: Consumer = await this.#pop.worker.direct.consume({
      producerId: producer.id,
      rtpCapabilities: this.#pop.worker.router.rtpCapabilities,
    });
    consumer.on('rtp', (packet) => {
      const view = parseRtp(packet);
      if (!view) throw new Error('mediasoup gave what is no RTP');
      this.heard.push(view);
      this.#wake?.();
    });
  }
}

export class ScriptedPop {
  readonly worker: MediaWorker;
  readonly ask: Ask;
  readonly #name: string;
  #pipe: MediaPipe | null = null;
  #pipes = 0;

  /** @param name begins the names of its pipes */
  constructor(worker: MediaWorker, ask: Ask, name = 'pipe') {
    this.worker = worker;
    this.ask = ask;
    this.#name = name;
  }

  get pipe(): MediaPipe {
    if (!this.#pipe) throw new Error('no pipe is open');
    return this.#pipe;
  }

  get pipeId(): string {
    return this.pipe.pipeId;
  }

  /** A pipe to the core in place of the one before. */
  async openPipe(): Promise<void> {
    this.#pipe?.close();
    this.#pipes += 1;
    const pipe = await MediaPipe.create(this.worker, {
      pipeId: `${this.#name}-${this.#pipes}`,
      listenIp: '127.0.0.1',
      announcedAddress: null,
    });
    await pipe.connect(await this.ask('pipe.open', pipe.local));
    this.#pipe = pipe;
  }

  caller(sessionId: string, epoch = 1): ScriptedCaller {
    return new ScriptedCaller(this, sessionId, epoch);
  }
}
