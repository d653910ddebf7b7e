/**
 * Tells every observer of a call what was seen, in order. An observer that throws is logged and counted, and neither
 * the call nor the other observers notice.
 */
import type { Counter, Logger } from '../../telemetry/index.ts';
import type { Observation, Observe } from './observation.ts';

export interface CallObserver {
  readonly name: string;
  observed(observation: Observation): void;
}

export interface CallObserversOptions {
  log: Logger;
  failures: Counter<'observer'>;
}

export class CallObservers {
  readonly #options: CallObserversOptions;
  readonly #observers: readonly CallObserver[];

  constructor(observers: readonly CallObserver[], options: CallObserversOptions) {
    this.#observers = observers;
    this.#options = options;
  }

  readonly observe: Observe = (observation) => {
    for (const observer of this.#observers) {
      try {
        observer.observed(observation);
      } catch (error) {
        this.#options.failures.inc({ observer: observer.name });
        this.#options.log.error({ err: error, observer: observer.name, seen: observation.type }, 'an observer failed');
      }
    }
  };
}
