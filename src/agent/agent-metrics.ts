/** The metrics of the agent's side of a node. Declares them; each part counts for itself. */
import { counter, histogram, type Registry, TURN_SECONDS_BUCKETS } from '../telemetry/index.ts';
import type { TurnTimeline } from './client-events.ts';

export type AgentMetrics = ReturnType<typeof agentMetrics>;

export function agentMetrics(registry: Registry) {
  const turnSeconds = histogram(
    registry,
    'antipode_turn_seconds',
    "Parts of a turn, from the caller's last sound to the first packet of the answer.",
    TURN_SECONDS_BUCKETS,
    ['part'],
  );
  const serviceErrors = counter(registry, 'antipode_service_errors_total', 'Failures of AI services.', [
    'kind',
    'service',
    'code',
  ]);
  return {
    turnSeconds,
    interruptions: counter(registry, 'antipode_interruptions_total', 'Answers that the caller cut off.'),
    serviceErrors,
    agentFailures: counter(registry, 'antipode_agent_failures_total', 'Calls that ended because an agent failed.', [
      'agent',
    ]),
    observerFailures: counter(registry, 'antipode_observer_failures_total', 'Observers of calls that failed.', [
      'observer',
    ]),
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

    observeTurn(timeline: TurnTimeline): void {
      const parts = {
        endpointing: timeline.endpointingMs,
        stt: timeline.sttMs,
        llm: timeline.llmMs,
        tts: timeline.ttsMs,
        mouth: timeline.mouthMs,
        total: timeline.totalMs,
      };
      for (const [part, ms] of Object.entries(parts)) if (ms !== null) turnSeconds.observe({ part }, ms / 1_000);
    },
  };
}
