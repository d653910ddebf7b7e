/**
 * An entry of the catalogue and an environment together: which address, with which key, and what is missing. Owns no
 * connection. Keys leave it only by `resolveService`; what can be shown is `configurationOf`.
 */
import { AntipodeError } from '../../../errors.ts';
import type { CatalogueEntry, Residency } from './schema.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

export type ServiceState =
  /** All that it needs is set. */
  | 'configured'
  | 'not-configured'
  /** It wants no key; whether it runs is another matter. */
  | 'no-key-needed';

export interface ServiceConfiguration {
  readonly state: ServiceState;
  /** Environment variables that must be set and are not. */
  readonly missing: readonly string[];
}

/** Not encrypted: a server of one's own, on this machine or network. No vendor takes a key in the clear. */
const UNENCRYPTED = /^(http|ws):/i;

/** Whether an environment has what a service needs: names of variables, never their values. */
export function configurationOf(entry: CatalogueEntry, environment: Environment): ServiceConfiguration {
  const override = entry.urlVariable === undefined ? undefined : environment[entry.urlVariable] || undefined;
  const isOverridden = override !== undefined;
  const keys = isOverridden && UNENCRYPTED.test(override) ? [] : entry.keys;
  const needed = [...keys, ...(isOverridden ? [] : Object.values(entry.variables))];
  const missing = needed.filter((variable) => !environment[variable]);
  if (missing.length > 0) return { state: 'not-configured', missing };
  return { state: needed.length > 0 || isOverridden ? 'configured' : 'no-key-needed', missing };
}

export interface ResolvedService {
  readonly baseUrl: string;
  readonly region: string;
  readonly residency: Residency;
  /** By the name of the variable; one that need not be set may be absent. Secret. */
  readonly keys: Readonly<Record<string, string>>;
  /** The first of the keys, which is the only one of most services; null for a server that is asked without. Secret. */
  readonly apiKey: string | null;
}

/** A label of a host name or a segment of a path: nothing that could lead to another host. */
const FILLING = /^[A-Za-z0-9][A-Za-z0-9_-]{0,127}$/;

/**
 * The address and keys to use: the named region's, else the one that the entry's `urlVariable` holds, else the first.
 * @throws ERR_SERVICE_UNAVAILABLE when a variable is missing; ERR_CONFIG_INVALID when one makes no address, or when a
 *   region is named that the service hasn't, or beside an address of one's own, whose region nobody knows
 */
export function resolveService(entry: CatalogueEntry, environment: Environment, region?: string): ResolvedService {
  const { override, endpoint } = chosenEndpoint(entry, environment, region);
  const { missing } = configurationOf(entry, environment);
  if (missing.length > 0) {
    throw new AntipodeError(
      'ERR_SERVICE_UNAVAILABLE',
      `${entry.name} is not configured: set ${missing.join(' and ')}.`,
    );
  }
  const isSet = (variable: string) => !!environment[variable];
  const keys = Object.fromEntries(entry.keys.filter(isSet).map((variable) => [variable, environment[variable]!]));
  const apiKey = Object.values(keys)[0] ?? null;
  if (override !== undefined) return { baseUrl: override, region: 'own', residency: 'none', keys, apiKey };
  const baseUrl = endpoint.url.replaceAll(/\{([a-z]+)\}/g, (_, name: string) => {
    const variable = entry.variables[name]!;
    const value = environment[variable]!;
    if (!FILLING.test(value)) throw invalid(entry, `${variable} must be letters, digits and dashes`);
    return value;
  });
  return { baseUrl, region: endpoint.region, residency: endpoint.residency, keys, apiKey };
}

/**
 * Where a service stands, by the same rules, for a node that places sessions and has no keys. `ownUrl`: the address of
 * one's own, where there is one.
 * @throws ERR_CONFIG_INVALID as `resolveService`
 */
export function resolveRegion(
  entry: CatalogueEntry,
  environment: Environment,
  region?: string,
): { readonly region: string; readonly ownUrl: string | null } {
  const { override, endpoint } = chosenEndpoint(entry, environment, region);
  return override === undefined ? { region: endpoint.region, ownUrl: null } : { region: 'own', ownUrl: override };
}

function chosenEndpoint(entry: CatalogueEntry, environment: Environment, region: string | undefined) {
  const override = entry.urlVariable === undefined ? undefined : environment[entry.urlVariable] || undefined;
  if (override !== undefined && region !== undefined) {
    throw invalid(entry, `region "${region}" is wanted, but ${entry.urlVariable} names an address of its own`);
  }
  if (override !== undefined && !(URL.canParse(override) && /^(https?|wss?):$/.test(new URL(override).protocol))) {
    throw invalid(entry, `${entry.urlVariable} is not an http(s) or ws(s) URL`);
  }
  const endpoint =
    region === undefined ? entry.endpoints[0] : entry.endpoints.find((candidate) => candidate.region === region);
  if (endpoint === undefined) {
    const known = entry.endpoints.map((candidate) => candidate.region).join(', ');
    throw invalid(entry, `has no region "${region}" (it has ${known})`);
  }
  return { override, endpoint };
}

function invalid(entry: CatalogueEntry, reason: string): AntipodeError {
  return new AntipodeError('ERR_CONFIG_INVALID', `Service ${entry.id}: ${reason}.`, { path: entry.id });
}
