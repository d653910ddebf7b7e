/** What a registry that is elsewhere counts, on the process's metrics. Owns their names. */
import {
  type Counter,
  counter,
  type Gauge,
  gauge,
  type Histogram,
  histogram,
  type Registry,
} from '../telemetry/index.ts';

/** Why a record of the store was not believed. */
export type SkipReason = 'future' | 'invalid';
export type RecordKind = 'node' | 'session' | 'home' | 'room';
/** How a command failed: no answer in time, no connection, or the store said no. */
export type CommandFailure = 'timeout' | 'connection' | 'refused';

const COMMAND_SECONDS_BUCKETS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1];

export interface RegistryMetrics {
  connected: Gauge;
  commandSeconds: Histogram<'command'>;
  commandFailures: Counter<'command' | 'reason'>;
  renewalsFailed: Counter<'kind'>;
  recordsSkipped: Counter<'kind' | 'reason'>;
  /** What was answered from this process alone, the store being out of reach. */
  deferred: Counter<'kind'>;
  dataLost: Counter;
}

export function registryMetrics(registry: Registry): RegistryMetrics {
  return {
    connected: gauge(registry, 'antipode_registry_connected', '1 while the registry store answers.'),
    commandSeconds: histogram(
      registry,
      'antipode_registry_command_seconds',
      'Commands that the registry store answered, and how long that took.',
      COMMAND_SECONDS_BUCKETS,
      ['command'],
    ),
    commandFailures: counter(
      registry,
      'antipode_registry_command_failures_total',
      'Commands that the registry store did not answer, or refused.',
      ['command', 'reason'],
    ),
    renewalsFailed: counter(registry, 'antipode_registry_renewals_failed_total', 'Renewals of leases that failed.', [
      'kind',
    ]),
    recordsSkipped: counter(
      registry,
      'antipode_registry_records_skipped_total',
      'Records of the registry that could not be read here.',
      ['kind', 'reason'],
    ),
    deferred: counter(
      registry,
      'antipode_registry_deferred_total',
      'Writes that this process kept, the registry store being out of reach.',
      ['kind'],
    ),
    dataLost: counter(registry, 'antipode_registry_data_lost_total', 'Times that the registry store came back empty.'),
  };
}
