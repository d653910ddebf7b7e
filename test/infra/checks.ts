/**
 * Every check of infra/ that needs no cloud, and of each what it could not check on this machine. Owns the list: the test
 * run and `npm run check:infra` go through it.
 */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { checkCompose } from './compose.ts';
import { checkLinks } from './kubernetes/check-links.ts';
import { checkPods } from './kubernetes/check-pods.ts';
import { checkPolicies, checkSettings, settingsOf } from './kubernetes/check-settings.ts';
import { render } from './kubernetes/objects.ts';
import { checkShape } from './kubernetes/schema.ts';
import {
  checkMetrics,
  checkOverlayKeys,
  checkPorts,
  checkRegions,
  checkRights,
  checkRightsInAws,
  checkVariables,
} from './names.ts';
import { programPath, Terraform } from './programs.ts';
import { checkBlocks } from './terraform/check-blocks.ts';
import { checkReferences } from './terraform/check-references.ts';
import { exampleVariables, LiveStandIns } from './terraform/live-stand-ins.ts';
import { modulePaths, readModule } from './terraform/module.ts';
import { readProviderSchema } from './terraform/schema.ts';

export interface CheckResult {
  /** What was looked at, in words. */
  readonly checked: string;
  readonly problems: readonly string[];
  /** What was not, and why; null where nothing is left. */
  readonly notChecked: string | null;
}

export interface Check {
  readonly name: string;
  run(): Promise<CheckResult>;
}

const ROOT = join(import.meta.dirname, '../..');
export const TERRAFORM_ROOT = join(ROOT, 'infra/terraform');
export const OVERLAYS_ROOT = join(ROOT, 'infra/kubernetes/overlays');

/** @param find a program's path; null where it is not installed */
export function checksOf(find: (name: string) => string | null = programPath): readonly Check[] {
  return [
    { name: 'Terraform, format', run: () => checkFormat(find('terraform')) },
    { name: 'Terraform, the plan module', run: () => checkPlanModule(find('terraform')) },
    { name: 'Terraform, blocks and references', run: checkModules },
    { name: 'Terraform, live/ with stand-ins', run: () => checkLive(find('terraform')) },
    { name: 'Kubernetes', run: () => checkKubernetes(find('kubectl')) },
    {
      name: 'Compose',
      run: async () => ({
        checked: 'shape, and the topology that it runs',
        problems: checkCompose(),
        notChecked: 'that containers start: no Docker engine is asked',
      }),
    },
    { name: 'Names', run: checkNames },
  ];
}

async function checkFormat(path: string | null): Promise<CheckResult> {
  if (path === null)
    return { checked: 'nothing', problems: [], notChecked: 'the format of all files: there is no terraform here' };
  using terraform = new Terraform(path);
  const { ok, output } = terraform.run(['fmt', '-check', '-recursive', '-diff', TERRAFORM_ROOT]);
  return { checked: 'terraform fmt -check', problems: ok ? [] : [output], notChecked: null };
}

async function checkPlanModule(path: string | null): Promise<CheckResult> {
  if (path === null)
    return { checked: 'nothing', problems: [], notChecked: 'modules/plan and its tests: there is no terraform here' };
  using terraform = new Terraform(path);
  const folder = `-chdir=${join(TERRAFORM_ROOT, 'modules/plan')}`;
  const validated = terraform.run([folder, 'validate']);
  if (!validated.ok) return { checked: 'terraform validate', problems: [validated.output], notChecked: null };
  const { ok, output } = terraform.run([folder, 'test']);
  const count = /(\d+) passed/.exec(output)?.[1] ?? 'no';
  return { checked: `terraform validate and test, ${count} runs`, problems: ok ? [] : [output], notChecked: null };
}

async function checkModules(): Promise<CheckResult> {
  const schema = readProviderSchema();
  const modules = new Map(modulePaths(TERRAFORM_ROOT).map((path) => [path, readModule(TERRAFORM_ROOT, path)]));
  const all = [...modules.values()];
  const count = all.reduce((sum, { resources, data }) => sum + resources.size + data.size, 0);
  return {
    checked: `${count} blocks in ${all.length} modules by the names and flags of hashicorp/aws 6.25`,
    problems: all.flatMap((module) => [...checkBlocks(module, schema), ...checkReferences(module, schema, modules)]),
    notChecked: 'types of arguments: the names and flags are all that is known here',
  };
}

async function checkLive(path: string | null): Promise<CheckResult> {
  if (path === null)
    return { checked: 'nothing', problems: [], notChecked: 'a plan of live/: there is no terraform here' };
  using terraform = new Terraform(path);
  const live = new LiveStandIns(terraform, TERRAFORM_ROOT, exampleVariables(TERRAFORM_ROOT));
  const { ok, output } = live.plan();
  const count = /Plan: (\d+) to add/.exec(output)?.[1] ?? 'no';
  return {
    checked: `a plan of the example's three regions by Terraform itself, ${count} resources, each a stand-in without a provider`,
    problems: ok ? [] : [errorsIn(output)],
    notChecked:
      "what the provider and AWS say to the values: the provider can't be downloaded by a test, and a plan asks AWS",
  };
}

/** Without the plan up to there. */
function errorsIn(output: string): string {
  return output.slice(Math.max(0, output.indexOf('Error:')));
}

async function checkKubernetes(kubectl: string | null): Promise<CheckResult> {
  if (kubectl === null)
    return {
      checked: 'nothing',
      problems: [],
      notChecked: 'all manifests: there is no kubectl here to put them together',
    };
  const problems: string[] = [];
  const overlays = readdirSync(OVERLAYS_ROOT);
  let count = 0;
  for (const overlay of overlays) {
    const objects = render(kubectl, join(OVERLAYS_ROOT, overlay));
    const nodes = await settingsOf(objects);
    const found = [
      ...objects.flatMap(checkShape),
      ...checkLinks(objects),
      ...checkPods(objects),
      ...checkSettings(nodes),
      ...checkPolicies(objects, nodes),
    ];
    problems.push(...found.map((problem) => `${overlay}: ${problem}`));
    count += objects.length;
  }
  return {
    checked: `${count} objects of ${overlays.length} overlays by the fields of Kubernetes 1.30, their links, and the product's own reading of each role's settings`,
    problems,
    notChecked:
      'defaults and admission by a cluster, custom kinds beyond the fields that are used here, nginx.conf by nginx: none of these runs here',
  };
}

async function checkNames(): Promise<CheckResult> {
  return {
    checked: 'variables, ports, metrics, regions, rights',
    problems: [
      ...checkVariables(),
      ...checkPorts(),
      ...checkMetrics(),
      ...checkRegions(),
      ...checkOverlayKeys(),
      ...checkRights(),
      ...checkRightsInAws(),
    ],
    notChecked: null,
  };
}
