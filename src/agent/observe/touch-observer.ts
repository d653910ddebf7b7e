/** Tells the residency record which services a session's data went to. */
import type { DataTouch } from '../types.ts';
import type { CallObserver } from './call-observers.ts';
import type { Observation } from './observation.ts';

export class TouchObserver implements CallObserver {
  readonly name = 'touch';
  readonly #touched: (touch: DataTouch) => void;
  readonly #known = new Set<string>();

  constructor(touched: (touch: DataTouch) => void) {
    this.#touched = touched;
  }

  observed(observation: Observation): void {
    if (observation.type !== 'service-run') return;
    const { kind, service, region } = observation.run;
    const name = `${service}@${region ?? 'own'}`;
    if (this.#known.has(`${kind} ${name}`)) return;
    this.#known.add(`${kind} ${name}`);
    this.#touched({ kind: 'endpoint', name, region, detail: kind });
  }
}
