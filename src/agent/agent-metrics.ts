/** The metrics of the agent's side of a node. Declares them; each part counts for itself. */
import { counter, histogram, type Registry } from '../telemetry/index.ts';
import { callMetrics } from './observe/index.ts';
import { serviceMetrics } from './services/book/service-metrics.ts';

export type AgentMetrics = ReturnType<typeof agentMetrics>;

export function agentMetrics(registry: Registry) {
  return {
    /** What the observers of calls count in. */
    calls: callMetrics(registry),
    /** Which services are left alone, and who took over from whom. */
    services: serviceMetrics(registry),
    agentFailures: counter(registry, 'antipode_agent_failures_total', 'Calls that ended because an agent failed.', [
      'agent',
    ]),
    observerFailures: counter(registry, 'antipode_observer_failures_total', 'Observers of calls that failed.', [
      'observer',
    ]),
    egressStopped: counter(
      registry,
      'antipode_egress_stopped_total',
      'Connections and programs of pinned sessions that were stopped.',
      ['by'],
    ),
    slowStops: counter(registry, 'antipode_agent_slow_stops_total', 'Stages that did not stop in time.', ['stage']),
    invalidAgents: counter(registry, 'antipode_agents_invalid_total', 'Agent modules that could not be loaded.'),
    vadFailures: counter(registry, 'antipode_vad_failures_total', 'Failed runs and lost windows of voice activity.'),
    vadRunSeconds: histogram(
      registry,
      'antipode_vad_run_seconds',
      'One batched run of voice activity.',
      [0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05],
    ),
    vadBatchSize: histogram(registry, 'antipode_vad_batch_windows', 'Windows in one run.', [1, 2, 4, 8, 16, 32]),
  };
}
