/**
 * Reads the catalogue's files once into one frozen Catalogue. Owns the words of a refusal and the look-ups; what an
 * entry may be is schema.ts.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import type { z } from 'zod';
import { AntipodeError } from '../../../errors.ts';
import {
  type CatalogueEndpoint,
  type CatalogueEntry,
  catalogueFileSchemas,
  type EntryOf,
  SERVICE_KINDS,
  type ServiceKind,
  type Source,
} from './schema.ts';

/** One address of one service, as placement sees it. */
export interface ServiceEndpoint<Kind extends ServiceKind = ServiceKind> extends CatalogueEndpoint {
  readonly kind: Kind;
  readonly service: CatalogueEntry<Kind>;
}

/** A file's name and what is in it. */
export type CatalogueFiles = Readonly<Record<ServiceKind, string>>;

export class Catalogue {
  readonly #entries: { readonly [Kind in ServiceKind]: readonly EntryOf[Kind][] };
  readonly #byId: ReadonlyMap<string, CatalogueEntry>;
  readonly #endpoints: ReadonlyMap<ServiceKind, readonly ServiceEndpoint[]>;
  readonly #sources: ReadonlyMap<string, Source>;

  /**
   * From the text of the four files.
   * @throws ERR_CONFIG_INVALID naming every wrong place with its file and path
   */
  constructor(files: CatalogueFiles) {
    const read = {
      llm: parseFile('llm', files),
      stt: parseFile('stt', files),
      tts: parseFile('tts', files),
      s2s: parseFile('s2s', files),
    };
    this.#entries = deepFreeze({
      llm: read.llm.services,
      stt: read.stt.services,
      tts: read.tts.services,
      s2s: read.s2s.services,
    });
    const byId = new Map<string, CatalogueEntry>();
    const endpoints = new Map<ServiceKind, readonly ServiceEndpoint[]>();
    const sources = new Map<string, Source>();
    for (const kind of SERVICE_KINDS) {
      const all: readonly CatalogueEntry[] = this.#entries[kind];
      for (const service of all) byId.set(`${kind}/${service.id}`, service);
      endpoints.set(
        kind,
        Object.freeze(
          all.flatMap((service) => service.endpoints.map((endpoint) => Object.freeze({ ...endpoint, kind, service }))),
        ),
      );
      for (const [key, source] of Object.entries(read[kind].sources)) sources.set(`${kind}/${key}`, deepFreeze(source));
    }
    this.#byId = byId;
    this.#endpoints = endpoints;
    this.#sources = sources;
    Object.freeze(this);
  }

  /** All services of a kind, as the file orders them. */
  list<Kind extends ServiceKind>(kind: Kind): readonly EntryOf[Kind][] {
    return this.#entries[kind];
  }

  get<Kind extends ServiceKind>(kind: Kind, id: string): EntryOf[Kind] | undefined {
    return this.#byId.get(`${kind}/${id}`) as EntryOf[Kind] | undefined;
  }

  /** One for each region of each service, with its residency class. */
  endpoints<Kind extends ServiceKind>(kind: Kind): readonly ServiceEndpoint<Kind>[] {
    return (this.#endpoints.get(kind) ?? []) as readonly ServiceEndpoint<Kind>[];
  }

  /** What the `source` of an entry, a latency or a price of this kind stands for. */
  source(kind: ServiceKind, key: string): Source | undefined {
    return this.#sources.get(`${kind}/${key}`);
  }
}

/** The one that ships never changes while a process runs, so it is read at most once. */
let shipped: Catalogue | undefined;

/** @throws ERR_CONFIG_INVALID when a file cannot be read or is wrong */
export function loadCatalogue(): Catalogue {
  shipped ??= new Catalogue({
    llm: readShipped('llm'),
    stt: readShipped('stt'),
    tts: readShipped('tts'),
    s2s: readShipped('s2s'),
  });
  return shipped;
}

function readShipped(kind: ServiceKind): string {
  try {
    return readFileSync(join(import.meta.dirname, `${kind}.yaml`), 'utf8');
  } catch (cause) {
    throw new AntipodeError('ERR_CONFIG_INVALID', `Cannot read the catalogue's ${kind}.yaml.`, { cause });
  }
}

function parseFile<Kind extends ServiceKind>(
  kind: Kind,
  files: CatalogueFiles,
): z.infer<(typeof catalogueFileSchemas)[Kind]> {
  let value: unknown;
  try {
    value = parse(files[kind], { uniqueKeys: true, maxAliasCount: 0 });
  } catch (cause) {
    const { message } = cause as Error;
    throw new AntipodeError('ERR_CONFIG_INVALID', `The catalogue's ${kind}.yaml is not valid YAML: ${message}`, {
      cause,
    });
  }
  const result = catalogueFileSchemas[kind].safeParse(value);
  if (result.success) return result.data as z.infer<(typeof catalogueFileSchemas)[Kind]>;
  const lines = result.error.issues.flatMap(describe);
  throw new AntipodeError('ERR_CONFIG_INVALID', `The catalogue's ${kind}.yaml is refused:\n  ${lines.join('\n  ')}`, {
    path: lines[0]!.slice(0, lines[0]!.indexOf(':')),
  });
}

function describe(issue: z.core.$ZodIssue): string[] {
  const where = issue.path.join('.');
  if (issue.code !== 'unrecognized_keys') return [`${where || '(top)'}: ${issue.message}`];
  return issue.keys.map((key) => `${where ? `${where}.` : ''}${key}: unknown key`);
}

function deepFreeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value;
  for (const inner of Object.values(value)) deepFreeze(inner);
  return Object.freeze(value);
}
