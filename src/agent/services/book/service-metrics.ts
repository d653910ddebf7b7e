/** What is counted of services whatever call they work for. What calls see of them, their observers count. */
import { counter, gauge, type Registry } from '../../../telemetry/index.ts';

export type ServiceMetrics = ReturnType<typeof serviceMetrics>;

export function serviceMetrics(registry: Registry) {
  return {
    breakerOpen: gauge(
      registry,
      'antipode_service_breaker_open',
      '1 while an AI service is left alone after failures, 0 while it is used.',
      ['kind', 'service'],
    ),
    failovers: counter(
      registry,
      'antipode_service_failovers_total',
      'Requests that another AI service took over because the one before had failed.',
      ['kind', 'from', 'to'],
    ),
    hedges: counter(
      registry,
      'antipode_service_hedges_total',
      'Second requests that were made for an answer because its first word or sound was late, or at once; by which gave it.',
      ['kind', 'from', 'to', 'outcome'],
    ),
    unknownEvents: counter(
      registry,
      'antipode_service_unknown_events_total',
      'Events of an AI service that nothing here reads; their names are in the log, once each.',
      ['kind', 'service'],
    ),
  };
}
