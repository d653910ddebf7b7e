/** A Terraform module as its files say it: what it declares, by kind and name. Owns reading; judges nothing. */
import { readdirSync, readFileSync } from 'node:fs';
import { join, normalize, relative } from 'node:path';
import { type Block, parseHcl } from '../hcl/parse.ts';
import type { Token } from '../hcl/tokens.ts';

export interface Declared {
  readonly block: Block;
  /** Relative to the folder of Terraform. */
  readonly file: string;
}

export interface TerraformModule {
  readonly path: string;
  readonly variables: ReadonlyMap<string, Declared>;
  readonly outputs: ReadonlyMap<string, Declared>;
  readonly locals: ReadonlyMap<
    string,
    { readonly file: string; readonly line: number; readonly value: readonly Token[] }
  >;
  /** By `type.name`. */
  readonly resources: ReadonlyMap<string, Declared>;
  readonly data: ReadonlyMap<string, Declared>;
  readonly calls: ReadonlyMap<string, Declared>;
  /** `terraform` and `provider` blocks. */
  readonly settings: readonly Declared[];
}

/** @throws Error with the file and line that is not HCL */
export function readModule(root: string, path: string): TerraformModule {
  const declared = readdirSync(join(root, path))
    .filter((name) => name.endsWith('.tf'))
    .flatMap((name): Declared[] => {
      const file = join(path, name);
      return parsed(root, file).blocks.map((block) => ({ block, file }));
    });
  const of = (type: string, labels: number) =>
    new Map(declared.filter(({ block }) => block.type === type).map((each) => [nameOf(each, labels), each]));
  const locals = declared
    .filter(({ block }) => block.type === 'locals')
    .flatMap(({ block, file }) =>
      block.body.attributes.map(({ name, line, value }) => [name, { file, line, value }] as const),
    );
  return {
    path,
    variables: of('variable', 1),
    outputs: of('output', 1),
    locals: new Map(locals),
    resources: of('resource', 2),
    data: of('data', 2),
    calls: of('module', 1),
    settings: declared.filter(({ block }) => ['terraform', 'provider'].includes(block.type)),
  };
}

/** The folder that a module block's source names, relative to the folder of Terraform. */
export function sourceOf({ block, file }: Declared): string {
  const source = block.body.attributes.find(({ name }) => name === 'source')?.value[0]?.text ?? '';
  return normalize(join(file, '..', source));
}

/** Every folder below `root` with Terraform files. */
export function modulePaths(root: string): string[] {
  const files = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.tf'));
  return [...new Set(files.map((file) => relative(root, join(root, file, '..'))))].sort();
}

function parsed(root: string, file: string) {
  try {
    return parseHcl(readFileSync(join(root, file), 'utf8'));
  } catch (error) {
    throw new Error(`${file}: ${(error as Error).message}`, { cause: error });
  }
}

function nameOf({ block, file }: Declared, labels: number): string {
  if (block.labels.length !== labels) throw new Error(`${file}:${block.line}: ${block.type} needs ${labels} labels`);
  return block.labels.join('.');
}
