/**
 * The metrics that calls are counted in, declared on the process's registry. Labels are bounded: kinds, outcomes and
 * codes are ours, services and models come from the configuration, names of tools are kept to the first hundred.
 */
import { BoundedLabel, counter, histogram, type Registry, TURN_SECONDS_BUCKETS } from '../../telemetry/index.ts';

export type CallMetrics = ReturnType<typeof callMetrics>;

/** Values of a label that are kept apart in one process. */
const MAX_TOOL_NAMES = 100;
const MAX_MODELS = 100;

/** Of what may take as long as a time-out lets it. */
const RUN_SECONDS_BUCKETS = [...TURN_SECONDS_BUCKETS, 15, 30];

const SERVICE_LABELS: ('kind' | 'service' | 'model')[] = ['kind', 'service', 'model'];

export function callMetrics(registry: Registry) {
  return {
    turnSeconds: histogram(
      registry,
      'antipode_turn_seconds',
      "Parts of a turn, from the caller's last sound to the first packet of the answer.",
      TURN_SECONDS_BUCKETS,
      ['part'],
    ),
    endpointingSeconds: histogram(
      registry,
      'antipode_endpointing_seconds',
      "From the caller's last sound to the decision that the turn is over, by what decided it.",
      TURN_SECONDS_BUCKETS,
      ['by'],
    ),
    turns: counter(registry, 'antipode_turns_total', 'Turns that are over, by what began and what ended them.', [
      'cause',
      'outcome',
    ]),
    interruptions: counter(
      registry,
      'antipode_interruptions_total',
      'Sounds over the agent: paused for, then confirmed (it was cut off) or rejected (it went on).',
      ['outcome'],
    ),
    interruptionSeconds: histogram(
      registry,
      'antipode_interruption_seconds',
      'From the first sound over the agent to what was done about it.',
      TURN_SECONDS_BUCKETS,
      ['outcome'],
    ),
    speculations: counter(registry, 'antipode_speculations_total', 'Answers begun on a probable end of a turn.', [
      'outcome',
    ]),
    idle: counter(registry, 'antipode_idle_total', 'Long silences: the caller was prompted, or the call ended.', [
      'outcome',
    ]),
    contextSummaries: counter(registry, 'antipode_context_summaries_total', 'Contexts that were shortened.'),
    serviceRuns: counter(registry, 'antipode_service_runs_total', 'Requests to AI services, by how they ended.', [
      ...SERVICE_LABELS,
      'outcome',
    ]),
    serviceFirstSeconds: histogram(
      registry,
      'antipode_service_first_seconds',
      'From a request to its first word or sound (TTFT, TTFB); for speech to text to the final words.',
      TURN_SECONDS_BUCKETS,
      SERVICE_LABELS,
    ),
    serviceRunSeconds: histogram(
      registry,
      'antipode_service_run_seconds',
      'From a request to its end.',
      RUN_SECONDS_BUCKETS,
      SERVICE_LABELS,
    ),
    serviceTokens: counter(registry, 'antipode_service_tokens_total', 'Tokens that services counted.', [
      ...SERVICE_LABELS,
      'type',
    ]),
    serviceCharacters: counter(
      registry,
      'antipode_service_characters_total',
      'Characters that were sent to be spoken.',
      SERVICE_LABELS,
    ),
    serviceAudioSeconds: counter(
      registry,
      'antipode_service_audio_seconds_total',
      'Sound that went to services and came back.',
      [...SERVICE_LABELS, 'direction'],
    ),
    serviceCostUsd: counter(
      registry,
      'antipode_service_cost_usd_total',
      "US dollars by the catalogue's prices, without what has no price.",
      SERVICE_LABELS,
    ),
    serviceUnpriced: counter(
      registry,
      'antipode_service_unpriced_runs_total',
      'Requests whose cost is not, or not wholly, in antipode_service_cost_usd_total.',
      [...SERVICE_LABELS, 'why'],
    ),
    serviceErrors: counter(
      registry,
      'antipode_service_errors_total',
      'Turns that lost an AI service: no alternative was left.',
      ['kind', 'service', 'code'],
    ),
    toolRuns: counter(registry, 'antipode_tool_runs_total', 'Tools that models called, by how they ended.', [
      'tool',
      'outcome',
    ]),
    toolSeconds: histogram(registry, 'antipode_tool_seconds', 'How long tools ran.', RUN_SECONDS_BUCKETS, ['tool']),
    toolNames: new BoundedLabel(MAX_TOOL_NAMES),
    models: new BoundedLabel(MAX_MODELS),
  };
}
