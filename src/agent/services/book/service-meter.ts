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
}

export class ServiceMeter {
  readonly #service: MeteredService;
  readonly #clock: Clock;
  readonly #watch: ServiceWatch | undefined;
  readonly #startedAtMs: number;
  #firstAtMs: number | null = null;
  #told = false;

  /** The request begins now. */
  constructor(service: MeteredService, clock: Clock, watch: ServiceWatch | undefined) {
    this.#service = service;
    this.#clock = clock;
    this.#watch = watch;
    this.#startedAtMs = clock.now();
  }

  /** Something of the answer came. */
  came(): void {
    this.#firstAtMs ??= this.#clock.now();
  }

  /** It is over; only the first call tells. */
  ended(outcome: 'ok' | 'aborted' | ErrorCode, usage: ServiceUsage): void {
    if (this.#told) return;
    this.#told = true;
    this.#watch?.ran({
      ...this.#service,
      startedAtMs: this.#startedAtMs,
      firstAtMs: this.#firstAtMs,
      endedAtMs: this.#clock.now(),
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
