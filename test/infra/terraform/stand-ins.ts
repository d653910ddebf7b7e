/**
 * Modules that Terraform can plan and apply without a provider: each resource becomes a `terraform_data` that holds its
 * arguments, as unknown before the apply as the true one, each data source a local value. Expressions, `for_each`, cycles and
 * what modules hand each other are Terraform's own then. Owns the rewriting; what a provider would say is not in it.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Attribute, Block, Body } from '../hcl/parse.ts';
import type { Declared, TerraformModule } from './module.ts';
import type { ProviderSchema, ResourceSchema } from './schema.ts';

const META_ARGUMENTS = new Set(['for_each', 'count', 'depends_on', 'provider']);

/** Attributes that more than their name is asked of, as HCL. */
const ATTRIBUTES: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  aws_availability_zones: { names: '["a", "b", "c", "d"]' },
  aws_caller_identity: { account_id: '"111122223333"' },
  aws_partition: { partition: '"aws"' },
  aws_route53_zone: { name: '"example.com"' },
  aws_eks_cluster: { vpc_config: '[{ cluster_security_group_id = "sg-cluster" }]' },
  aws_ecr_repository: { repository_url: '"111122223333.dkr.ecr.us-east-1.amazonaws.com/antipode"' },
  aws_prometheus_workspace: { prometheus_endpoint: '"https://aps.example.com/workspaces/ws/"' },
};

/** The whole module as one file. @param root folder of Terraform */
export function withStandIns(root: string, module: TerraformModule, schema: ProviderSchema): string {
  const sources = new Map<string, string>();
  const sourceOf = (file: string): string => {
    const known = sources.get(file) ?? readFileSync(join(root, file), 'utf8');
    sources.set(file, known);
    return known;
  };
  const writer = new Writer(module, sourceOf);
  return [
    ...[...module.variables.values(), ...module.outputs.values(), ...module.calls.values()].map((each) =>
      writer.asItIs(each),
    ),
    ...[...module.locals].map(([name, { file, value }]) => `locals {\n  ${name} = ${writer.text(file, value)}\n}`),
    ...[...module.resources.values()].map((each) =>
      writer.resource(each, schema.resources.get(each.block.labels[0]!)!),
    ),
    ...[...module.data.values()].map((each) => writer.data(each, schema.data.get(each.block.labels[0]!)!)),
  ].join('\n\n');
}

class Writer {
  readonly #module: TerraformModule;
  readonly #sourceOf: (file: string) => string;

  constructor(module: TerraformModule, sourceOf: (file: string) => string) {
    this.#module = module;
    this.#sourceOf = sourceOf;
  }

  asItIs({ block, file }: Declared): string {
    return this.#renamed(this.#sourceOf(file).slice(block.from, block.to));
  }

  text(file: string, value: Attribute['value']): string {
    const first = value[0]!;
    return `(${this.#renamed(this.#sourceOf(file).slice(first.from, value.at(-1)!.to))})`;
  }

  resource({ block, file }: Declared, schema: ResourceSchema): string {
    const [type, name] = block.labels;
    const meta = block.body.attributes.filter((each) => META_ARGUMENTS.has(each.name));
    const kind = meta.find((each) => each.name === 'for_each' || each.name === 'count')?.name;
    const made = `terraform_data.${type}__${name}`;
    const output = {
      for_each: `{ for key, one in ${made} : key => one.output }`,
      count: `[for one in ${made} : one.output]`,
      one: `${made}.output`,
    };
    const lines = meta.map((each) => {
      const value = this.text(file, each.value);
      // Resources themselves, not what is known of them.
      const isOrder = each.name === 'depends_on';
      return `  ${each.name} = ${isOrder ? value.slice(1, -1).replaceAll(/\blocal\.(\w+__\w+)/g, 'terraform_data.$1') : value}`;
    });
    return [
      `resource "terraform_data" "${type}__${name}" {`,
      ...lines,
      `  input = ${this.#object(block, file, schema, true)}`,
      '}',
      `locals {\n  ${type}__${name} = ${output[(kind ?? 'one') as keyof typeof output]}\n}`,
    ].join('\n');
  }

  data({ block, file }: Declared, schema: ResourceSchema): string {
    const [type, name] = block.labels;
    return `locals {\n  data__${type}__${name} = ${this.#object(block, file, schema, true)}\n}`;
  }

  /** What it exports by name, over that its arguments, over that what this file knows better. */
  #object(block: Block, file: string, schema: ResourceSchema, isTop: boolean): string {
    const [type = '', name = ''] = block.labels;
    const exported = schema.out.map((each) => `${each} = "${type}.${name}.${each}"`);
    const better = Object.entries(ATTRIBUTES[type] ?? {}).map(([attribute, value]) => `${attribute} = ${value}`);
    return `merge({ ${exported.join(', ')} }, ${this.#body(block.body, file, isTop)}, { ${better.join(', ')} })`;
  }

  #body(body: Body, file: string, isTop: boolean): string {
    const own = body.attributes.filter((each) => !isTop || !META_ARGUMENTS.has(each.name));
    const types = [...new Set(body.blocks.map((block) => (block.type === 'dynamic' ? block.labels[0]! : block.type)))];
    const lists = types
      .filter((type) => !isTop || type !== 'lifecycle')
      .map((type) => {
        const parts = body.blocks
          .filter((block) => block.type === type || (block.type === 'dynamic' && block.labels[0] === type))
          .map((block) =>
            block.type === 'dynamic' ? this.#dynamic(block, file) : `[${this.#body(block.body, file, false)}]`,
          );
        return `${type} = concat(${parts.join(', ')})`;
      });
    const lines = [...own.map((each) => `${each.name} = ${this.text(file, each.value)}`), ...lists];
    return `{\n${lines.join('\n')}\n}`;
  }

  #dynamic(block: Block, file: string): string {
    const each = block.body.attributes.find(({ name }) => name === 'for_each')!;
    const content = block.body.blocks.find(({ type }) => type === 'content')!;
    const items = `[for key, value in ${this.text(file, each.value)} : { key = key, value = value }]`;
    return `[for ${block.labels[0]} in ${items} : ${this.#body(content.body, file, false)}]`;
  }

  #renamed(text: string): string {
    let renamed = text;
    for (const key of this.#module.data.keys())
      renamed = replaced(renamed, `data.${key}`, `local.data__${key.replace('.', '__')}`);
    for (const key of this.#module.resources.keys())
      renamed = replaced(renamed, key, `local.${key.replace('.', '__')}`);
    return renamed;
  }
}

function replaced(text: string, name: string, by: string): string {
  return text.replaceAll(new RegExp(`(?<![\\w.])${name.replaceAll('.', '\\.')}(?!\\w)`, 'g'), by);
}
