/**
 * The services of one kind in the order of their use: which of them is asked now, when another takes over or is asked
 * beside it, and who is told of it. Owns no service's words: what is asked, and how an answer is gone on with, is its
 * user's.
 */
import type { Clock } from '../../../clock.ts';
import { AntipodeError, asAntipodeError } from '../../../errors.ts';
import type { Counter, Logger } from '../../../telemetry/index.ts';
import type { ServiceKind, ServiceWatch } from '../../observe/observation.ts';
import type { Attempt, CircuitBreaker } from './circuit-breaker.ts';
import { askedToWaitMs, lostConnection, refusesUs } from './failure.ts';
import { type Answer, type HedgeOutcome, hedged } from './hedge.ts';
import { OutrunSilence } from './outrun-silence.ts';
import { firstWithin, SilenceError } from './silence.ts';

/** One service with what is known of it. */
export interface Endpoint<S> {
  /** In logs and metrics: the service, and what tells it from another entry for the same service. */
  readonly label: string;
  readonly service: S;
  readonly breaker: CircuitBreaker;
  /** Longest wait for the first of an answer while another could take over. */
  readonly firstResponseMs: number;
  /** Have a connection open for the next request; costs nothing but that. */
  warm?(): void;
}

export interface ServiceLineOptions<S> {
  kind: ServiceKind;
  /** At least one, the first to be used first. */
  endpoints: readonly Endpoint<S>[];
  clock: Clock;
  log: Logger;
  failovers: Counter<'kind' | 'from' | 'to'>;
  hedges: Counter<'kind' | 'from' | 'to' | 'outcome'>;
  /** Of these endpoints, where several lines share them. @defaultValue its own */
  outrun?: OutrunSilence;
}

/** An endpoint whose breaker lets this request pass. */
export interface Candidate<S> {
  readonly index: number;
  readonly endpoint: Endpoint<S>;
  readonly attempt: Attempt;
}

/** How a request goes on after a failure: with the next service, or, with what there is, it is whole or lost. */
export type AfterFailure = 'go-on' | 'whole' | 'lost';

export interface StreamOptions<S, T> {
  signal: AbortSignal;
  /** The first one to ask, if it may be asked. @defaultValue 0 */
  from?: number;
  watch: ServiceWatch | undefined;
  /** What it gives comes without pauses: one in the middle is as bad as one before the first of it. @defaultValue false */
  isSteady?: boolean;
  /** Before `from`, and well: these may take over when none after it may. */
  spare?: readonly number[];
  /**
   * When nothing has come for so long, ms, the next service is asked beside the one that was, or that one once more when
   * there is no other; the first of them to give anything is the answer. 0: both at once; null: never.
   * @defaultValue null
   */
  hedgeAfterMs?: number | null;
  /** Ask a service; called again for each one that takes over. */
  open(service: S, signal: AbortSignal): AsyncIterable<T>;
  /** Asked when a service failed after something of its answer was handed on. */
  afterFailure(): AfterFailure;
  /** Told of each that takes over or was faster than the one before it, with those before it that are well. */
  onTookOver?(index: number, spare: readonly number[]): void;
}

/** One answer on its way. */
interface Course {
  /** Something of it was handed on. */
  came: boolean;
  /** Services that were passed over for a faster one: they may take over from it. */
  readonly spare: Set<number>;
}

/** What became of a request, or of two for the same. */
interface Outcome<S> {
  readonly by: Candidate<S>;
  readonly failure: AntipodeError | null;
  /** From where on to look for the one that takes over. */
  readonly nextIndex: number;
}

export class ServiceLine<S> {
  readonly #options: ServiceLineOptions<S>;
  readonly #outrun: OutrunSilence;

  constructor(options: ServiceLineOptions<S>) {
    this.#options = options;
    this.#outrun = options.outrun ?? new OutrunSilence();
  }

  /** Of the service that is to be used first. */
  get label(): string {
    return this.#options.endpoints[0]!.label;
  }

