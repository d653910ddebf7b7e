/**
 * Smart Turn v3: by the sound of the last 8 s, has the caller finished? (pipecat-ai/smart-turn, BSD-2-Clause). One model
 * for all the calls of a process, in a thread of its own, one run at a time in the order of asking. Owns the thread, the
 * queue and its limits; when to ask and what to make of the answer is turn-taking's.
 */
import { Worker } from 'node:worker_threads';
import type { Clock, Timer } from '../../../clock.ts';
import { AntipodeError } from '../../../errors.ts';
import { counter, histogram, type Logger, type Registry } from '../../../telemetry/index.ts';
import { withoutEgress } from '../../egress/index.ts';
import { SMART_TURN_SAMPLES } from './log-mel.ts';
import type { ThreadAnswer, ThreadData, ThreadRequest } from './thread.ts';

/** The probability from which the model's makers take a turn for finished. */
export const SMART_TURN_THRESHOLD = 0.5;

export interface SmartTurnOptions {
  /** The ONNX file, as `findSmartTurnWeights` answers. */
  weightsFile: string;
  clock: Clock;
  log: Logger;
  metrics: Registry;
  /** Longest wait for an answer, the time in the queue included. */
  timeoutMs?: number;
  /** Questions that may wait behind the one that runs. */
  maxWaiting?: number;
  /** Longest that the model may take to load. */
  loadTimeoutMs?: number;
  /** Starts the thread; tests bring their own. */
  startThread?: (data: ThreadData) => SmartTurnThread;
}

export const SMART_TURN_DEFAULTS = {
  timeoutMs: 1_000,
  maxWaiting: 16,
  loadTimeoutMs: 30_000,
} as const satisfies Partial<SmartTurnOptions>;

/** The part of a worker thread that is used here. */
export interface SmartTurnThread {
  postMessage(message: ThreadRequest, transfer: readonly ArrayBuffer[]): void;
  terminate(): Promise<unknown>;
  ref(): void;
  unref(): void;
  on(event: 'message' | 'error' | 'exit', listener: (value: unknown) => void): unknown;
}

interface Question {
  readonly id: number;
  readonly pcm: Int16Array<ArrayBuffer>;
  readonly askedAtMs: number;
  /** Once; whatever comes later does nothing. */
  settle(outcome: number | Error): void;
}

/** How long `close()` waits for the thread to end by itself. */
const CLOSE_TIMEOUT_MS = 1_000;

export class SmartTurn implements AsyncDisposable {
  readonly #options: Required<Omit<SmartTurnOptions, 'startThread'>>;
  readonly #thread: SmartTurnThread;
  readonly #waiting: Question[] = [];
  /** What the thread computes now; stays until the thread answers, whether or not anyone still waits for it. */
  #running: Question | null = null;
  #nextId = 1;
  #state: 'loading' | 'ready' | 'dead' | 'closed' = 'loading';
  #closing: Promise<void> | null = null;
  readonly #loaded = Promise.withResolvers<void>();
  readonly #exited = Promise.withResolvers<void>();
  readonly #metrics;

