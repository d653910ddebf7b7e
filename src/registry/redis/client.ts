/**
 * Makes the ioredis client for a standalone server, Sentinels or a Cluster. Owns its options: no queue for commands
 * while the connection is down, no command sent twice, and reconnecting with back-off and jitter for ever.
 */
import { Cluster, Redis, type RedisOptions } from 'ioredis';
import { LUA_SCRIPTS } from './scripts.ts';
import type { RedisSettings } from './settings.ts';

export type RedisClient = Redis | Cluster;

const MAX_RECONNECT_DELAY_MS = 1_000;
const FIRST_RECONNECT_DELAY_MS = 50;
/** A socket that does not close by itself is destroyed. */
const DISCONNECT_TIMEOUT_MS = 200;

export interface RedisClientOptions {
  settings: RedisSettings;
  /** In [0, 1). */
  random: () => number;
  /** Subscribes only. */
  forEvents?: boolean;
}

/** Not connected yet. */
export function createRedisClient(options: RedisClientOptions): RedisClient {
  const { settings, random } = options;
  const { place, credentials, sentinelCredentials, tls } = settings;
  const backOff = (times: number) => reconnectDelayMs(times, random);
  const common: RedisOptions = {
    ...credentials,
    ...(tls !== null && { tls }),
    lazyConnect: true,
    connectTimeout: settings.connectTimeoutMs,
    disconnectTimeout: DISCONNECT_TIMEOUT_MS,
    // A peer that takes commands and answers none is left after this long, also in the middle of its greeting.
    socketTimeout: settings.commandTimeoutMs,
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    autoResubscribe: false,
    maxRetriesPerRequest: 0,
    retryStrategy: backOff,
    // A master that became a replica: ask again who is master.
    reconnectOnError: (error) => (error.message.startsWith('READONLY') ? 1 : false),
    connectionName: options.forEvents === true ? 'antipode-events' : 'antipode',
    disableClientInfo: true,
    scripts: LUA_SCRIPTS,
  };
  if (place.kind === 'standalone') return new Redis({ ...common, ...place.address, db: place.db });
  if (place.kind === 'sentinel') {
    return new Redis({
      ...common,
      sentinels: place.sentinels.map((address) => ({ ...address })),
      name: place.name,
      db: place.db,
      sentinelUsername: sentinelCredentials.username,
      sentinelPassword: sentinelCredentials.password,
      sentinelCommandTimeout: settings.commandTimeoutMs,
      sentinelRetryStrategy: backOff,
      failoverDetector: options.forEvents !== true,
      ...(tls !== null && { enableTLSForSentinelMode: true, sentinelTLS: tls }),
    });
  }
  const { retryStrategy: _, enableOfflineQueue: __, scripts, ...redisOptions } = common;
  return new Cluster(
    place.nodes.map((address) => ({ ...address })),
    {
      redisOptions,
      scripts,
      lazyConnect: true,
      enableOfflineQueue: false,
      clusterRetryStrategy: backOff,
      slotsRefreshTimeout: settings.commandTimeoutMs,
      // Certificates name hosts; addresses that are looked up beforehand would not match them.
      dnsLookup: (address, callback) => callback(null, address),
    },
  );
}

/** Everybody who can be asked on his own: the one server, or a Cluster's masters. */
export function serversOf(client: RedisClient): Redis[] {
  return client instanceof Cluster ? client.nodes('master') : [client];
}

/** 50 ms, doubled up to 1 s, each time between half and the whole of it. */
export function reconnectDelayMs(times: number, random: () => number): number {
  const ceiling = Math.min(MAX_RECONNECT_DELAY_MS, FIRST_RECONNECT_DELAY_MS * 2 ** Math.min(times - 1, 10));
  return Math.round(ceiling * (0.5 + random() / 2));
}
