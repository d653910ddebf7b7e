/**
 * Whether a service is to be asked now: after failures it is left alone for a while, longer each time, then asked by one
 * request whose outcome decides. One for each service of a process, shared by all calls. Owns no timer: time is looked
 * at when somebody asks.
 */
import type { Clock } from '../../../clock.ts';

export interface CircuitBreakerOptions {
  clock: Clock;
  /** 0..1, for the jitter. @defaultValue Math.random */
  random?: () => number;
  /** Told of each change, after it. */
  onChange?(state: BreakerState): void;
  /** Failures in a row that open it. */
  maxFailuresInRow?: number;
  /** Share of failures among the last `rateWindow` requests that opens it. */
  maxFailureRate?: number;
  rateWindow?: number;
  /** First time that it stays open; doubled each time that the probe fails, up to `maxOpenMs`. */
  openMs?: number;
  maxOpenMs?: number;
  /** How long it stays open when the service refuses our key. */
  refusedOpenMs?: number;
  /** Times open are longer or shorter by up to this share, so that nodes do not all ask at once. */
  jitter?: number;
}

export const CIRCUIT_BREAKER_DEFAULTS = {
  maxFailuresInRow: 3,
  maxFailureRate: 0.5,
  rateWindow: 20,
  openMs: 5_000,
  maxOpenMs: 120_000,
  refusedOpenMs: 300_000,
  jitter: 0.2,
} as const satisfies Partial<CircuitBreakerOptions>;

export type BreakerState =
  /** Requests pass; the last outcomes, oldest first, true for a failure. */
  | { readonly name: 'closed'; readonly failures: readonly boolean[]; readonly inRow: number }
  /** None pass until `untilMs` (Clock.now); `times` is how often in a row it opened. */
  | { readonly name: 'open'; readonly untilMs: number; readonly times: number }
  /** One is on its way and decides. */
  | { readonly name: 'half-open'; readonly times: number };

/** What of a failure matters here. */
export interface Failure {
  /** The service does not take our key. */
  readonly refused: boolean;
  /** It asked to be left alone for so long, ms; null when it did not. */
  readonly waitMs: number | null;
}

export type BreakerEvent =
  | { readonly type: 'asked'; readonly atMs: number }
  | { readonly type: 'succeeded' }
  /** `spread` is the jitter: 1 is none. */
  | ({ readonly type: 'failed'; readonly atMs: number; readonly spread: number } & Failure)
  /** The caller gave it up before it was known how it would end. */
  | { readonly type: 'abandoned'; readonly atMs: number };

type Limits = Pick<
  Required<CircuitBreakerOptions>,
  'maxFailuresInRow' | 'maxFailureRate' | 'rateWindow' | 'openMs' | 'maxOpenMs' | 'refusedOpenMs'
>;

const CLOSED: BreakerState = { name: 'closed', failures: [], inRow: 0 };

export function transition(state: BreakerState, event: BreakerEvent, limits: Limits): BreakerState {
  switch (event.type) {
    case 'asked':
      return state.name === 'open' && event.atMs >= state.untilMs ? { name: 'half-open', times: state.times } : state;
    case 'abandoned':
      // The probe tells nothing: the next request may be one.
      return state.name === 'half-open' ? { name: 'open', untilMs: event.atMs, times: state.times } : state;
    case 'succeeded':
      if (state.name !== 'closed') return CLOSED;
      return { name: 'closed', failures: [...state.failures, false].slice(-limits.rateWindow), inRow: 0 };
    case 'failed': {
      // Told by a request that had begun before it opened.
      if (state.name === 'open' && !event.refused) return state;
      const times = state.name === 'closed' ? 1 : state.times + 1;
      const untilMs = event.atMs + openMs(event, times, limits) * event.spread;
      const opened: BreakerState = { name: 'open', untilMs, times };
      if (state.name !== 'closed' || event.refused || event.waitMs !== null) return opened;
      const failures = [...state.failures, true].slice(-limits.rateWindow);
      const inRow = state.inRow + 1;
      const rate = failures.filter(Boolean).length / limits.rateWindow;
      const tooMany = failures.length === limits.rateWindow && rate >= limits.maxFailureRate;
      return inRow >= limits.maxFailuresInRow || tooMany ? opened : { name: 'closed', failures, inRow };
    }
  }
}

function openMs({ refused, waitMs }: Failure, times: number, limits: Limits): number {
  if (refused) return limits.refusedOpenMs;
  const ownMs = Math.min(limits.maxOpenMs, limits.openMs * 2 ** (times - 1));
  return waitMs === null ? ownMs : Math.min(limits.maxOpenMs, Math.max(waitMs, ownMs));
}

/** One request under a breaker. The first of its outcomes counts; the others do nothing. */
export interface Attempt {
  succeeded(): void;
  failed(failure: Failure): void;
  abandoned(): void;
}

export class CircuitBreaker {
  readonly #options: Required<Omit<CircuitBreakerOptions, 'onChange'>> & Pick<CircuitBreakerOptions, 'onChange'>;
  #state: BreakerState = CLOSED;

  constructor(options: CircuitBreakerOptions) {
    this.#options = { ...CIRCUIT_BREAKER_DEFAULTS, random: Math.random, ...options };
  }

  get state(): BreakerState {
    return this.#state;
  }

  /** Whether a request would pass now. */
  get passes(): boolean {
    const state = this.#state;
    return state.name === 'closed' || (state.name === 'open' && this.#options.clock.now() >= state.untilMs);
  }

  /** Begin a request; null when the service is to be left alone. */
  begin(): Attempt | null {
    if (!this.passes) return null;
    this.#on({ type: 'asked', atMs: this.#options.clock.now() });
    let settled = false;
    const once = (event: () => BreakerEvent) => {
      if (settled) return;
      settled = true;
      this.#on(event());
    };
    const { clock, random, jitter } = this.#options;
    return {
      succeeded: () => once(() => ({ type: 'succeeded' })),
      failed: (failure) =>
        once(() => ({ type: 'failed', atMs: clock.now(), spread: 1 + jitter * (2 * random() - 1), ...failure })),
      abandoned: () => once(() => ({ type: 'abandoned', atMs: clock.now() })),
    };
  }

  #on(event: BreakerEvent): void {
    const before = this.#state;
    this.#state = transition(before, event, this.#options);
    if (this.#state.name !== before.name) this.#options.onChange?.(this.#state);
  }
}
