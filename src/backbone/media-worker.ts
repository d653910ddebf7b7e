/**
 * One mediasoup worker process with one router and one direct transport, replaced by itself when it dies. Owns the
 * process: its start, its death, its end. Owns nothing that is built on the router: whoever built it hears 'died' and
 * builds anew after 'restarted'.
 */
import { EventEmitter } from 'node:events';
import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import * as mediasoup from 'mediasoup';
import type { DirectTransport, Router, WebRtcServer, Worker } from 'mediasoup/types';
import { type Clock, delay } from '../clock.ts';
import { AntipodeError, asAntipodeError } from '../errors.ts';
import { type Counter, counter, type Gauge, gauge, type Logger, type Registry } from '../telemetry/index.ts';
import { OPUS_ROUTER_CODECS } from './opus-stream.ts';
import { SendGather } from './send-gather.ts';
import { VIDEO_ROUTER_CODECS } from './video-stream.ts';
import { listenForCallers, type WebRtcListenOptions } from './webrtc-listen.ts';

export interface MediaWorkerOptions {
  /** Says which worker it is in logs and metrics, such as `pop-0`. */
  name: string;
  /** mediasoup worker binary. @defaultValue MEDIASOUP_WORKER_BIN, else the one in the mediasoup package */
  workerBin?: string;
  log: Logger;
  metrics: Registry;
  clock: Clock;
  /** Where callers' media arrives; a worker without it takes none (a core's). */
  webRtcServer?: WebRtcListenOptions;
}

export interface MediaWorkerUsage {
  /** CPU time of the worker process since it started, milliseconds. */
  userMs: number;
  systemMs: number;
  maxRssBytes: number;
}

export type MediaWorkerEvents = {
  /** The process is gone and with it the router and all that was on it; `generation` is the one that died. */
  died: [{ generation: number }];
  /** A replacement is ready: same object, next generation. */
  restarted: [MediaWorker];
};

/** Everything that dies with one worker process. */
interface Process {
  worker: Worker;
  router: Router;
  direct: DirectTransport;
  gather: SendGather;
  webRtcServer: WebRtcServer | undefined;
  webRtcPort: number | undefined;
  startedAtMs: number;
}

const BACKOFF_MIN_MS = 100;
const BACKOFF_MAX_MS = 5_000;
/** A worker that lived this long is replaced without delay. */
const STABLE_AFTER_MS = 10_000;
const CLOSE_TIMEOUT_MS = 1_000;

export class MediaWorker extends EventEmitter<MediaWorkerEvents> {
  readonly name: string;
  readonly #options: MediaWorkerOptions;
  readonly #deaths: Counter<'worker'>;
  readonly #up: Gauge<'worker'>;
  readonly #stop = new AbortController();
  #process: Process;
  #generation = 1;
  #alive = true;
  #quickDeaths = 0;
  #retired = false;
  #restarting: Promise<void> | null = null;
  #closing: Promise<void> | null = null;

