/** infra/terraform with stand-ins for resources, in a folder of its own, where Terraform can plan and apply live/. */
import { cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Terraform } from '../programs.ts';
import { modulePaths, readModule } from './module.ts';
import { readProviderSchema } from './schema.ts';
import { withStandIns } from './stand-ins.ts';

export interface StandInResource {
  /** Such as `module.backbone.terraform_data.aws_route__this["ap-southeast-2_us-east-1_from_public"]`. */
  readonly address: string;
  /** Of the resource that it stands for. */
  readonly type: string;
  readonly values: Readonly<Record<string, unknown>>;
}

interface ShownModule {
  readonly resources?: readonly { address: string; name: string; values: { output?: Record<string, unknown> } }[];
  readonly child_modules?: readonly ShownModule[];
}

export class LiveStandIns {
  readonly #terraform: Terraform;
  readonly #live: string;

  /** @param root folder of Terraform; @param variables text of a tfvars file */
  constructor(terraform: Terraform, root: string, variables: string) {
    this.#terraform = terraform;
    const folder = join(terraform.folder, 'stand-ins');
    this.#live = join(folder, 'live');
    const schema = readProviderSchema();
    for (const path of modulePaths(root)) {
      mkdirSync(join(folder, path), { recursive: true });
      writeFileSync(join(folder, path, 'main.tf'), withStandIns(root, readModule(root, path), schema));
      const read = readdirSync(join(root, path)).filter((name) => /\.(json|tftpl)$/.test(name));
      for (const name of read) cpSync(join(root, path, name), join(folder, path, name));
    }
    this.change(variables);
    const { ok, output } = this.#run('init');
    if (!ok) throw new Error(output);
  }

  change(variables: string): void {
    writeFileSync(join(this.#live, 'test.auto.tfvars'), variables);
  }

  plan(): { readonly ok: boolean; readonly output: string } {
    return this.#run('plan', '-compact-warnings');
  }

  apply(): { readonly ok: boolean; readonly output: string } {
    return this.#run('apply', '-auto-approve', '-compact-warnings');
  }

  output(name: string): unknown {
    return JSON.parse(this.#terraform.read([`-chdir=${this.#live}`, 'output', '-json', name]));
  }

  /** As they were applied. */
  resources(): StandInResource[] {
    const shown = JSON.parse(this.#terraform.read([`-chdir=${this.#live}`, 'show', '-json'])) as {
      values: { root_module: ShownModule };
    };
    return inModule(shown.values.root_module);
  }

  #run(...args: string[]) {
    return this.#terraform.run([`-chdir=${this.#live}`, ...args]);
  }
}

/** Variables of the example as live/ reads them. */
export function exampleVariables(root: string): string {
  return readFileSync(join(root, 'live/terraform.tfvars.example'), 'utf8');
}

function inModule({ resources = [], child_modules: children = [] }: ShownModule): StandInResource[] {
  const own = resources.map(({ address, name, values }) => ({
    address,
    type: name.split('__')[0]!,
    values: values.output ?? {},
  }));
  return [...own, ...children.flatMap(inModule)];
}