  private constructor(options: SmartTurnOptions) {
    const { startThread, ...others } = options;
    this.#options = { ...SMART_TURN_DEFAULTS, ...others };
    this.#metrics = smartTurnMetrics(options.metrics);
    this.#thread = (startThread ?? startWorker)({ weightsFile: options.weightsFile });
    this.#thread.on('message', (message) => this.#onAnswer(message as ThreadAnswer));
    this.#thread.on('error', (error) => this.#die(error));
    this.#thread.on('exit', (code) => {
      this.#exited.resolve();
      this.#die(new Error(`the thread ended with code ${code}`));
    });
  }

  /** @throws ERR_SERVICE_UNAVAILABLE when the model cannot be loaded */
  static async load(options: SmartTurnOptions): Promise<SmartTurn> {
    const model = new SmartTurn(options);
    const { clock, loadTimeoutMs } = model.#options;
    const timer = clock.setTimeout(() => model.#die(new Error(`not loaded after ${loadTimeoutMs} ms`)), loadTimeoutMs);
    try {
      await model.#loaded.promise;
      return model;
    } catch (error) {
      await model.close();
      throw error;
    } finally {
      timer.cancel();
    }
  }

  /** Questions under way: waiting or running. */
  get pendingCount(): number {
    return this.#waiting.length + (this.#running === null ? 0 : 1);
  }

  /**
   * How likely the caller has finished, 0..1; of silence alone the answer means nothing. The sound is copied.
   *
   * @param pcm 16 kHz mono of the caller's turn up to now, the silence at its end included; only the last 8 s count
   * @param options.signal takes the question back; rejects with its reason
   * @throws RangeError when there is no sound
   * @throws ERR_SERVICE_TIMEOUT, ERR_SERVICE_FAILED (this run), ERR_SERVICE_UNAVAILABLE (too many wait, or the thread
   *   has died), ERR_SHUTTING_DOWN
   */
  async probability(pcm: Int16Array, options: { signal?: AbortSignal } = {}): Promise<number> {
    const { signal } = options;
    signal?.throwIfAborted();
    if (pcm.length === 0) throw new RangeError('There is no sound to judge.');
    const refusal = this.#refusal();
    if (refusal !== null) throw this.#counted(refusal);
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    const { clock, timeoutMs } = this.#options;
    const onAbort = () => this.#takeBack(question, signal?.reason);
    let timer: Timer | null = null;
    const question: Question = {
      id: this.#nextId++,
      pcm: new Int16Array(pcm.subarray(-SMART_TURN_SAMPLES)),
      askedAtMs: clock.now(),
      settle: (outcome) => {
        timer?.cancel();
        signal?.removeEventListener('abort', onAbort);
        if (typeof outcome === 'number') resolve(outcome);
        else reject(outcome);
      },
    };
    timer = clock.setTimeout(() => {
      const message = `Smart Turn did not answer within ${timeoutMs} ms.`;
      this.#takeBack(question, this.#counted(new AntipodeError('ERR_SERVICE_TIMEOUT', message)));
    }, timeoutMs);
    signal?.addEventListener('abort', onAbort, { once: true });
    this.#waiting.push(question);
    this.#runNext();
    return promise;
  }

  #refusal(): AntipodeError | null {
    if (this.#state === 'closed') return new AntipodeError('ERR_SHUTTING_DOWN', 'Smart Turn is closed.');
    if (this.#state !== 'ready') return new AntipodeError('ERR_SERVICE_UNAVAILABLE', 'Smart Turn has stopped.');
    if (this.#waiting.length < this.#options.maxWaiting) return null;
    return new AntipodeError('ERR_SERVICE_UNAVAILABLE', 'Smart Turn is busy: too many turns wait for it.');
  }

  #counted(error: AntipodeError): AntipodeError {
    this.#metrics.failures.inc({ code: error.code });
    return error;
  }

  #takeBack(question: Question, reason: Error): void {
    const at = this.#waiting.indexOf(question);
    if (at >= 0) this.#waiting.splice(at, 1);
    question.settle(reason);
  }

  #runNext(): void {
    if (this.#running !== null || this.#state !== 'ready') return;
    const question = this.#waiting.shift();
    if (question === undefined) {
      this.#thread.unref();
      return;
    }
    this.#running = question;
    this.#metrics.seconds.observe({ part: 'wait' }, (this.#options.clock.now() - question.askedAtMs) / 1_000);
    this.#thread.ref();
    this.#thread.postMessage({ type: 'run', id: question.id, pcm: question.pcm }, [question.pcm.buffer]);
  }

  #onAnswer(answer: ThreadAnswer): void {
    if (answer.type === 'ready') {
      if (this.#state !== 'loading') return;
      this.#state = 'ready';
      this.#thread.unref();
      this.#loaded.resolve();
      return;
    }
    if (answer.type === 'unloadable') {
      this.#die(new Error(answer.reason));
      return;
    }
    const question = this.#running;
    if (question === null || question.id !== answer.id) return;
    this.#running = null;
    if (answer.type === 'result') {
      this.#metrics.seconds.observe({ part: 'features' }, answer.featuresMs / 1_000);
      this.#metrics.seconds.observe({ part: 'model' }, answer.modelMs / 1_000);
      question.settle(answer.probability);
    } else {
      this.#options.log.error({ reason: answer.reason }, 'a run of Smart Turn failed');
      const cause = new Error(answer.reason);
      question.settle(this.#counted(new AntipodeError('ERR_SERVICE_FAILED', 'Smart Turn failed.', { cause })));
    }
    this.#runNext();
  }

  /** The thread is of no use any more. */
  #die(cause: unknown): void {
    if (this.#state === 'dead' || this.#state === 'closed') return;
    const wasLoading = this.#state === 'loading';
    this.#state = 'dead';
    if (wasLoading) {
      const message = 'The Smart Turn model cannot be loaded.';
      this.#loaded.reject(this.#counted(new AntipodeError('ERR_SERVICE_UNAVAILABLE', message, { cause })));
      return;
    }
    this.#options.log.error({ err: cause }, 'Smart Turn has stopped; turns end without it from now on');
    this.#failAll(() => this.#counted(new AntipodeError('ERR_SERVICE_FAILED', 'Smart Turn has stopped.', { cause })));
  }

  #failAll(error: () => AntipodeError): void {
    const questions = [...(this.#running === null ? [] : [this.#running]), ...this.#waiting];
    this.#running = null;
    this.#waiting.length = 0;
    for (const question of questions) question.settle(error());
  }

  /** Rejects what is under way with ERR_SHUTTING_DOWN and ends the thread. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#state = 'closed';
    this.#failAll(() => new AntipodeError('ERR_SHUTTING_DOWN', 'Smart Turn is closing.'));
    this.#thread.ref();
    this.#thread.postMessage({ type: 'close' }, []);
    const timer = this.#options.clock.setTimeout(this.#exited.resolve, CLOSE_TIMEOUT_MS);
    await this.#exited.promise;
    timer.cancel();
    await this.#thread.terminate();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

function startWorker(data: ThreadData): SmartTurnThread {
  // Ours, and for all calls: whoever's question it was that started it anew.
  return withoutEgress(
    () => new Worker(new URL('./thread.ts', import.meta.url), { workerData: data, name: 'smart-turn' }),
  );
}

function smartTurnMetrics(registry: Registry) {
  return {
    seconds: histogram(
      registry,
      'antipode_smart_turn_seconds',
      'One question to Smart Turn: in the queue, the log-mel, the model.',
      [0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1],
      ['part'],
    ),
    failures: counter(registry, 'antipode_smart_turn_failures_total', 'Questions to Smart Turn without an answer.', [
      'code',
    ]),
  };
}
