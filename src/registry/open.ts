/** Opens the registry that the configuration names. Owns the choice alone. */
import type { Clock } from '../clock.ts';
import type { Config } from '../config/index.ts';
import type { Logger, Registry as Metrics } from '../telemetry/index.ts';
import { MemoryRegistry } from './memory.ts';
import { RedisRegistry } from './redis/redis-registry.ts';
import { redisSettings } from './redis/settings.ts';
import type { Registry } from './registry.ts';

export interface OpenRegistryOptions {
  config: Pick<Config, 'registry'>;
  clock: Clock;
  log: Logger;
  metrics: Metrics;
}

/** @throws ERR_CONFIG_INVALID | ERR_REGISTRY_UNAVAILABLE | ERR_REGISTRY_REFUSED | ERR_REGISTRY_UNSUPPORTED */
export async function openRegistry(options: OpenRegistryOptions): Promise<Registry> {
  const { config, clock, log, metrics } = options;
  if (config.registry.kind === 'memory') return new MemoryRegistry({ clock, log, zone: config.registry.zone });
  return RedisRegistry.open({ settings: redisSettings(config.registry), clock, log, metrics });
}
