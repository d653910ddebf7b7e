/**
 * Where this node keeps what it writes down of sessions, as it announces that: what is configured, else its own region
 * for what stays on this machine, else nobody knows. Owns what follows from the configuration, and no store.
 */
import type { Config } from './schema.ts';

/** Regions; null where nobody knows. What is not named is in the node's own region, and traces are nowhere. */
export interface AnnouncedStores {
  readonly registry?: string | null;
  readonly logs?: string;
  readonly recordings?: string;
  readonly traces?: string | null;
}

type Settings = Pick<Config, 'node' | 'registry' | 'residency' | 'telemetry'>;

export function announcedStores({ node, registry: redis, residency, telemetry }: Settings): AnnouncedStores {
  const { registry, logs, recordings, traces } = residency.stores;
  const collector = telemetry.otlpTracesEndpoint ?? telemetry.otlpEndpoint;
  const isRemote = redis.kind !== 'memory' && !redisUrls(redis).every(isHere);
  return {
    ...(registry !== null ? { registry } : isRemote && { registry: null }),
    ...(logs !== null && { logs }),
    ...(recordings !== null && { recordings }),
    ...(collector !== null && { traces: traces ?? (isHere(collector) ? node.region : null) }),
  };
}

function redisUrls({ url, sentinels, cluster }: Settings['registry']): string[] {
  return [...(url === null ? [] : [url]), ...[...sentinels, ...cluster].map((address) => `redis://${address}`)];
}

/** On this machine. */
function isHere(url: string): boolean {
  const host = new URL(url).hostname;
  return host === 'localhost' || host === '[::1]' || /^127(\.\d{1,3}){3}$/.test(host);
}
