/**
 * Where Redis is and how to get in, made of the configuration: one server, Sentinels or a Cluster. Owns the reading of
 * secret files and certificates, and the words for an address, in which no secret stands.
 */
import { readFileSync } from 'node:fs';
import type { ConnectionOptions } from 'node:tls';
import type { Config } from '../../config/index.ts';
import { AntipodeError } from '../../errors.ts';

export interface Address {
  readonly host: string;
  readonly port: number;
}

export type RedisPlace =
  | { readonly kind: 'standalone'; readonly address: Address; readonly db: number }
  | { readonly kind: 'sentinel'; readonly sentinels: readonly Address[]; readonly name: string; readonly db: number }
  | { readonly kind: 'cluster'; readonly nodes: readonly Address[] };

export interface Credentials {
  readonly username: string | undefined;
  readonly password: string | undefined;
}

export interface RedisSettings {
  readonly place: RedisPlace;
  readonly credentials: Credentials;
  readonly sentinelCredentials: Credentials;
  /** Null for plain TCP. */
  readonly tls: ConnectionOptions | null;
  /** `<keyPrefix><zone>:`; nothing of ours stands outside of it. */
  readonly prefix: string;
  readonly zone: string;
  readonly commandTimeoutMs: number;
  readonly connectTimeoutMs: number;
}

const DEFAULT_PORT = 6_379;
const DEFAULT_SENTINEL_PORT = 26_379;

/** @throws ERR_CONFIG_INVALID for a file that cannot be read, or an address that is none */
export function redisSettings(config: Config['registry']): RedisSettings {
  const url = config.url === null ? null : new URL(config.url);
  const password = secret(config.password, config.passwordFile, 'registry.passwordFile');
  const fromUrl = url === null ? '' : decodeURIComponent(url.password);
  return {
    place: placeOf(config, url),
    credentials: {
      username: config.username ?? (url === null ? undefined : decodeURIComponent(url.username) || undefined),
      password: password ?? (fromUrl || undefined),
    },
    sentinelCredentials: {
      username: config.sentinelUsername ?? undefined,
      password: secret(config.sentinelPassword, config.sentinelPasswordFile, 'registry.sentinelPasswordFile'),
    },
    tls: config.tls.enabled || url?.protocol === 'rediss:' ? tlsOptions(config.tls) : null,
    prefix: `${config.keyPrefix}${config.zone}:`,
    zone: config.zone,
    commandTimeoutMs: config.commandTimeoutMs,
    connectTimeoutMs: config.connectTimeoutMs,
  };
}

/** For people: never a user name or a password. */
export function placeText({ place, tls }: Pick<RedisSettings, 'place' | 'tls'>): string {
  const secured = tls === null ? '' : ' (TLS)';
  if (place.kind === 'standalone') return `${addressText(place.address)}${secured}`;
  if (place.kind === 'sentinel') return `${place.name} by ${place.sentinels.map(addressText).join(', ')}${secured}`;
  return `the cluster of ${place.nodes.map(addressText).join(', ')}${secured}`;
}

function addressText({ host, port }: Address): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

function placeOf(config: Config['registry'], url: URL | null): RedisPlace {
  if (url !== null) {
    const address = { host: unbracketed(url.hostname), port: url.port === '' ? DEFAULT_PORT : Number(url.port) };
    return { kind: 'standalone', address, db: url.pathname.length > 1 ? Number(url.pathname.slice(1)) : config.db };
  }
  if (config.sentinels.length > 0) {
    const sentinels = config.sentinels.map((text) => parseAddress(text, DEFAULT_SENTINEL_PORT));
    return { kind: 'sentinel', sentinels, name: config.sentinelName, db: config.db };
  }
  return { kind: 'cluster', nodes: config.cluster.map((text) => parseAddress(text, DEFAULT_PORT)) };
}

/** `host`, `host:port`, `[::1]:port`; the schema has seen that it is one of them. */
function parseAddress(text: string, defaultPort: number): Address {
  const url = new URL(`redis://${text}`);
  return { host: unbracketed(url.hostname), port: url.port === '' ? defaultPort : Number(url.port) };
}

function unbracketed(host: string): string {
  return host.replace(/^\[|\]$/g, '');
}

function tlsOptions(tls: Config['registry']['tls']): ConnectionOptions {
  return {
    ca: readOptional(tls.caFile, 'registry.tls.caFile'),
    cert: readOptional(tls.certFile, 'registry.tls.certFile'),
    key: readOptional(tls.keyFile, 'registry.tls.keyFile'),
    ...(tls.serverName !== null && { servername: tls.serverName }),
    minVersion: 'TLSv1.2',
  };
}

function secret(value: string | null, file: string | null, path: string): string | undefined {
  return value ?? readOptional(file, path)?.trim();
}

function readOptional(file: string | null, path: string): string | undefined {
  if (file === null) return undefined;
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new AntipodeError('ERR_CONFIG_INVALID', `Cannot read ${path}: ${(error as Error).message}`, { path });
  }
}
