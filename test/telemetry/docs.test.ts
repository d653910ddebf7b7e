import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Counter, Gauge, Histogram, type Metric } from 'prom-client';
import { expect, test } from 'vitest';
import { agentMetrics } from '../../src/agent/index.ts';
import { serviceMetrics } from '../../src/agent/services/book/service-metrics.ts';
import { backboneMetrics } from '../../src/backbone/backbone-metrics.ts';
import { ENVIRONMENT } from '../../src/config/index.ts';
import { CoreMetrics } from '../../src/core/core-metrics.ts';
import { EdgeMetrics } from '../../src/edge/edge-metrics.ts';
import { registryMetrics } from '../../src/registry/index.ts';
import { signalingMetrics } from '../../src/signaling/signaling-metrics.ts';
import { createMetrics } from '../../src/telemetry/index.ts';

const ROOT = join(import.meta.dirname, '../..');
const page = readFileSync(join(ROOT, 'docs/observe.md'), 'utf8');

interface Row {
  type: string;
  labels: string[];
}

const documented = new Map(
  [...page.matchAll(/^\| `(antipode_\w+)` \| (\w+) \|([^|]*)\|/gm)].map(([, name, type, labels]): [string, Row] => [
    name!,
    { type: type!, labels: [...labels!.matchAll(/`(\w+)`/g)].map(([, label]) => label!) },
  ]),
);

/** What a node registers when it starts; parts that need a worker or a model are found in the source alone. */
function registered(): Map<string, Row> {
  const registry = createMetrics({ processMetrics: false });
  agentMetrics(registry);
  serviceMetrics(registry);
  new CoreMetrics(registry, 'core');
  new EdgeMetrics(registry);
  signalingMetrics(registry);
  backboneMetrics(registry);
  registryMetrics(registry);
  const all = registry.getMetricsAsArray() as unknown as (Metric & { name: string; labelNames: string[] })[];
  return new Map(all.map((metric) => [metric.name, { type: typeOf(metric), labels: [...metric.labelNames] }]));
}

function typeOf(metric: unknown): string {
  if (metric instanceof Counter) return 'counter';
  if (metric instanceof Histogram) return 'histogram';
  return metric instanceof Gauge ? 'gauge' : 'unknown';
}

/** Every whole name of a metric that stands in the source. */
function namesInSource(): string[] {
  return readdirSync(join(ROOT, 'src'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .flatMap((name) => [...readFileSync(join(ROOT, 'src', name), 'utf8').matchAll(/'(antipode_[a-z0-9_]+)'/g)])
    .map(([, name]) => name!);
}

test('docs/observe.md names every metric, each once, and no other', () => {
  const names = new Set([...namesInSource(), ...registered().keys()]);
  expect([...documented.keys()].sort()).toEqual([...names].sort());
  expect(page.match(/^\| `antipode_/gm)).toHaveLength(documented.size);
});

test('docs/observe.md gives each metric its type and its labels', () => {
  for (const [name, row] of registered()) expect([name, documented.get(name)]).toEqual([name, row]);
});

test('docs/observe.md names the variables and settings of the configuration', () => {
  for (const [variable, path] of Object.entries(ENVIRONMENT)) {
    if (!path.startsWith('telemetry.')) continue;
    expect(page).toContain(`\`${variable}\``);
    expect(page).toContain(`\`${path}\``);
  }
});
