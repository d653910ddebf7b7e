/**
 * Voice activity for all the calls of a process in as few model runs as can be: each call's stream submits windows,
 * a run takes one window of every stream that waits. Calls' windows end at all times, so with many calls the first one
 * waits a little for the others: a window in a run of sixteen costs a fifth of one by itself. Owns the framing into
 * windows and the order of results; what a probability means is the speech detector's.
 */
import { type Clock, delay, systemClock } from '../../clock.ts';
import { AntipodeError } from '../../errors.ts';
import type { Counter, Histogram, Logger } from '../../telemetry/index.ts';
import type { EarFrame } from '../types.ts';
import {
  VAD_CONTEXT_SAMPLES,
  VAD_INPUT_SAMPLES,
  VAD_STATE_SIZE,
  VAD_WINDOW_SAMPLES,
  type VadBatchItem,
  type VadModel,
} from './silero.ts';

/** What the model said of one window. */
export interface VadResult {
  /** Probability of voice, 0..1. */
  readonly probability: number;
  /** Stream position (samples) of the window's end. */
  readonly position: number;
  /** When the window's last packet reached the core, monotonic ms. */
  readonly receivedAtMs: number;
}

export interface VadListener {
  /** One call for each window, in order. */
  result(result: VadResult): void;
  /** The model failed too often in a row; no result will come any more. */
  failed(error: AntipodeError): void;
}

export interface VadStream {
  /** 20 ms of the caller (any length works). */
  push(frame: EarFrame): void;
  /** No result is delivered after this. Idempotent. */
  close(): void;
}

export interface VadBatcherOptions {
  model: VadModel;
  log: Logger;
  /** Seconds of each run. */
  runSeconds: Histogram<string>;
  /** Windows of each run. */
  batchSize: Histogram<string>;
  /** Counts failed runs. */
  failures: Counter<string>;
  clock?: Clock;
  /** How long a window may wait for those of other calls. */
  collectMs?: number;
  /** Up to this many calls nobody waits: there would be nobody to wait for. */
  directStreams?: number;
  /** Windows in one run: bounds how long a run holds the event loop. */
  maxBatch?: number;
  /** Failed runs in a row after which a stream is given up. */
  maxFailures?: number;
  /** Windows that may wait for a stream before the oldest are dropped (and counted as a failure). */
  maxWaitingWindows?: number;
}

export const VAD_BATCHER_DEFAULTS = {
  clock: systemClock,
  collectMs: 5,
  directStreams: 4,
  maxBatch: 32,
  maxFailures: 5,
  /** What a POP keeps of a caller, 30 s: a call that goes on at another core is heard from its ring, ten times as fast. */
  maxWaitingWindows: 1_024,
} as const satisfies Partial<VadBatcherOptions>;

export class VadBatcher {
  readonly #options: Required<VadBatcherOptions>;
  readonly #streams = new Set<Stream>();
  readonly #ready: Stream[] = [];
  readonly #closing = new AbortController();
  #running: Promise<void> | null = null;

  constructor(options: VadBatcherOptions) {
    this.#options = { ...VAD_BATCHER_DEFAULTS, ...options };
  }

  /** Calls that listen now. */
  get streamCount(): number {
    return this.#streams.size;
  }

  open(listener: VadListener): VadStream {
    if (this.#closing.signal.aborted)
      throw new AntipodeError('ERR_SHUTTING_DOWN', 'Voice activity detection is closed.');
    const stream = new Stream(listener, this.#options.maxWaitingWindows, {
      ready: () => {
        this.#ready.push(stream);
        this.#running ??= this.#runAll();
      },
      dropped: () => this.#options.failures.inc(),
      closed: () => this.#streams.delete(stream),
    });
    this.#streams.add(stream);
    return stream;
  }

  async #runAll(): Promise<void> {
    while (this.#ready.length > 0 && !this.#closing.signal.aborted) {
      await this.#gather();
      for (let left = this.#ready.length; left > 0 && !this.#closing.signal.aborted; ) {
        const count = Math.min(left, this.#options.maxBatch);
        const batch = this.#ready.splice(0, count).filter((stream) => stream.load());
        if (batch.length > 0) await this.#run(batch);
        left -= count;
      }
    }
    this.#running = null;
  }

  async #gather(): Promise<void> {
    const { clock, collectMs, directStreams } = this.#options;
    // Who has windows to catch up with shares its runs with whoever has some then, and waits for nobody.
    if (this.#streams.size > directStreams && !this.#ready.some((stream) => stream.isBehind)) {
      // Only the closing ends it early, and who waits for this sees that too.
      await delay(clock, collectMs, this.#closing.signal).catch(() => {});
    } else {
      // Whoever submits in the same turn of the event loop shares the run.
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  async #run(batch: Stream[]): Promise<void> {
    const endTimer = this.#options.runSeconds.startTimer();
    let failure: unknown;
    try {
      await this.#options.model.run(batch);
    } catch (error) {
      failure = error ?? new Error('unknown');
      this.#options.failures.inc();
      this.#options.log.error({ err: error, windows: batch.length }, 'a voice activity run failed');
    }
    endTimer();
    this.#options.batchSize.observe(batch.length);
    for (const stream of batch) {
      this.#tell(stream, () => {
        if (failure === undefined) stream.deliver();
        else stream.fail(failure, this.#options.maxFailures);
      });
      if (stream.rearm()) this.#ready.push(stream);
    }
  }

