/**
 * Resources and data sources against the provider's schema: unknown arguments and blocks, required ones that are missing,
 * and a region wherever the resource can have one. Owns these rules; references are check-references.ts.
 */
import type { Block, Body } from '../hcl/parse.ts';
import type { Declared, TerraformModule } from './module.ts';
import type { BlockSchema, ProviderSchema, ResourceSchema } from './schema.ts';

const META_ARGUMENTS = new Set(['for_each', 'count', 'depends_on', 'provider']);
const META_BLOCKS = new Set(['lifecycle', 'connection', 'provisioner']);

export function checkBlocks(module: TerraformModule, schema: ProviderSchema): string[] {
  return [
    ...[...module.resources.values()].flatMap((each) => checkOne(each, schema.resources)),
    ...[...module.data.values()].flatMap((each) => checkOne(each, schema.data)),
  ];
}

function checkOne(declared: Declared, known: ReadonlyMap<string, ResourceSchema>): string[] {
  const { block } = declared;
  const [type = '', name = ''] = block.labels;
  const schema = known.get(type);
  const where = `${declared.file}:${block.line}: ${type}.${name}`;
  if (schema === undefined) return [`${where}: ${type} is not in test/infra/data: see SOURCES.md there`];
  const problems = checkBody(block.body, schema, where, true);
  const hasRegion = block.body.attributes.some((attribute) => attribute.name === 'region');
  if (schema.opt?.includes('region') && !hasRegion)
    problems.push(`${where}: says no region, so it would be in the provider's`);
  return problems;
}

function checkBody(body: Body, schema: BlockSchema, where: string, isTop: boolean): string[] {
  const problems: string[] = [];
  const known = new Set([...(schema.req ?? []), ...(schema.opt ?? [])]);
  const given = new Set(body.attributes.map(({ name }) => name));
  for (const { name, line } of body.attributes) {
    if (known.has(name) || (isTop && META_ARGUMENTS.has(name))) continue;
    const isBlock = schema.blocks?.[name] !== undefined;
    problems.push(`${where}: line ${line}: ${isBlock ? `"${name}" is a block` : `unknown argument "${name}"`}`);
  }
  const blocks = body.blocks.flatMap((block) => plain(block));
  for (const block of blocks) {
    if (isTop && META_BLOCKS.has(block.type)) continue;
    const inner = schema.blocks?.[block.type];
    if (inner === undefined) {
      const isArgument = known.has(block.type);
      problems.push(
        `${where}: line ${block.line}: ${isArgument ? `"${block.type}" is an argument` : `unknown block "${block.type}"`}`,
      );
    } else problems.push(...checkBody(block.body, inner, `${where}.${block.type}`, false));
  }
  const present = new Set(blocks.map(({ type }) => type));
  for (const name of schema.req ?? []) if (!given.has(name)) problems.push(`${where}: "${name}" is required`);
  for (const [name, { required }] of Object.entries(schema.blocks ?? {})) {
    if (required === true && !present.has(name)) problems.push(`${where}: a block "${name}" is required`);
  }
  return problems;
}

/** A dynamic block as what it makes. */
function plain(block: Block): Block[] {
  if (block.type !== 'dynamic') return [block];
  const content = block.body.blocks.find(({ type }) => type === 'content');
  return [{ ...block, type: block.labels[0] ?? '', body: content?.body ?? { attributes: [], blocks: [] } }];
}