  /** The first one from `from` on that may be asked now. */
  take(from: number): Candidate<S> | null {
    const { endpoints } = this.#options;
    for (let index = from; index < endpoints.length; index++) {
      const endpoint = endpoints[index]!;
      const attempt = endpoint.breaker.begin();
      if (attempt !== null) return { index, endpoint, attempt };
    }
    return null;
  }

  /** How long to wait for the first of `candidate`'s answer; null without another service that could take over. */
  patienceMs({ index, endpoint }: Candidate<S>, spare: ReadonlySet<number> = NONE): number | null {
    const hasNext = this.#options.endpoints.some(
      ({ breaker }, other) => (other > index || spare.has(other)) && breaker.passes,
    );
    return hasNext ? endpoint.firstResponseMs : null;
  }

  /** What to say when no service may be asked. */
  noneLeft(): AntipodeError {
    const labels = this.#options.endpoints.map(({ label }) => label).join(', ');
    return new AntipodeError('ERR_SERVICE_UNAVAILABLE', `Left alone for a while after failures: ${labels}.`);
  }

  /** Count a failure against the service. */
  failed({ endpoint, attempt }: Candidate<S>, error: AntipodeError): void {
    attempt.failed({ refused: refusesUs(error), waitMs: askedToWaitMs(error) });
    this.#options.log.debug({ err: error, kind: this.#options.kind, service: endpoint.label }, 'a service failed');
  }

  /** Tell whoever watches that `to` has taken over. */
  failedOver(from: Candidate<S>, to: Candidate<S>, error: AntipodeError, watch: ServiceWatch | undefined): void {
    const { kind, clock, log, failovers } = this.#options;
    const names = { from: from.endpoint.label, to: to.endpoint.label };
    failovers.inc({ kind, ...names });
    log.warn({ err: error, kind, ...names }, 'another service takes over');
    watch?.failedOver({ kind, ...names, code: error.code, atMs: clock.now() });
  }

  /**
   * What the services answer: of the first one, or of the faster of two, and from where it failed of the next.
   * @throws ERR_SERVICE_* of the last one that was asked; the signal's reason when aborted
   */
  async *stream<T>(options: StreamOptions<S, T>): AsyncGenerator<T> {
    const { signal, from = 0, hedgeAfterMs = null } = options;
    signal.throwIfAborted();
    const course: Course = { came: false, spare: new Set(options.spare) };
    let candidate = this.take(from) ?? (from > 0 ? this.take(0) : null);
    if (candidate === null) throw this.noneLeft();
    for (;;) {
      course.spare.delete(candidate.index);
      const { by, failure, nextIndex }: Outcome<S> =
        hedgeAfterMs === null || course.came
          ? yield* this.#alone(candidate, options, course)
          : yield* this.#hedged(candidate, hedgeAfterMs, options, course);
      if (failure === null) return;
      const next: Candidate<S> | null = this.take(nextIndex) ?? this.#takeSpare(course.spare);
      if (next === null) throw failure;
      this.failedOver(by, next, failure, options.watch);
      options.onTookOver?.(
        next.index,
        [...course.spare].filter((index) => index !== next.index),
      );
      candidate = next;
    }
  }

  async *#alone<T>(by: Candidate<S>, options: StreamOptions<S, T>, course: Course): AsyncGenerator<T, Outcome<S>> {
    const failure = yield* this.#answer(by, options, course);
    return { by, failure, nextIndex: by.index + 1 };
  }

  /** The answer of this one or, when it is late, of another one beside it. */
  async *#hedged<T>(
    first: Candidate<S>,
    afterMs: number,
    options: StreamOptions<S, T>,
    course: Course,
  ): AsyncGenerator<T, Outcome<S>> {
    const { clock } = this.#options;
    const startedAtMs = clock.now();
    const asked: { second: Candidate<S> | null } = { second: null };
    const end = yield* hedged<T>({
      clock,
      signal: options.signal,
      afterMs,
      first: (signal) => this.#answer(first, { ...options, signal }, course),
      second: () => {
        const second = this.take(first.index + 1) ?? this.#takeAgain(first);
        asked.second = second;
        if (second === null) return null;
        const rival = second.index === first.index ? undefined : first.index;
        return (signal) => this.#answer(second, { ...options, signal }, course, rival);
      },
      decided: (outcome, outran) => {
        const second = asked.second!;
        this.#hedgeEnded(first, second, outcome);
        if (outran) (outcome === 'first' ? second : first).endpoint.warm?.();
        if (outcome !== 'second') return;
        if (outran && second.index !== first.index) {
          course.spare.add(first.index);
          // Not to be the faster of two that began together is no sign of being slow.
          if (afterMs > 0) this.#wasOutrun(first, clock.now() - startedAtMs);
        }
        options.onTookOver?.(second.index, [...course.spare]);
      },
    });
    const by = end.by === 'first' ? first : asked.second!;
    // Past both when neither gave anything.
    const last = course.came ? by : (asked.second ?? by);
    return { by, failure: end.failure, nextIndex: last.index + 1 };
  }

  #takeSpare(spare: Set<number>): Candidate<S> | null {
    for (const index of [...spare].sort((a, b) => a - b)) {
      spare.delete(index);
      const endpoint = this.#options.endpoints[index]!;
      const attempt = endpoint.breaker.begin();
      if (attempt !== null) return { index, endpoint, attempt };
    }
    return null;
  }

  /** The same one for a second request; null when it is to be left alone, or is only tried. */
  #takeAgain({ index, endpoint }: Candidate<S>): Candidate<S> | null {
    const attempt = endpoint.breaker.begin();
    return attempt === null ? null : { index, endpoint, attempt };
  }

  #hedgeEnded(first: Candidate<S>, second: Candidate<S>, outcome: HedgeOutcome): void {
    const { kind, log, hedges } = this.#options;
    const names = { from: first.endpoint.label, to: second.endpoint.label };
    hedges.inc({ kind, ...names, outcome });
    log.debug({ kind, ...names, outcome }, 'a second request was made for an answer');
  }

  #wasOutrun(candidate: Candidate<S>, silentMs: number): void {
    const { index, endpoint } = candidate;
    const allMs = this.#outrun.outrun(index, silentMs, endpoint.firstResponseMs);
    if (allMs !== null) this.failed(candidate, new SilenceError(endpoint.label, allMs));
  }

  /**
   * The answer of one service, asked twice when only a connection was lost. Returns the failure to go on from.
   * @param rival under way beside it: it may take over in the middle
   */
  async *#answer<T>(candidate: Candidate<S>, options: StreamOptions<S, T>, course: Course, rival?: number): Answer<T> {
    const { endpoint, attempt, index } = candidate;
    let came = false;
    try {
      for (let mayTryAgain = true; ; mayTryAgain = false) {
        try {
          const withRival = rival === undefined ? course.spare : new Set([...course.spare, rival]);
          for await (const item of firstWithin((signal) => options.open(endpoint.service, signal), {
            clock: this.#options.clock,
            signal: options.signal,
            service: endpoint.label,
            firstResponseMs: this.patienceMs(candidate, course.spare),
            betweenMs: options.isSteady ? this.patienceMs(candidate, withRival) : null,
          })) {
            if (!came) this.#outrun.came(index);
            came = true;
            course.came = true;
            yield item;
          }
          attempt.succeeded();
          return null;
        } catch (error) {
          if (options.signal.aborted) throw options.signal.reason;
          const failure = asAntipodeError(error, 'ERR_SERVICE_FAILED', `${endpoint.label} failed.`);
          if (!came && mayTryAgain && lostConnection(failure)) continue;
          this.failed(candidate, failure);
          if (!came) return failure;
          const after = options.afterFailure();
          if (after === 'lost') throw failure;
          return after === 'whole' ? null : failure;
        }
      }
    } finally {
      // The caller went away. A service that had begun to answer is well.
      if (came) attempt.succeeded();
      else attempt.abandoned();
    }
  }
}

const NONE: ReadonlySet<number> = new Set();
