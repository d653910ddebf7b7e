/**
 * Whether a Redis is fit to be the registry: its version, and whether it may throw keys away or forget them. Owns the
 * demands and their words.
 */
import { AntipodeError } from '../../errors.ts';
import { type RedisClient, serversOf } from './client.ts';

/** Since then an ACL can grant channels. */
const OLDEST: readonly [number, number] = [6, 2];

export interface Inspection {
  readonly version: string;
  readonly warnings: readonly string[];
  /** @throws ERR_REGISTRY_UNSUPPORTED */
  demandFit(): void;
}

export async function inspectServers(client: RedisClient): Promise<Inspection> {
  const servers = serversOf(client);
  const infos = await Promise.all(
    servers.map(async (server) => {
      const text = await server.info();
      const settings = await server.config('GET', 'save').catch(() => null); // managed services and ACLs forbid it
      return { info: parseInfo(text), save: Array.isArray(settings) ? String(settings[1] ?? '') : null };
    }),
  );
  const warnings = infos.flatMap(({ info, save }) => warningsOf(info, save));
  const versions = infos.map(({ info }) => info.get('redis_version') ?? 'unknown');
  return {
    version: [...new Set(versions)].join(', '),
    warnings: [...new Set(warnings)],
    demandFit() {
      const old = versions.find((version) => !isNewEnough(version));
      if (old === undefined) return;
      throw new AntipodeError(
        'ERR_REGISTRY_UNSUPPORTED',
        `The registry needs Redis ${OLDEST.join('.')} or newer; this one is ${old}.`,
      );
    },
  };
}

export function parseInfo(text: string): Map<string, string> {
  const lines = text.split('\r\n').map((line) => line.split(':'));
  return new Map(lines.filter((parts) => parts.length > 1).map(([key, ...value]) => [key!, value.join(':')]));
}

export function isNewEnough(version: string): boolean {
  const [major = Number.NaN, minor = 0] = version.split('.').map(Number);
  return major > OLDEST[0] || (major === OLDEST[0] && minor >= OLDEST[1]);
}

/** @param save the snapshots that are configured; null when it may not be asked for */
export function warningsOf(info: ReadonlyMap<string, string>, save: string | null): string[] {
  const warnings: string[] = [];
  const policy = info.get('maxmemory_policy') ?? 'noeviction';
  if (Number(info.get('maxmemory') ?? 0) > 0 && policy !== 'noeviction') {
    warnings.push(
      `Redis may throw the registry's keys away when its memory is full: maxmemory-policy is ${policy}, not noeviction`,
    );
  }
  if (info.get('aof_enabled') === '0' && save === '') {
    warnings.push(
      'Redis keeps nothing on disk: after its restart nodes and sessions are announced anew, one-time ids are forgotten',
    );
  }
  return warnings;
}
