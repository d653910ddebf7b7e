/**
 * The services of one kind in the order of their use: which of them is asked now, when another takes over, and who is
 * told of it. Owns no service's words: what is asked, and how an answer is gone on with, is its user's.
 */
import type { Clock } from '../../../clock.ts';
import { AntipodeError, asAntipodeError } from '../../../errors.ts';
import type { Counter, Logger } from '../../../telemetry/index.ts';
import type { ServiceKind, ServiceWatch } from '../../observe/observation.ts';
import type { Attempt, CircuitBreaker } from './circuit-breaker.ts';
import { askedToWaitMs, lostConnection, refusesUs } from './failure.ts';
import { firstWithin } from './silence.ts';

/** One service with what is known of it. */
export interface Endpoint<S> {
  /** In logs and metrics: the service, and what tells it from another entry for the same service. */
  readonly label: string;
  readonly service: S;
  readonly breaker: CircuitBreaker;
  /** Longest wait for the first of an answer while another could take over. */
  readonly firstResponseMs: number;
}

export interface ServiceLineOptions<S> {
  kind: ServiceKind;
  /** At least one, the first to be used first. */
  endpoints: readonly Endpoint<S>[];
  clock: Clock;
  log: Logger;
  failovers: Counter<'kind' | 'from' | 'to'>;
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
  /** Ask a service; called again for each one that takes over. */
  open(service: S, signal: AbortSignal): AsyncIterable<T>;
  /** Asked when a service failed after something of its answer was handed on. */
  afterFailure(): AfterFailure;
  /** Told of each that takes over. */
  onFailedOver?(index: number): void;
}

export class ServiceLine<S> {
  readonly #options: ServiceLineOptions<S>;

  constructor(options: ServiceLineOptions<S>) {
    this.#options = options;
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
  patienceMs({ index, endpoint }: Candidate<S>): number | null {
    const hasNext = this.#options.endpoints.slice(index + 1).some(({ breaker }) => breaker.passes);
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
   * What the services answer: of the first one, and from where it failed of the next.
   * @throws ERR_SERVICE_* of the last one that was asked; the signal's reason when aborted
   */
  async *stream<T>(options: StreamOptions<S, T>): AsyncGenerator<T> {
    const { signal } = options;
    signal.throwIfAborted();
    const { from = 0 } = options;
    let candidate = this.take(from) ?? (from > 0 ? this.take(0) : null);
    if (candidate === null) throw this.noneLeft();
    for (;;) {
      const failure: AntipodeError | null = yield* this.#answer(candidate, options);
      if (failure === null) return;
      const next: Candidate<S> | null = this.take(candidate.index + 1);
      if (next === null) throw failure;
      this.failedOver(candidate, next, failure, options.watch);
      options.onFailedOver?.(next.index);
      candidate = next;
    }
  }

  /** The answer of one service, asked twice when only a connection was lost. Returns the failure to go on from. */
  async *#answer<T>(candidate: Candidate<S>, options: StreamOptions<S, T>): AsyncGenerator<T, AntipodeError | null> {
    const { endpoint, attempt } = candidate;
    let came = false;
    try {
      for (let mayTryAgain = true; ; mayTryAgain = false) {
        try {
          const patienceMs = this.patienceMs(candidate);
          for await (const item of firstWithin((signal) => options.open(endpoint.service, signal), {
            clock: this.#options.clock,
            signal: options.signal,
            service: endpoint.label,
            firstResponseMs: patienceMs,
            betweenMs: options.isSteady ? patienceMs : null,
          })) {
            came = true;
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
