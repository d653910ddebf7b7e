/** What the checks of Terraform find in modules that are wrong, and what Terraform itself says to maps of regions that are. */
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { readWorldDocument } from '../../../src/placement/index.ts';
import { placementMain } from '../../../src/placement-command.ts';
import { TERRAFORM_ROOT } from '../checks.ts';
import { programPath, Terraform } from '../programs.ts';
import { checkBlocks } from './check-blocks.ts';
import { checkReferences } from './check-references.ts';
import { readModule } from './module.ts';
import { readProviderSchema } from './schema.ts';

const schema = readProviderSchema();
const folder = mkdtempSync(join(tmpdir(), 'antipode-modules-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

let count = 0;
function problemsOf(text: string): string[] {
  const name = `module-${count++}`;
  mkdirSync(join(folder, name));
  writeFileSync(join(folder, name, 'main.tf'), text);
  const module = readModule(folder, name);
  return [...checkBlocks(module, schema), ...checkReferences(module, schema, new Map([[name, module]]))].map(
    (problem) => problem.replace(/^module-\d+\//, ''),
  );
}

describe('the checks of blocks and references', () => {
  test.each([
    [
      'an unknown argument',
      'resource "aws_vpc" "this" {\n  region = "eu-central-1"\n  cidr_blok = "10.0.0.0/16"\n}',
      'main.tf:1: aws_vpc.this: line 3: unknown argument "cidr_blok"',
    ],
    [
      'a required argument that is missing',
      'resource "aws_ecr_repository" "this" {\n  region = "eu-central-1"\n}',
      'main.tf:1: aws_ecr_repository.this: "name" is required',
    ],
    [
      'a required block that is missing',
      'resource "aws_eks_node_group" "this" {\n  region = "x"\n  cluster_name = "c"\n  node_role_arn = "r"\n  subnet_ids = []\n}',
      'main.tf:1: aws_eks_node_group.this: a block "scaling_config" is required',
    ],
    [
      'a block as an argument',
      'resource "aws_eks_cluster" "this" {\n  region = "x"\n  name = "n"\n  role_arn = "r"\n  vpc_config = {}\n}',
      'main.tf:1: aws_eks_cluster.this: line 5: "vpc_config" is a block',
    ],
    [
      'an unknown argument in a nested block',
      'resource "aws_ecr_repository" "this" {\n  region = "x"\n  name = "n"\n  image_scanning_configuration {\n    scan = true\n  }\n}',
      'main.tf:1: aws_ecr_repository.this.image_scanning_configuration: line 5: unknown argument "scan"',
    ],
    [
      'one of a dynamic block',
      'resource "aws_secretsmanager_secret" "this" {\n  region = "x"\n  dynamic "replica" {\n    for_each = []\n    content {\n      regoin = "x"\n    }\n  }\n}',
      'main.tf:1: aws_secretsmanager_secret.this.replica: line 6: unknown argument "regoin"',
    ],
    [
      'a resource without a region',
      'resource "aws_internet_gateway" "this" {\n  vpc_id = "x"\n}',
      "main.tf:1: aws_internet_gateway.this: says no region, so it would be in the provider's",
    ],
    [
      'a resource that nobody knows',
      'resource "aws_vcp" "this" {}',
      'main.tf:1: aws_vcp.this: aws_vcp is not in test/infra/data: see SOURCES.md there',
    ],
    [
      'a variable that there is not',
      'output "x" {\n  description = "d"\n  value = var.nmae\n}',
      'main.tf:3: var.nmae: there is no variable "nmae"',
    ],
    [
      'an attribute that is not exported',
      'resource "aws_internet_gateway" "this" {\n  region = "x"\n}\noutput "x" {\n  description = "d"\n  value = aws_internet_gateway.this.cidr\n}',
      'main.tf:6: aws_internet_gateway.this.cidr: aws_internet_gateway exports no "cidr"',
    ],
    [
      'a resource that is not declared',
      'output "x" {\n  description = "d"\n  value = aws_vpc.other.id\n}',
      'main.tf:3: aws_vpc.other.id: nothing is declared by that name',
    ],
    [
      'a variable that nobody uses',
      'variable "x" {\n  description = "d"\n  type = string\n  nullable = false\n}',
      'main.tf:1: variable x: is not used',
    ],
    [
      'a variable without a type',
      'variable "x" {\n  description = "d"\n  nullable = false\n}\noutput "y" {\n  description = "d"\n  value = var.x\n}',
      'main.tf:1: variable x: has no type',
    ],
    [
      'a module at no place',
      'module "x" {\n  source = "./nowhere"\n}',
      /main\.tf:1: module x: there is no module at .*nowhere/,
    ],
  ])('find %s', (_what, text, words) => {
    const found = problemsOf(text);
    expect(
      found.filter((problem) => (typeof words === 'string' ? problem === words : words.test(problem))),
    ).toHaveLength(1);
  });
});

const path = programPath('terraform');
const EXAMPLE = readFileSync(join(TERRAFORM_ROOT, 'live/terraform.tfvars.example'), 'utf8');

/** modules/plan on the example's map of regions, changed by `edit`; a copy, so that no state of it stays anywhere. */
function planned(
  terraform: Terraform,
  edit: (text: string) => string,
): { ok: boolean; output: string; module: string } {
  const module = join(terraform.folder, 'plan');
  cpSync(join(TERRAFORM_ROOT, 'modules/plan'), module, { recursive: true });
  const edited = edit(EXAMPLE);
  if (edited === EXAMPLE) throw new Error('the example no longer has what is to be changed');
  writeFileSync(join(module, 'test.auto.tfvars'), edited);
  return { ...terraform.run([`-chdir=${module}`, 'apply', '-auto-approve', '-compact-warnings']), module };
}
/** Of a message that Terraform broke into lines. */
const joined = (output: string) => output.replace(/[│╷╵]/g, ' ').replace(/\s+/g, ' ');

describe.skipIf(path === null)('Terraform, to a map of regions (needs terraform)', { timeout: 120_000 }, () => {
  test.each([
    [
      'a US region in the zone of the EU',
      ['ap-southeast-2 = { index = 3, zone = "world" }', 'us-west-2 = { index = 3, zone = "eu" }'],
      'regions: a zone was given a region of another law: us-west-2 (US) in zone eu (EU).',
    ],
    [
      'a region whose law nobody knows',
      ['ap-southeast-2 =', 'xx-north-1 ='],
      'regions: nobody knows whose law holds in xx-north-1. Set jurisdiction there.',
    ],
    [
      'two regions of one range',
      ['index = 3', 'index = 1'],
      'regions: ranges overlap: ap-southeast-2 and us-east-1. Give each region an index (or cidr) of its own.',
    ],
    [
      'a zone without a core',
      ['index = 2, zone = "eu"', 'index = 2, zone = "eu", cores = { min = 0 }'],
      'zones: no region has a core (cores.min above 0) in eu. Its callers would have no agent.',
    ],
    [
      'no name by which a browser reaches a POP',
      ['"voice.example.com"', '"voice"'],
      'domain: "voice" is no DNS name in lower case, such as voice.example.com.',
    ],
    [
      'a secret without a name',
      ['"antipode/eu/token-secret"', '""'],
      'zones: these lack the name of a secret: eu (token_secret).',
    ],
    [
      'an engine older than the registry needs',
      [
        'registry_region = "eu-central-1"',
        'registry_region = "eu-central-1"\n    registry = { engine_version = "6.0" }',
      ],
      'zones: registry.engine_version must be of Valkey 7.2 or newer, such as 8.1: eu has 6.0, world has 8.1.',
    ],
    [
      'a registry in no region of its zone',
      ['registry_region = "eu-central-1"', 'registry_region = "us-east-1"'],
      'zones: registry_region must be a region of the same zone: eu has us-east-1.',
    ],
  ])('refuses %s before anything is made', (_what, [from, to], words) => {
    using terraform = new Terraform(path!);
    const { ok, output } = planned(terraform, (text) => {
      const plain = text.replace(/ +=/g, ' =');
      expect(plain).toContain(from);
      return plain.replace(from!, to!);
    });
    expect(ok).toBe(false);
    expect(joined(output)).toContain(words);
  });

  test('a region added is a region placed: its output becomes a world in which callers near it are served there', async () => {
    using terraform = new Terraform(path!);
    const { ok, output, module } = planned(terraform, (text) =>
      text.replace('ap-southeast-2 = ', 'ap-northeast-1 = { index = 4, zone = "world" }\n  ap-southeast-2 = '),
    );
    expect(ok, output).toBe(true);
    const told = join(terraform.folder, 'worlds.json');
    writeFileSync(told, terraform.read([`-chdir=${module}`, 'output', '-json', 'worlds']));
    const like = new URL('../../../docs/world.example.yaml', import.meta.url).pathname;
    const made = await placement('world', '--terraform', told, '--zone', 'world', '--like', like);
    expect(made.code, made.err).toBe(0);
    const { nodes } = readWorldDocument(made.out);
    expect(nodes.filter(({ region }) => region === 'ap-northeast-1').map(({ role }) => role)).toEqual([
      'pop',
      ...Array(7).fill('core'),
    ]);

    const world = join(terraform.folder, 'world.yaml');
    writeFileSync(world, made.out);
    const explained = await placement(
      'explain',
      '--world',
      world,
      '--at',
      '35.68,139.69',
      '--agent',
      'tool-desk',
      '--json',
    );
    expect(JSON.parse(explained.out).decision.pop).toBe('ap-northeast-1');
  });
});

async function placement(...argv: string[]) {
  let out = '';
  let err = '';
  const streams = { out: { write: (text: string) => (out += text) }, err: { write: (text: string) => (err += text) } };
  return { code: await placementMain(argv, streams), out, err };
}
