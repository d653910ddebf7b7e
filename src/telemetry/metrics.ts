/**
 * The process's metrics registry. Names follow `antipode_<part>_<what>_<unit>`; each part declares its own metrics on
 * the registry that it is given, so two nodes in one process (dev) share one page at /metrics told apart by labels.
 */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';

export { Counter, Gauge, Histogram, Registry };

/** Bucket bounds for parts of a voice turn, seconds. */
export const TURN_SECONDS_BUCKETS = [0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 0.8, 1.2, 2, 4, 8];
/** Bucket bounds for lateness of a 20 ms frame, seconds. */
export const LATENESS_SECONDS_BUCKETS = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5];

export function createMetrics(options: { processMetrics: boolean }): Registry {
  const registry = new Registry();
  if (options.processMetrics) collectDefaultMetrics({ register: registry });
  return registry;
}

/** The counter `name` of this registry, made at first use; further calls answer the same one. */
export function counter<L extends string>(registry: Registry, name: string, help: string, labelNames: L[] = []) {
  const existing = registry.getSingleMetric(name);
  if (existing) return existing as Counter<L>;
  return new Counter<L>({ name, help, labelNames, registers: [registry] });
}

/** The gauge `name` of this registry, made at first use. */
export function gauge<L extends string>(registry: Registry, name: string, help: string, labelNames: L[] = []) {
  const existing = registry.getSingleMetric(name);
  if (existing) return existing as Gauge<L>;
  return new Gauge<L>({ name, help, labelNames, registers: [registry] });
}

/** The histogram `name` of this registry, made at first use. */
export function histogram<L extends string>(
  registry: Registry,
  name: string,
  help: string,
  buckets: number[],
  labelNames: L[] = [],
) {
  const existing = registry.getSingleMetric(name);
  if (existing) return existing as Histogram<L>;
  return new Histogram<L>({ name, help, buckets, labelNames, registers: [registry] });
}
