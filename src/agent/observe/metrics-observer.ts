/** Counts what is seen of a call in the process's metrics. */
import type { AgentMetrics } from '../agent-metrics.ts';
import type { CallObserver } from './call-observers.ts';
import type { Observation } from './observation.ts';

export class MetricsObserver implements CallObserver {
  readonly name = 'metrics';
  readonly #metrics: AgentMetrics;

  constructor(metrics: AgentMetrics) {
    this.#metrics = metrics;
  }

  observed(observation: Observation): void {
    switch (observation.type) {
      case 'turn-audible':
        this.#metrics.observeTurn(observation.timeline);
        return;
      case 'interruption':
        if (observation.outcome === 'confirmed') this.#metrics.interruptions.inc();
        return;
      case 'service-failed': {
        const { kind, service, code } = observation;
        this.#metrics.serviceErrors.inc({ kind, service, code });
        return;
      }
      default:
    }
  }
}
