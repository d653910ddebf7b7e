/**
 * One speech-to-speech service out of several that speak the same dialect: a conversation goes to the first that may be
 * asked, and to the next when that one cannot be connected to, hangs, or breaks twice without an answer in between. What
 * the next one is told of the conversation is the session's matter (s2s/realtime-session.ts); this decides where.
 */
import type { AntipodeError } from '../../../errors.ts';
import { type OpenAiRealtime, openRealtime } from '../s2s/openai-realtime.ts';
import type { RealtimeRoute, RealtimeTarget } from '../s2s/realtime-route.ts';
import type { S2s, S2sOpenOptions, S2sSession } from '../s2s.ts';
import { type Candidate, ServiceLine, type ServiceLineOptions } from './service-line.ts';

export type ResilientS2sOptions = Omit<ServiceLineOptions<OpenAiRealtime>, 'kind' | 'outrun'>;

export class ResilientS2s implements S2s {
  readonly #options: ResilientS2sOptions;
  readonly #line: ServiceLine<OpenAiRealtime>;

  constructor(options: ResilientS2sOptions) {
    this.#options = options;
    this.#line = new ServiceLine({ kind: 's2s', ...options });
  }

  get name(): string {
    return this.#options.endpoints[0]!.service.name;
  }

  open(options: S2sOpenOptions): S2sSession {
    return openRealtime(new LineRoute(this.#options, this.#line, options.watch), options);
  }
}

/** The way of one conversation along the line. It stays with the service that took over: another would change its voice. */
class LineRoute implements RealtimeRoute {
  readonly preferred: RealtimeTarget;
  readonly #options: ResilientS2sOptions;
  readonly #line: ServiceLine<OpenAiRealtime>;
  readonly #watch: S2sOpenOptions['watch'];
  /** The one that is connected to, or was last; until its outcome is known its attempt counts. */
  #current: Candidate<OpenAiRealtime> | null = null;
  #isEstablished = false;
  #isProved = false;
  /** Where to look first. */
  #from = 0;
  /** It broke once and is asked anew. */
  #isSecondChance = false;
  #failure: AntipodeError | null = null;
  /** Those that would answer another try of this conversation the same way. */
  readonly #refused = new Set<number>();

  constructor(options: ResilientS2sOptions, line: ServiceLine<OpenAiRealtime>, watch: S2sOpenOptions['watch']) {
    this.#options = options;
    this.#line = line;
    this.#watch = watch;
    this.preferred = this.#target(0);
  }

  #target(index: number): RealtimeTarget {
    const { endpoints } = this.#options;
    const { service, firstResponseMs } = endpoints[index]!;
    const { settings } = service;
    const connectTimeoutMs = this.#hasOther(index)
      ? Math.min(firstResponseMs, settings.connectTimeoutMs)
      : settings.connectTimeoutMs;
    return { settings: { ...settings, connectTimeoutMs }, takesVoice: service.name === endpoints[0]!.service.name };
  }

  #hasOther(index: number): boolean {
    return this.#options.endpoints.some(
      ({ breaker }, other) => other !== index && !this.#refused.has(other) && breaker.passes,
    );
  }

  take(): RealtimeTarget {
    const { endpoints } = this.#options;
    for (let step = 0; step < endpoints.length; step++) {
      const index = (this.#from + step) % endpoints.length;
      const endpoint = endpoints[index]!;
      const attempt = this.#refused.has(index) ? null : endpoint.breaker.begin();
      if (attempt !== null) return this.#taken({ index, endpoint, attempt });
    }
    throw this.#line.noneLeft();
  }

  #taken(next: Candidate<OpenAiRealtime>): RealtimeTarget {
    const before = this.#current;
    if (before !== null && before.index !== next.index) {
      this.#line.failedOver(before, next, this.#failure ?? this.#line.noneLeft(), this.#watch);
      this.#isSecondChance = false;
    }
    this.#current = next;
    this.#from = next.index;
    this.#isEstablished = false;
    this.#isProved = false;
    return this.#target(next.index);
  }

  waitMs(): number {
    const { endpoints, clock } = this.#options;
    const waits = endpoints.map(({ breaker: { state } }, index) => {
      if (this.#refused.has(index)) return Number.POSITIVE_INFINITY;
      return state.name === 'open' ? Math.max(0, state.untilMs - clock.now()) : 0;
    });
    return Math.min(...waits);
  }

  established(): void {
    this.#isEstablished = true;
    const { attempt, endpoint } = this.#current!;
    // Other calls wait for the outcome of a trial; an answer may be long in coming.
    if (endpoint.breaker.state.name === 'half-open') attempt.succeeded();
  }

  proved(): void {
    this.#current?.attempt.succeeded();
    this.#isProved = true;
    this.#isSecondChance = false;
  }

  ended(error: AntipodeError, final: boolean): void {
    const current = this.#current;
    if (current === null) return;
    this.#failure = error;
    const { index, endpoint } = current;
    const hung = error.code === 'ERR_SERVICE_TIMEOUT';
    // That a connection which has served ends tells nothing of the service; that nothing comes over it does.
    if (this.#isProved && hung) {
      const attempt = endpoint.breaker.begin();
      if (attempt !== null) this.#line.failed({ ...current, attempt }, error);
    } else this.#line.failed(current, error);
    if (final) this.#refused.add(index);
    const mayTryAgain = this.#isEstablished && !final && !hung && !this.#isSecondChance;
    this.#isSecondChance = mayTryAgain;
    this.#from = mayTryAgain ? index : (index + 1) % this.#options.endpoints.length;
  }

  released(): void {
    if (this.#isEstablished) this.#current?.attempt.succeeded();
    else this.#current?.attempt.abandoned();
  }
}