  /** One call's listener must not cost the others their ears. */
  #tell(stream: Stream, tell: () => void): void {
    try {
      tell();
    } catch (error) {
      this.#options.log.error({ err: error }, 'a voice activity listener failed');
      stream.close();
    }
  }

  /** Ends every stream and waits for the run under way. The model stays its owner's. Idempotent. */
  async close(): Promise<void> {
    this.#closing.abort();
    for (const stream of [...this.#streams]) stream.close();
    this.#ready.length = 0;
    await this.#running;
  }
}

/** Made-up silence that the model hears before it is left alone, windows (half a second). */
const RESTING_WINDOWS = 16;
/** Above it the model is asked on. */
const RESTING_PROBABILITY = 0.1;

/** So many windows wait when sound comes faster than it was spoken, or the machine is slower. */
const BEHIND_WINDOWS = 4;
/** Windows whose memory is used again. */
const MAX_SPARE = 8;

interface StreamEvents {
  ready(): void;
  dropped(): void;
  closed(): void;
}

interface Window {
  readonly samples: Float32Array;
  readonly position: number;
  readonly receivedAtMs: number;
}

/** One call's windows, its LSTM state, and its place in the batch. */
class Stream implements VadStream, VadBatchItem {
  readonly input = new Float32Array(VAD_INPUT_SAMPLES);
  readonly state = new Float32Array(VAD_STATE_SIZE);
  probability = 0;
  readonly #listener: VadListener;
  readonly #maxWaiting: number;
  readonly #events: StreamEvents;
  #filling: Float32Array = new Float32Array(VAD_WINDOW_SAMPLES);
  #filled = 0;
  readonly #waiting: Window[] = [];
  readonly #spare: Float32Array[] = [];
  #loaded = { position: 0, receivedAtMs: 0 };
  #queued = false;
  /** Whole windows of silence that was made up, up to now; -1 while the window that fills holds something else. */
  #restingWindows = 0;
  #failures = 0;
  #closed = false;

  constructor(listener: VadListener, maxWaiting: number, events: StreamEvents) {
    this.#listener = listener;
    this.#maxWaiting = maxWaiting;
    this.#events = events;
  }

  push(frame: EarFrame): void {
    if (this.#closed) return;
    const { pcm } = frame;
    if (frame.origin !== 'silence') this.#restingWindows = -1;
    for (let at = 0; at < pcm.length; ) {
      const end = Math.min(pcm.length, at + VAD_WINDOW_SAMPLES - this.#filled);
      this.#fill(pcm, at, end);
      at = end;
      if (this.#filled === VAD_WINDOW_SAMPLES) this.#enqueue(frame.position + end, frame.receivedAtMs);
    }
  }

  #fill(pcm: Int16Array, from: number, to: number): void {
    const filling = this.#filling;
    let filled = this.#filled;
    for (let index = from; index < to; index++) filling[filled++] = pcm[index]! / 32_768;
    this.#filled = filled;
  }

  #enqueue(position: number, receivedAtMs: number): void {
    if (this.#rests()) {
      this.#filled = 0;
      this.#listener.result({ probability: this.probability, position, receivedAtMs });
      return;
    }
    this.#waiting.push({ samples: this.#filling, position, receivedAtMs });
    this.#filling = this.#spare.pop() ?? new Float32Array(VAD_WINDOW_SAMPLES);
    this.#filled = 0;
    if (this.#waiting.length > this.#maxWaiting) {
      this.#waiting.shift();
      this.#events.dropped();
    }
    if (this.#queued) return;
    this.#queued = true;
    this.#events.ready();
  }

  /**
   * Silence that was made up, and so much of it that the model has nothing new to say: the last windows that it judged
   * were nothing else, and its state has come to rest.
   */
  #rests(): boolean {
    this.#restingWindows += 1;
    return this.#restingWindows > RESTING_WINDOWS && !this.#queued && this.probability < RESTING_PROBABILITY;
  }

  get isBehind(): boolean {
    return this.#waiting.length >= BEHIND_WINDOWS;
  }

  /** Put the next window where the model reads it; false when there is none. */
  load(): boolean {
    const window = this.#closed ? undefined : this.#waiting.shift();
    if (window === undefined) {
      this.#queued = false;
      return false;
    }
    this.input.copyWithin(0, VAD_INPUT_SAMPLES - VAD_CONTEXT_SAMPLES);
    this.input.set(window.samples, VAD_CONTEXT_SAMPLES);
    this.#loaded.position = window.position;
    this.#loaded.receivedAtMs = window.receivedAtMs;
    if (this.#spare.length < MAX_SPARE) this.#spare.push(window.samples);
    return true;
  }

  /** Hand out the result of the loaded window. */
  deliver(): void {
    this.#failures = 0;
    if (this.#closed) return;
    this.#listener.result({
      probability: this.probability,
      position: this.#loaded.position,
      receivedAtMs: this.#loaded.receivedAtMs,
    });
  }

  /** The loaded window has no result. */
  fail(cause: unknown, maxFailures: number): void {
    this.#failures++;
    if (this.#failures < maxFailures || this.#closed) return;
    this.close();
    this.#listener.failed(new AntipodeError('ERR_SERVICE_FAILED', 'Voice activity detection failed.', { cause }));
  }

  /** Whether another window waits, so that the stream goes back in line. */
  rearm(): boolean {
    this.#queued = !this.#closed && this.#waiting.length > 0;
    return this.#queued;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#waiting.length = 0;
    this.#events.closed();
  }
}
