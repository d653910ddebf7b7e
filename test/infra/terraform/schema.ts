/** The providers' resources as names and flags: data/SOURCES.md. Owns reading them; judges nothing. */
import { readFileSync } from 'node:fs';

export interface BlockSchema {
  readonly req?: readonly string[];
  readonly opt?: readonly string[];
  readonly blocks?: Readonly<Record<string, BlockSchema & { readonly required?: boolean }>>;
}

export interface ResourceSchema extends BlockSchema {
  /** Exported attributes. */
  readonly out: readonly string[];
}

export interface ProviderSchema {
  readonly resources: ReadonlyMap<string, ResourceSchema>;
  readonly data: ReadonlyMap<string, ResourceSchema>;
}

/** Small enough to be written here: hashicorp/random 3.7. */
const RANDOM_PASSWORD: ResourceSchema = {
  req: ['length'],
  opt: [
    'keepers',
    'lower',
    'min_lower',
    'min_numeric',
    'min_special',
    'min_upper',
    'numeric',
    'override_special',
    'special',
    'upper',
  ],
  out: ['bcrypt_hash', 'id', 'result'],
};

export function readProviderSchema(): ProviderSchema {
  const text = readFileSync(new URL('../data/aws-6.25.jsonl', import.meta.url), 'utf8');
  const rows = text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as ResourceSchema & { resource?: string; data?: string });
  return {
    resources: new Map([
      ...rows.flatMap((row): [string, ResourceSchema][] => (row.resource ? [[row.resource, row]] : [])),
      ['random_password', RANDOM_PASSWORD],
    ]),
    data: new Map(rows.flatMap((row): [string, ResourceSchema][] => (row.data ? [[row.data, row]] : []))),
  };
}