  private constructor(options: MediaWorkerOptions, first: Process) {
    super();
    this.name = options.name;
    this.#options = options;
    this.#deaths = counter(options.metrics, 'antipode_media_worker_deaths_total', 'Media workers that died.', [
      'worker',
    ]);
    this.#up = gauge(options.metrics, 'antipode_media_worker_up', 'Whether the media worker runs (1) or not (0).', [
      'worker',
    ]);
    this.#deaths.inc({ worker: this.name }, 0);
    this.#process = first;
    this.#watch(first);
  }

  /**
   * @throws ERR_MEDIA_WORKER_MISSING when there is no binary that can be executed, ERR_PORT_IN_USE when the media port is
   * taken, ERR_CONFIG_INVALID when the address is none of this machine's, ERR_MEDIA_WORKER_DIED when it doesn't start
   */
  static async start(options: MediaWorkerOptions): Promise<MediaWorker> {
    return new MediaWorker(options, await spawnProcess(options));
  }

  /** Counts the processes of this object, from 1. */
  get generation(): number {
    return this.#generation;
  }

  /** False from a death to the replacement, and after `close`. */
  get alive(): boolean {
    return this.#alive;
  }

  get router(): Router {
    return this.#process.router;
  }

  get worker(): Worker {
    return this.#process.worker;
  }

  get direct(): DirectTransport {
    return this.#process.direct;
  }

  /** What is sent through the direct transport up to the end of this turn of the event loop leaves in one write. */
  gatherSends(): void {
    this.#process.gather.hold();
  }

  get webRtcServer(): WebRtcServer | undefined {
    return this.#process.webRtcServer;
  }

  /** UDP and TCP port of the WebRtcServer; with `port: 0` another one after a restart. */
  get webRtcPort(): number | undefined {
    return this.#process.webRtcPort;
  }

  get pid(): number {
    return this.#process.worker.pid;
  }

  /** @throws ERR_MEDIA_WORKER_DIED */
  async cpuUsage(): Promise<MediaWorkerUsage> {
    try {
      const usage = await this.#process.worker.getResourceUsage();
      return { userMs: usage.ru_utime, systemMs: usage.ru_stime, maxRssBytes: usage.ru_maxrss * 1024 };
    } catch (error) {
      throw new AntipodeError('ERR_MEDIA_WORKER_DIED', `Media worker ${this.name} is not running.`, { cause: error });
    }
  }

  /**
   * The process may end by itself from now on, and is then not replaced and not missed: a terminal's Ctrl+C goes to it
   * too, before its owner has ended the calls.
   */
  retire(): void {
    this.#retired = true;
  }

  /** Ends the process; resolves when it is gone, by SIGKILL after a second if it doesn't go by itself. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #close(): Promise<void> {
    this.#stop.abort(new AntipodeError('ERR_SHUTTING_DOWN', `Media worker ${this.name} is closing.`));
    this.#alive = false;
    this.#up.set({ worker: this.name }, 0);
    await endProcess(this.#process.worker, this.#options.clock);
    await this.#restarting;
  }

  #watch(process: Process): void {
    this.#up.set({ worker: this.name }, 1);
    // 'close' of the observer comes with every end, the worker's own orderly exit after a terminal's Ctrl+C included.
    process.worker.observer.once('close', () => {
      if (this.#stop.signal.aborted || this.#process !== process) return;
      this.#onDeath(process);
    });
  }

  #onDeath(process: Process): void {
    const { clock, log } = this.#options;
    const livedMs = clock.now() - process.startedAtMs;
    this.#alive = false;
    this.#up.set({ worker: this.name }, 0);
    if (this.#retired) {
      log.info({ worker: this.name }, 'media worker ended with the shutdown');
      return;
    }
    this.#deaths.inc({ worker: this.name });
    this.#quickDeaths = livedMs >= STABLE_AFTER_MS ? 0 : this.#quickDeaths + 1;
    log.error(
      { worker: this.name, pid: process.worker.pid, generation: this.#generation, livedMs: Math.round(livedMs) },
      'media worker died; replacing it',
    );
    // The loop starts first, so that a listener which throws can't keep the replacement from coming.
    this.#restarting = this.#replace();
    this.emit('died', { generation: this.#generation });
  }

  /** Until one starts or we close: tries, and waits longer after each failure and each early death. */
  async #replace(): Promise<void> {
    const { clock, log } = this.#options;
    for (let failures = Math.max(0, this.#quickDeaths - 1); !this.#stop.signal.aborted; failures++) {
      if (failures > 0) {
        const waitMs = Math.min(BACKOFF_MAX_MS, BACKOFF_MIN_MS * 2 ** Math.min(failures - 1, 10));
        const waited = await delay(clock, waitMs, this.#stop.signal).then(
          () => true,
          () => false,
        );
        if (!waited) return;
      }
      let next: Process;
      try {
        next = await spawnProcess(this.#options);
      } catch (error) {
        log.error({ worker: this.name, code: asAntipodeError(error).code, err: error }, 'media worker did not start');
        continue;
      }
      if (this.#stop.signal.aborted) {
        await endProcess(next.worker, clock);
        return;
      }
      if (next.worker.closed) continue;
      this.#process = next;
      this.#generation += 1;
      this.#alive = true;
      this.#watch(next);
      log.info({ worker: this.name, pid: next.worker.pid, generation: this.#generation }, 'media worker replaced');
      this.emit('restarted', this);
      return;
    }
  }
}

async function spawnProcess(options: MediaWorkerOptions): Promise<Process> {
  const bin = options.workerBin ?? process.env.MEDIASOUP_WORKER_BIN ?? mediasoup.workerBin;
  try {
    await access(bin, constants.X_OK);
  } catch (error) {
    throw new AntipodeError('ERR_MEDIA_WORKER_MISSING', `No mediasoup worker that can be run at ${bin}.`, {
      cause: error,
    });
  }
  let worker: Worker | undefined;
  try {
    const { started, gather } = SendGather.around(() =>
      withoutSignalListeners(() => mediasoup.createWorker({ workerBin: bin, logLevel: 'error' })),
    );
    worker = await started;
    if (!gather.works)
      options.log.warn({ worker: options.name }, 'no pipe to the media worker: it costs more CPU time');
    const webRtc = options.webRtcServer && (await listenForCallers(worker, options.webRtcServer));
    const router = await worker.createRouter({ mediaCodecs: [...OPUS_ROUTER_CODECS, ...VIDEO_ROUTER_CODECS] });
    const direct = await router.createDirectTransport();
    return {
      worker,
      router,
      direct,
      gather,
      webRtcServer: webRtc?.server,
      webRtcPort: webRtc?.port,
      startedAtMs: options.clock.now(),
    };
  } catch (error) {
    if (worker) await endProcess(worker, options.clock);
    throw asAntipodeError(error, 'ERR_MEDIA_WORKER_DIED', `Media worker ${options.name} did not start.`);
  }
}

/**
 * mediasoup closes each worker by itself on SIGINT and SIGTERM, before callers could be told why their call ends. Who
 * runs us decides that: the listeners which the worker's constructor adds are taken away again.
 */
function withoutSignalListeners<T>(start: () => T): T {
  const signals = ['SIGINT', 'SIGTERM'] as const;
  const before = signals.map((signal) => new Set(process.listeners(signal)));
  const started = start();
  signals.forEach((signal, index) => {
    for (const listener of process.listeners(signal)) {
      if (!before[index]?.has(listener)) process.removeListener(signal, listener);
    }
  });
  return started;
}

async function endProcess(worker: Worker, clock: Clock): Promise<void> {
  if (worker.subprocessClosed) return;
  const gone = new Promise<void>((resolve) => worker.once('subprocessclose', () => resolve()));
  const timer = clock.setTimeout(() => {
    // Not reaped yet, so the pid is still ours.
    if (!worker.subprocessClosed) process.kill(worker.pid, 'SIGKILL');
  }, CLOSE_TIMEOUT_MS);
  worker.close();
  await gone;
  timer.cancel();
}
