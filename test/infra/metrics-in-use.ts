/** Every metric that a node of ours has, with its type and labels: from the parts' own registries, else from the docs. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Counter, Gauge, Histogram } from 'prom-client';
import { agentMetrics } from '../../src/agent/index.ts';
import { serviceMetrics } from '../../src/agent/services/book/service-metrics.ts';
import { backboneMetrics } from '../../src/backbone/backbone-metrics.ts';
import { CoreMetrics } from '../../src/core/core-metrics.ts';
import { EdgeMetrics } from '../../src/edge/edge-metrics.ts';
import { placementMetrics } from '../../src/placement/placement-metrics.ts';
import { registryMetrics } from '../../src/registry/index.ts';
import { signalingMetrics } from '../../src/signaling/signaling-metrics.ts';
import { createMetrics } from '../../src/telemetry/index.ts';

export const ROOT = join(import.meta.dirname, '../..');

export interface KnownMetric {
  type: string;
  labels: readonly string[];
}

export function metricsInUse(): Map<string, KnownMetric> {
  const registry = createMetrics({ processMetrics: false });
  agentMetrics(registry);
  serviceMetrics(registry);
  new CoreMetrics(registry, 'core');
  new EdgeMetrics(registry);
  signalingMetrics(registry);
  backboneMetrics(registry);
  registryMetrics(registry);
  placementMetrics(registry);
  const registered = registry.getMetricsAsArray() as unknown as { name: string; labelNames: string[] }[];
  return new Map([
    ...documented(),
    ...registered.map((metric): [string, KnownMetric] => [
      metric.name,
      { type: typeOf(metric), labels: metric.labelNames },
    ]),
  ]);
}

/** Parts that need a worker or a model to start are held to docs/observe.md, which is held to the source. */
function documented(): [string, KnownMetric][] {
  const page = readFileSync(join(ROOT, 'docs/observe.md'), 'utf8');
  return [...page.matchAll(/^\| `(antipode_\w+)` \| (\w+) \|([^|]*)\|/gm)].map(([, name, type, labels]) => [
    name!,
    { type: type!, labels: [...labels!.matchAll(/`(\w+)`/g)].map(([, label]) => label!) },
  ]);
}

function typeOf(metric: unknown): string {
  if (metric instanceof Counter) return 'counter';
  if (metric instanceof Histogram) return 'histogram';
  return metric instanceof Gauge ? 'gauge' : 'unknown';
}
