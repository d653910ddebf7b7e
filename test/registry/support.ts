/** Opens RedisRegistry on the servers of a test, with the configuration that an operator would write. */

import { randomUUID } from 'node:crypto';
import { systemClock } from '../../src/clock.ts';
import { type Config, configSchema } from '../../src/config/index.ts';
import { RedisRegistry, redisSettings } from '../../src/registry/index.ts';
import { createMetrics, type Logger, type Registry as Metrics, silentLogger } from '../../src/telemetry/index.ts';
import type { RegistryUnderTest } from './conformance.ts';

type RegistryConfig = Config['registry'];
type RegistryInput = Record<string, unknown>;

export function registryConfig(input: RegistryInput): RegistryConfig {
  return configSchema.parse({ registry: { kind: 'redis', ...input } }).registry;
}

export interface OpenedOptions {
  log?: Logger;
  metrics?: Metrics;
  graceMs?: number;
}

export function openRedis(input: RegistryInput, options: OpenedOptions = {}): Promise<RedisRegistry> {
  return RedisRegistry.open({
    settings: redisSettings(registryConfig(input)),
    clock: systemClock,
    log: options.log ?? silentLogger,
    metrics: options.metrics ?? createMetrics({ processMetrics: false }),
    graceMs: options.graceMs,
  });
}

/** Resolves when `condition` holds; asks every 10 ms. */
export async function until(condition: () => boolean | Promise<boolean>, limitMs = 10_000): Promise<void> {
  const endMs = performance.now() + limitMs;
  while (!(await condition())) {
    if (performance.now() > endMs) throw new Error('waited in vain');
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** One figure of `metrics`, by its labels; 0 when there is none. */
export async function metricOf(metrics: Metrics, name: string, labels: Record<string, string> = {}): Promise<number> {
  const values = (await metrics.getSingleMetric(name)?.get())?.values ?? [];
  const matches = values.filter((value) =>
    Object.entries(labels).every(([label, expected]) => (value.labels as Record<string, unknown>)[label] === expected),
  );
  return matches.reduce((sum, { value }) => sum + value, 0);
}

/** Two handles on a corner of Redis that no other test sees, for the conformance suite. */
export async function openPair(input: RegistryInput): Promise<RegistryUnderTest> {
  const keyPrefix = `antipode:${randomUUID()}:`;
  const [registry, other] = await Promise.all([openRedis({ ...input, keyPrefix }), openRedis({ ...input, keyPrefix })]);
  return {
    registry,
    other,
    slackMs: 1_000,
    pass: (ms) => new Promise((resolve) => setTimeout(resolve, ms + 5)), // timers may be a little early
    unixMs: () => Date.now(),
  };
}
