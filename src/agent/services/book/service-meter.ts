/**
 * The times and the outcome of one request to a service, told once to whoever watches. What was used of the service is
 * its user's to count.
 */
import type { Clock } from '../../../clock.ts';
import { asAntipodeError, type ErrorCode } from '../../../errors.ts';
import type { ServiceKind, ServiceUsage, ServiceWatch } from '../../observe/observation.ts';
import { SilenceError } from './silence.ts';

/** Which service is metered, as it is told with each of its runs. */
export interface MeteredService {
  readonly kind: ServiceKind;
  /** In the catalogue, or a program's name. */
  readonly service: string;
  readonly model: string | null;
  /** The catalogue's, `local` for a program; null when unknown. */
  readonly region: string | null;
  /** What opening the newest connection to it took, one round trip, ms; null before there was one. */
  connectMs?(): number | null;
}

export class ServiceMeter {
  readonly #service: MeteredService;
  readonly #clock: Clock;
  readonly #watch: ServiceWatch | undefined;
  #startedAtMs: number;
  #firstAtMs: number | null = null;
  #told = false;

  /** The request begins now. */
  constructor(service: MeteredService, clock: Clock, watch: ServiceWatch | undefined) {
    this.#service = service;
    this.#clock = clock;
    this.#watch = watch;
    this.#startedAtMs = clock.now();
  }

  /** It begins anew: what was asked before was not all. */
  restart(): void {
    this.#startedAtMs = this.#clock.now();
    this.#firstAtMs = null;
  }

  /** Something of the answer came. @returns when the first of it did */
  came(): number {
    this.#firstAtMs ??= this.#clock.now();
    return this.#firstAtMs;
  }

  /** It is over; only the first call tells. */
  ended(outcome: 'ok' | 'aborted' | ErrorCode, usage: ServiceUsage, endedAtMs = this.#clock.now()): void {
    if (this.#told) return;
    this.#told = true;
    const { connectMs, ...service } = this.#service;
    const connectedInMs = connectMs?.() ?? null;
    this.#watch?.ran({
      ...service,
      ...(connectedInMs !== null && { connectMs: connectedInMs }),
      startedAtMs: this.#startedAtMs,
      firstAtMs: this.#firstAtMs,
      endedAtMs,
      outcome,
      usage,
    });
  }
}

/** How a request ended that threw `error`: who aborts is the caller, unless it is another service that takes over. */
export function outcomeOf(error: unknown, signal: AbortSignal): 'aborted' | ErrorCode {
  if (signal.aborted) return signal.reason instanceof SilenceError ? signal.reason.code : 'aborted';
  return asAntipodeError(error, 'ERR_SERVICE_FAILED').code;
}
