/**
 * `antipode services`: which AI services the catalogue knows, where they stand, what of them this environment
 * configures, and which this node uses. Owns the list and its print. Reads of the environment only whether a variable
 * is set; no value of one gets into what it returns.
 */
import {
  type ChosenServices,
  chooseServices,
  type ServicesConfig,
  servicesEnvironment,
} from './agent/services/book/index.ts';
import {
  type Catalogue,
  type CatalogueEntry,
  configurationOf,
  type Environment,
  isSpoken,
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
  /** Whether there is an adapter for the dialect. */
  spoken: boolean;
  /** False: the catalogue has it from memory. */
  verified: boolean;
  regions: { region: string; residency: Residency; url: string }[];
  /** Names of the environment variables that hold its secrets. */
  keys: string[];
  /** Environment variable that replaces its address. */
  urlVariable: string | null;
  state: ServiceState;
  /** 1 for the service that is used, 2 for the one that takes over from it, and so on; null for one that is not used. */
  used: number | null;
  /** Environment variables that must be set and are not. */
  missing: string[];
  models: CatalogueEntry['models'];
  note: string | null;
}

export interface ListServicesOptions {
  config: ServicesConfig;
  /** OpenAI's key and address are the configuration's. */
  environment: Environment;
  /** Only these; all without it. */
  kind?: string;
}

/**
 * @throws ERR_REQUEST_MALFORMED for a kind that there is not
 * @throws ERR_CONFIG_INVALID when a service is chosen that is none
 */
export function listServices(
  catalogue: Catalogue,
  { config, environment, kind }: ListServicesOptions,
): ListedService[] {
  const kinds = kindsOf(kind);
  const chosen = chooseServices(config, catalogue);
  const own = servicesEnvironment(config, environment);
  return kinds.flatMap((each) => catalogue.list(each).map((entry) => listed(each, entry, own, chosen)));
}

function kindsOf(kind: string | undefined): readonly ServiceKind[] {
  if (kind === undefined) return SERVICE_KINDS;
  const found = SERVICE_KINDS.filter((each) => each === kind);
  if (found.length > 0) return found;
  throw new AntipodeError('ERR_REQUEST_MALFORMED', `--kind must be one of ${SERVICE_KINDS.join(', ')}.`, {
    path: 'kind',
  });
}

function listed(
  kind: ServiceKind,
  entry: CatalogueEntry,
  environment: Environment,
  chosen: ChosenServices,
): ListedService {
  const place = chosen[kind].findIndex(({ choice }) => choice.service === entry.id);
  const { state, missing } = configurationOf(entry, environment);
  return {
    kind,
    id: entry.id,
    name: entry.name,
    dialect: entry.dialect,
    spoken: isSpoken(kind, entry),
    verified: entry.verified,
    regions: entry.endpoints.map(({ region, residency, url }) => ({ region, residency, url })),
    keys: [...entry.keys],
    urlVariable: entry.urlVariable ?? null,
    state,
    used: place < 0 ? null : place + 1,
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
        service.used === null ? '' : String(service.used),
        service.spoken ? STATE_WORDS[service.state] : 'no adapter',
        variablesOf(service),
        regionsOf(service),
        service.verified ? '' : 'from memory',
      ]);
    if (rows.length === 0) continue;
    const table = [[kind.toUpperCase(), 'USED', 'STATE', 'VARIABLE', 'REGIONS (residency)', ''], ...rows];
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

/** Prints what is used in its order, with what is not set of it: `deepgram/nova-3@eu, then openai`. */
export function printUsed(
  catalogue: Catalogue,
  { config, environment }: Omit<ListServicesOptions, 'kind'>,
  stream: { write(text: string): unknown },
): void {
  const chosen = chooseServices(config, catalogue);
  const own = servicesEnvironment(config, environment);
  for (const kind of ['stt', 'llm', 'tts', 's2s'] as const) {
    const names = chosen[kind].map(({ choice, entry }) => {
      const { service, model, region } = choice;
      const name = `${service}${model === undefined ? '' : `/${model}`}${region === undefined ? '' : `@${region}`}`;
      const missing = entry === null ? [] : configurationOf(entry, own).missing;
      return missing.length === 0 ? name : `${name} (set ${missing.join(' and ')})`;
    });
    stream.write(`${kind}  ${names.length > 0 ? names.join(', then ') : NOTHING_USED[kind]}\n`);
  }
  stream.write('\n');
}

const NOTHING_USED: Readonly<Record<ServiceKind, string>> = {
  stt: 'none: agents with a grammar use the program pocketsphinx',
  llm: 'none: agents answer by scripts',
  tts: 'none: agents speak with the program flite',
  s2s: 'none',
};

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
