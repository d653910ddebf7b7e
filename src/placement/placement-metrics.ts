/** The metrics of placement on the process's registry. Labels are bounded: outcomes and fixed words only. */
import { counter, gauge, histogram, type Registry as Metrics } from '../telemetry/index.ts';

const DECISION_SECONDS_BUCKETS = [0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.25];

/** What became of a measurement that a node told. */
export type MeasurementResult = 'kept' | 'bounded' | 'refused';

export interface PlacementMetrics {
  /** `chosen` or the code of the refusal. */
  decided(outcome: string, seconds: number): void;
  compiled(): void;
  worldAge(seconds: number): void;
  registryFailed(): void;
  registryReachable(reachable: boolean): void;
  reservations(counts: { reserved: number; held: number }): void;
  policyRefusals(count: number): void;
  policyRefused(refused: boolean): void;
  measured(result: MeasurementResult): void;
  /** Of a service's time. */
  servicesMeasured(result: MeasurementResult): void;
  /** Of callers. */
  probed(result: MeasurementResult, count: number): void;
}

export function placementMetrics(registry: Metrics): PlacementMetrics {
  const decisions = counter(
    registry,
    'antipode_placement_decisions_total',
    'Places that were asked for, by what came of it: chosen, or the code of the refusal.',
    ['outcome'],
  );
  const seconds = histogram(
    registry,
    'antipode_placement_decision_seconds',
    'Time that a decision took, without reading the registry.',
    DECISION_SECONDS_BUCKETS,
  );
  const compiles = counter(registry, 'antipode_placement_plans_total', 'Plans that were compiled.');
  const age = gauge(
    registry,
    'antipode_placement_world_age_seconds',
    'Age of the world at the newest decision, since the registry was last read.',
  );
  const failures = counter(
    registry,
    'antipode_placement_registry_failures_total',
    'Readings of the registry that failed: sessions were placed by the last world.',
  );
  const reachable = gauge(
    registry,
    'antipode_placement_registry_reachable',
    '1 while the registry answers placement, 0 while it decides by the last world.',
  );
  const reservations = gauge(
    registry,
    'antipode_placement_reservations',
    'Slots at cores that are promised: reserved for a while, or held by a session.',
    ['state'],
  );
  const policyRefusals = gauge(
    registry,
    'antipode_placement_policy_refusals',
    'Versions of the policy file that were refused since the start.',
  );
  const policyRefused = gauge(
    registry,
    'antipode_placement_policy_refused',
    '1 while the newest version of the policy file is refused and an older one is in force.',
  );
  const measurements = counter(
    registry,
    'antipode_placement_measurements_total',
    'Measured paths that were told: kept, bounded by what is possible, or refused.',
    ['result'],
  );
  const probes = counter(
    registry,
    'antipode_placement_probes_total',
    'Round trips to POPs that callers told: kept, bounded by what is possible, or refused as of no POP that is there.',
    ['result'],
  );
  const services = counter(
    registry,
    'antipode_placement_service_measurements_total',
    'Measured times of AI services that cores told: kept, bounded by what is possible, or refused.',
    ['result'],
  );
  return {
    decided: (outcome, took) => {
      decisions.inc({ outcome });
      seconds.observe(took);
    },
    compiled: () => compiles.inc(),
    worldAge: (value) => age.set(value),
    registryFailed: () => failures.inc(),
    registryReachable: (value) => reachable.set(value ? 1 : 0),
    reservations: ({ reserved, held }) => {
      reservations.set({ state: 'reserved' }, reserved);
      reservations.set({ state: 'held' }, held);
    },
    policyRefusals: (count) => policyRefusals.set(count),
    policyRefused: (refused) => policyRefused.set(refused ? 1 : 0),
    measured: (result) => measurements.inc({ result }),
    servicesMeasured: (result) => services.inc({ result }),
    probed: (result, count) => probes.inc({ result }, count),
  };
}
