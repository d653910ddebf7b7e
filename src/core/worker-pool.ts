/** The media workers of a core: which one takes the next pipe. Owns the workers. */
import { once } from 'node:events';
import type { MediaWorker } from '../backbone/index.ts';
import { type Clock, delay } from '../clock.ts';
import { AntipodeError } from '../errors.ts';

/** A pipe waits this long for a worker that is being replaced, ms: less than the POP waits for the answer. */
const RESTART_WAIT_MS = 3_000;

export class WorkerPool {
  readonly workers: readonly MediaWorker[];
  readonly #clock: Clock;
  readonly #pipes = new Map<MediaWorker, number>();

  constructor(workers: readonly MediaWorker[], clock: Clock) {
    this.workers = workers;
    this.#clock = clock;
  }

  /** The living worker with the fewest pipes; waits for a replacement when none lives. @throws ERR_MEDIA_WORKER_DIED */
  async take(): Promise<MediaWorker> {
    const now = this.#emptiest();
    if (now) return now;
    const stop = new AbortController();
    const restarted = this.workers.map((worker) => once(worker, 'restarted', { signal: stop.signal }));
    try {
      await Promise.race([...restarted, delay(this.#clock, RESTART_WAIT_MS, stop.signal)]);
    } finally {
      stop.abort();
    }
    const later = this.#emptiest();
    if (!later) throw new AntipodeError('ERR_MEDIA_WORKER_DIED', 'No media worker is up.');
    return later;
  }

  /** A pipe lives on `worker` until the answered function is called (once). */
  occupy(worker: MediaWorker): () => void {
    this.#pipes.set(worker, (this.#pipes.get(worker) ?? 0) + 1);
    return () => this.#pipes.set(worker, (this.#pipes.get(worker) ?? 1) - 1);
  }

  async close(): Promise<void> {
    await Promise.all(this.workers.map((worker) => worker.close()));
  }

  #emptiest(): MediaWorker | null {
    let best: MediaWorker | null = null;
    for (const worker of this.workers) {
      if (!worker.alive) continue;
      if (!best || (this.#pipes.get(worker) ?? 0) < (this.#pipes.get(best) ?? 0)) best = worker;
    }
    return best;
  }
}
