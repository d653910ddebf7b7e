/**
 * A continuous stream of a service that detects turns, out of several: when it breaks, the next service is given the
 * sound of the turn that is under way, and goes on. Utterances that we cut are resilient-stt.ts's.
 */
import type { Clock, Timer } from '../../../clock.ts';
import { asAntipodeError } from '../../../errors.ts';
import { EAR_SAMPLE_RATE } from '../../types.ts';
import type { SttStream, SttStreamEvent, SttStreamHandlers, TurnDetectingStt } from '../stt.ts';
import { type Candidate, ServiceLine, type ServiceLineOptions } from './service-line.ts';
import { SilenceError } from './silence.ts';

export interface ResilientTurnDetectorOptions extends Omit<ServiceLineOptions<TurnDetectingStt>, 'kind'> {
  /** Sound that is kept of a turn; of a longer one the latest. */
  maxKeptMs?: number;
}

export const RESILIENT_TURN_DETECTOR_DEFAULTS = { maxKeptMs: 60_000 } as const;

export class ResilientTurnDetector {
  readonly #line: ServiceLine<TurnDetectingStt>;
  readonly #options: { clock: Clock; maxKeptMs: number };

  constructor(options: ResilientTurnDetectorOptions) {
    this.#line = new ServiceLine({ kind: 'stt', ...options });
    this.#options = { ...RESILIENT_TURN_DETECTOR_DEFAULTS, ...options };
  }

  get name(): string {
    return this.#line.label;
  }

  /** Hear a caller continuously. `onError` when no service is left; it may come before this returns. */
  open(handlers: SttStreamHandlers): SttStream {
    return new Stream(this.#line, handlers, this.#options);
  }
}

class Stream implements SttStream {
  readonly #line: ServiceLine<TurnDetectingStt>;
  readonly #handlers: SttStreamHandlers;
  readonly #clock: Clock;
  readonly #maxKeptSamples: number;
  #candidate: Candidate<TurnDetectingStt> | null = null;
  #stream: SttStream | null = null;
  /** Of the turn that is under way. */
  #kept: Int16Array[] = [];
  #keptSamples = 0;
  /** Finals of this turn by the present service; null when it was told all of them by the one before. */
  #retold: string[] | null = null;
  /** The present service was not given the call from its beginning: its times are its own. */
  #isRelayed = false;
  #isEager = false;
  #isFinalizing = false;
  #patience: Timer | null = null;
  #closed = false;

  constructor(
    line: ServiceLine<TurnDetectingStt>,
    handlers: SttStreamHandlers,
    options: { clock: Clock; maxKeptMs: number },
  ) {
    this.#line = line;
    this.#handlers = handlers;
    this.#clock = options.clock;
    this.#maxKeptSamples = (options.maxKeptMs * EAR_SAMPLE_RATE) / 1_000;
    const first = line.take(0);
    if (first !== null) this.#open(first);
    // As a service that cannot be reached: later than this call.
    else queueMicrotask(() => this.#fail(line.noneLeft()));
  }

  get asks(): boolean {
    return this.#stream?.asks ?? false;
  }

  write(pcm: Int16Array): void {
    if (this.#closed) return;
    this.#kept.push(pcm.slice());
    this.#keptSamples += pcm.length;
    while (this.#keptSamples > this.#maxKeptSamples && this.#kept.length > 1) {
      this.#keptSamples -= this.#kept.shift()!.length;
    }
    this.#stream?.write(pcm);
  }

  finalize(): void {
    if (this.#closed || this.#isFinalizing) return;
    this.#isFinalizing = true;
    this.#finalize();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#kept = [];
    this.#patience?.cancel();
    this.#stream?.close();
    this.#candidate?.attempt.abandoned();
  }

  #open(candidate: Candidate<TurnDetectingStt>): SttStream {
    this.#candidate = candidate;
    const isPresent = () => this.#candidate === candidate && !this.#closed;
    const stream = candidate.endpoint.service.open({
      onEvent: (event) => {
        if (!isPresent()) return;
        candidate.attempt.succeeded();
        this.#onEvent(event);
      },
      onError: (error) => {
        if (isPresent()) this.#goOn(candidate, error);
      },
    });
    if (isPresent()) this.#stream = stream;
    return stream;
  }

  #finalize(): void {
    const candidate = this.#candidate;
    this.#stream?.finalize();
    if (candidate === null || !this.#isFinalizing) return;
    const patienceMs = this.#line.patienceMs(candidate);
    if (patienceMs === null) return;
    this.#patience = this.#clock.setTimeout(() => {
      if (this.#candidate === candidate) this.#goOn(candidate, new SilenceError(candidate.endpoint.label, patienceMs));
    }, patienceMs);
  }

  /** The present service is lost. */
  #goOn(lost: Candidate<TurnDetectingStt>, cause: Error): void {
    const error = asAntipodeError(cause, 'ERR_SERVICE_FAILED', `${lost.endpoint.label} failed.`);
    this.#patience?.cancel();
    this.#stream?.close();
    this.#stream = null;
    // It has begun well, maybe long ago: its end counts for itself.
    const attempt = lost.endpoint.breaker.begin() ?? lost.attempt;
    lost.attempt.abandoned();
    this.#line.failed({ ...lost, attempt }, error);
    const next = this.#line.take(lost.index + 1);
    if (next === null) {
      this.#fail(error);
      return;
    }
    this.#line.failedOver(lost, next, error, undefined);
    if (this.#isEager) this.#tell({ type: 'resumed' });
    this.#retold = [];
    this.#isRelayed = true;
    const stream = this.#open(next);
    // It may have failed at once, and what follows was done for the one behind it.
    if (this.#candidate !== next || this.#closed) return;
    for (const pcm of this.#kept) stream.write(pcm);
    if (this.#isFinalizing) this.#finalize();
  }

  #onEvent(event: SttStreamEvent): void {
    if (event.type === 'interim' && this.#isRelayed) {
      this.#tell({ type: 'interim', text: event.text, words: event.words });
      return;
    }
    if (event.type === 'turnEnd') {
      this.#patience?.cancel();
      this.#kept = [];
      this.#keptSamples = 0;
      this.#retold = null;
      if (event.cause === 'finalize') this.#isFinalizing = false;
    }
    // The turn's first words may have been told as final by the service before: all of it is told as words so far.
    if (event.type === 'final' && this.#retold !== null) {
      this.#retold.push(event.text);
      this.#tell({ type: 'interim', text: this.#retold.join(' '), words: event.words });
      return;
    }
    this.#tell(event);
  }

  #tell(event: SttStreamEvent): void {
    this.#isEager =
      event.type === 'eagerEnd' || (this.#isEager && event.type !== 'turnEnd' && event.type !== 'resumed');
    this.#handlers.onEvent(event);
  }

  #fail(error: Error): void {
    if (this.#closed) return;
    this.close();
    this.#handlers.onError(error);
  }
}
