/**
 * What expressions refer to, and what modules ask of each other: each name is declared, each attribute exported, each
 * variable described, typed and used, each input of a module there. Owns these rules; arguments are check-blocks.ts.
 */
import type { Block } from '../hcl/parse.ts';
import { type Reference, referencesIn } from '../hcl/references.ts';
import { type Declared, sourceOf, type TerraformModule } from './module.ts';
import type { ProviderSchema } from './schema.ts';

const BUILT_IN = new Set(['each', 'count', 'self', 'path', 'terraform']);
/** Words of type constraints. */
const TYPES = new Set(['string', 'number', 'bool', 'any']);
const META = new Set(['source', 'version', 'for_each', 'count', 'depends_on', 'providers']);

export function checkReferences(
  module: TerraformModule,
  schema: ProviderSchema,
  others: ReadonlyMap<string, TerraformModule>,
): string[] {
  const references = [...referencesOf(module)];
  const used = new Set(
    references.flatMap(({ path }) => (path[0] === 'var' || path[0] === 'local' ? [path.slice(0, 2).join('.')] : [])),
  );
  return [
    ...references.flatMap((each) => checkReference(each, module, schema, others)),
    ...[...module.calls.values()].flatMap((each) => checkCall(each, others)),
    ...[...module.variables].flatMap(([name, each]) => checkVariable(name, each, used)),
    ...[...module.outputs].flatMap(([name, { block, file }]) =>
      lacks(block, ['description', 'value'], `${file}:${block.line}: output ${name}`),
    ),
    ...[...module.locals].flatMap(([name, { file, line }]) =>
      used.has(`local.${name}`) ? [] : [`${file}:${line}: local.${name} is not used`],
    ),
  ];
}

interface Found extends Reference {
  readonly file: string;
}

function* referencesOf(module: TerraformModule): Iterable<Found> {
  for (const { file, value } of module.locals.values()) yield* at(file, referencesIn(value));
  for (const group of [module.resources, module.data, module.calls, module.outputs]) {
    for (const { block, file } of group.values()) yield* at(file, inBlock(block, new Set()));
  }
  for (const { block, file } of module.variables.values()) {
    for (const validation of block.body.blocks) yield* at(file, inBlock(validation, new Set()));
  }
  for (const { block, file } of module.settings.filter(({ block }) => block.type === 'provider'))
    yield* at(file, inBlock(block, new Set()));
}

function inBlock(block: Block, bound: ReadonlySet<string>): Reference[] {
  const names = block.type === 'dynamic' ? new Set([...bound, block.labels[0] ?? '']) : bound;
  return [
    // ignore_changes names the resource's own attributes.
    ...block.body.attributes
      .filter(({ name }) => name !== 'ignore_changes')
      .flatMap(({ value }) => referencesIn(value, names)),
    ...block.body.blocks.flatMap((inner) => inBlock(inner, names)),
  ];
}

function* at(file: string, references: readonly Reference[]): Iterable<Found> {
  for (const reference of references) yield { ...reference, file };
}

function checkReference(
  { path, line, file }: Found,
  module: TerraformModule,
  schema: ProviderSchema,
  others: ReadonlyMap<string, TerraformModule>,
): string[] {
  const [root = '', name = '', third = '', fourth = ''] = path;
  const where = `${file}:${line}: ${path.join('.')}`;
  if (BUILT_IN.has(root)) return [];
  if (root === 'var') return module.variables.has(name) ? [] : [`${where}: there is no variable "${name}"`];
  if (root === 'local') return module.locals.has(name) ? [] : [`${where}: there is no local "${name}"`];
  if (root === 'module') {
    const call = module.calls.get(name);
    if (call === undefined) return [`${where}: there is no module "${name}"`];
    const outputs = others.get(sourceOf(call))?.outputs;
    return third === '' || outputs?.has(third) ? [] : [`${where}: module ${name} has no output "${third}"`];
  }
  const isData = root === 'data';
  const [type, label, attribute] = isData ? [name, third, fourth] : [root, name, third];
  const declared = isData ? module.data : module.resources;
  if (!declared.has(`${type}.${label}`)) return [`${where}: nothing is declared by that name`];
  const known = (isData ? schema.data : schema.resources).get(type);
  if (known === undefined || attribute === '') return [];
  const attributes = [...known.out, ...(known.opt ?? []), ...(known.req ?? []), ...Object.keys(known.blocks ?? {})];
  return attributes.includes(attribute) ? [] : [`${where}: ${type} exports no "${attribute}"`];
}

function checkCall(call: Declared, others: ReadonlyMap<string, TerraformModule>): string[] {
  const where = `${call.file}:${call.block.line}: module ${call.block.labels[0]}`;
  const target = others.get(sourceOf(call));
  if (target === undefined) return [`${where}: there is no module at ${sourceOf(call)}`];
  const given = call.block.body.attributes.map(({ name }) => name).filter((name) => !META.has(name));
  const isRequired = ({ block }: Declared) => !block.body.attributes.some(({ name }) => name === 'default');
  return [
    ...given
      .filter((name) => !target.variables.has(name))
      .map((name) => `${where}: ${target.path} has no variable "${name}"`),
    ...[...target.variables]
      .filter(([name, each]) => isRequired(each) && !given.includes(name))
      .map(([name]) => `${where}: ${target.path} requires "${name}"`),
  ];
}

function checkVariable(name: string, { block, file }: Declared, used: ReadonlySet<string>): string[] {
  const where = `${file}:${block.line}: variable ${name}`;
  const problems = lacks(block, ['description', 'type', 'nullable'], where);
  if (!used.has(`var.${name}`)) problems.push(`${where}: is not used`);
  const type = block.body.attributes.find((attribute) => attribute.name === 'type');
  const strange = referencesIn(type?.value ?? []).filter(({ path }) => !TYPES.has(path[0] ?? ''));
  return [...problems, ...strange.map(({ path }) => `${where}: unknown type "${path.join('.')}"`)];
}

function lacks(block: Block, names: readonly string[], where: string): string[] {
  return names
    .filter((name) => !block.body.attributes.some((each) => each.name === name))
    .map((name) => `${where}: has no ${name}`);
}
