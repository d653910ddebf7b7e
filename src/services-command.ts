/**
 * `antipode services`: which AI services the catalogue knows, where they stand and what of them this environment
 * configures. Owns the list and its print. Reads of the environment only whether a variable is set; no value of one
 * gets into what it returns.
 */
import {
  type Catalogue,
  type CatalogueEntry,
  configurationOf,
  type Environment,
  type Residency,
  SERVICE_KINDS,
  type ServiceKind,
  type ServiceState,
} from './agent/services/catalogue/index.ts';
import { AntipodeError } from './errors.ts';

/** A service as it is listed. */
export interface ListedService {
  kind: ServiceKind;
  id: string;
  name: string;
  dialect: string;
  /** False: the catalogue has it from memory. */
  verified: boolean;
  regions: { region: string; residency: Residency; url: string }[];
  /** Names of the environment variables that hold its secrets. */
  keys: string[];
  /** Environment variable that replaces its address. */
  urlVariable: string | null;
  state: ServiceState;
  /** Environment variables that must be set and are not. */
  missing: string[];
  models: CatalogueEntry['models'];
  note: string | null;
}

/** @throws ERR_REQUEST_MALFORMED for a kind that there is not */
export function listServices(
  catalogue: Catalogue,
  { environment, kind }: { environment: Environment; kind?: string },
): ListedService[] {
  return kindsOf(kind).flatMap((each) => catalogue.list(each).map((entry) => listed(each, entry, environment)));
}

function kindsOf(kind: string | undefined): readonly ServiceKind[] {
  if (kind === undefined) return SERVICE_KINDS;
  const found = SERVICE_KINDS.filter((each) => each === kind);
  if (found.length > 0) return found;
  throw new AntipodeError('ERR_REQUEST_MALFORMED', `--kind must be one of ${SERVICE_KINDS.join(', ')}.`, {
    path: 'kind',
  });
}

function listed(kind: ServiceKind, entry: CatalogueEntry, environment: Environment): ListedService {
  const { state, missing } = configurationOf(entry, environment);
  return {
    kind,
    id: entry.id,
    name: entry.name,
    dialect: entry.dialect,
    verified: entry.verified,
    regions: entry.endpoints.map(({ region, residency, url }) => ({ region, residency, url })),
    keys: [...entry.keys],
    urlVariable: entry.urlVariable ?? null,
    state,
    missing: [...missing],
    models: entry.models,
    note: entry.note ?? null,
  };
}

const STATE_WORDS: Readonly<Record<ServiceState, string>> = {
  configured: 'configured',
  'not-configured': '-',
  'no-key-needed': 'no key needed',
};

/** Prints one line a service, a block a kind. */
export function printServices(services: readonly ListedService[], stream: { write(text: string): unknown }): void {
  for (const kind of SERVICE_KINDS) {
    const rows = services
      .filter((service) => service.kind === kind)
      .map((service) => [
        service.id,
        STATE_WORDS[service.state],
        variablesOf(service),
        regionsOf(service),
        service.verified ? '' : 'from memory',
      ]);
    if (rows.length === 0) continue;
    const table = [[kind.toUpperCase(), 'STATE', 'VARIABLE', 'REGIONS (residency)', ''], ...rows];
    const widths = table[0]!.map((_, column) => Math.max(...table.map((row) => row[column]!.length)));
    for (const row of table) {
      stream.write(
        `${row
          .map((cell, column) => cell.padEnd(widths[column]!))
          .join('  ')
          .trimEnd()}\n`,
      );
    }
    stream.write('\n');
  }
}

function variablesOf({ keys, missing, urlVariable }: ListedService): string {
  const needed = [...keys, ...missing.filter((variable) => !keys.includes(variable))];
  if (needed.length > 0) return needed.join(' + ');
  return urlVariable === null ? '' : `(${urlVariable})`;
}

/** Regions of one residency class together: `global (none), us eu (pinned)`. */
function regionsOf({ regions }: ListedService): string {
  const classes = [...new Set(regions.map(({ residency }) => residency))];
  return classes
    .map((residency) => {
      const names = regions.filter((each) => each.residency === residency).map(({ region }) => region);
      return `${names.join(' ')} (${residency})`;
    })
    .join(', ');
}
