/**
 * Names that stand in several places: variables, ports, metrics, regions, the registry's rights. Each is compared with the
 * place that decides, so that a change of one cannot leave another behind. Owns the comparisons; reads files only.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { configSchema, ENVIRONMENT } from '../../src/config/schema.ts';
import { Regions } from '../../src/placement/regions.ts';
import { ROLE_DEFAULTS } from '../../src/role-command.ts';
import { parseHcl } from './hcl/parse.ts';

const ROOT = join(import.meta.dirname, '../..');
const read = (path: string) => readFileSync(join(ROOT, path), 'utf8');

/** Read by node-config.mjs, by the components, or by the image. */
const OWN_VARIABLES = new Set([
  'ANTIPODE_HOME',
  'ANTIPODE_CACHE_DIR',
  'ANTIPODE_WORKER_PREBUILT',
  'ANTIPODE_REPOSITORY',
]);

/** Variables of the product's name in whatever is deployed exist in the configuration. */
export function checkVariables(): string[] {
  const files = [
    ...filesBelow('infra', /\.(yaml|env|tf|mjs|tftpl)$/),
    'Dockerfile',
    'docker-compose.yml',
    'docs/deploy.md',
    'docs/regions.md',
  ];
  return files.flatMap((file) =>
    [...new Set(optional(file).match(/\bANTIPODE_[A-Z0-9_]+\b/g) ?? [])]
      .filter((name) => !(name in ENVIRONMENT) && !OWN_VARIABLES.has(name))
      .map((name) => `${file}: ${name} is no variable of src/config/schema.ts`),
  );
}

/** Ports of Terraform's plan are those of the roles' settings in infra/kubernetes and of docs/operate.md. */
export function checkPorts(): string[] {
  const terraform = Object.fromEntries(
    [...read('infra/terraform/modules/plan/variables.tf').matchAll(/^\s+(\w+)\s*=\s*optional\(number, (\d+)\)$/gm)].map(
      ([, name, port]) => [name, Number(port)],
    ),
  );
  const setting = (role: string, pattern: RegExp) =>
    Number(pattern.exec(read(`infra/kubernetes/base/${role}/antipode.yaml`))?.[1]);
  const backbone = (role: string) =>
    /ports: \{ min: (\d+), max: (\d+) \}/
      .exec(read(`infra/kubernetes/base/${role}/antipode.yaml`))
      ?.slice(1)
      .map(Number) ?? [];
  const nginx = read('infra/kubernetes/components/signaling-tls/nginx.conf');
  const boot = read('infra/terraform/modules/cluster/pop-boot.mime.tftpl');
  const defaults = configSchema.parse({});
  const operate = read('docs/operate.md');
  const deploy = read('docs/deploy.md');
  const { signaling, media_first, control, backbone_min, backbone_max, registry } = terraform;
  const told = [
    `POP: ${signaling} TCP, ${media_first} UDP and TCP`,
    `${control} TCP; ${backbone_min}–${backbone_max} UDP`,
    `${registry} TCP, TLS`,
  ];
  const pairs: readonly (readonly [string, number | undefined, number | undefined])[] = [
    ['signaling: nginx.conf listens', terraform.signaling, Number(/listen (\d+) ssl/.exec(nginx)?.[1])],
    [
      'signaling: the machine lets it',
      terraform.signaling,
      Number(/ip_unprivileged_port_start = (\d+)/.exec(boot)?.[1]),
    ],
    ['pop_http: edge/antipode.yaml', terraform.pop_http, setting('edge', /host: 0\.0\.0\.0\n {2}port: (\d+)/)],
    ['pop_http: the proxy asks', terraform.pop_http, Number(/server 127\.0\.0\.1:(\d+);/.exec(nginx)?.[1])],
    ['pop_http: the default', terraform.pop_http, defaults.http.port],
    ['core_http: core/antipode.yaml', terraform.core_http, setting('core', /host: 0\.0\.0\.0\n {2}port: (\d+)/)],
    ['core_http: the default', terraform.core_http, ROLE_DEFAULTS.core['http.port'] as number],
    [
      'placement_http: placement/antipode.yaml',
      terraform.placement_http,
      setting('placement', /host: 0\.0\.0\.0\n {2}port: (\d+)/),
    ],
    ['placement_http: the default', terraform.placement_http, ROLE_DEFAULTS.placement['http.port'] as number],
    ['media_first: edge/antipode.yaml', terraform.media_first, setting('edge', /mediaPort: (\d+)/)],
    ['media_first: the default', terraform.media_first, defaults.edge.mediaPort],
    ['media_workers: edge/antipode.yaml', terraform.media_workers, setting('edge', /workers: (\d+)/)],
    ['control: core/antipode.yaml', terraform.control, setting('core', /controlPort: (\d+)/)],
    ['control: docs/operate.md', terraform.control, Number(/controlPort: (\d+)/.exec(operate)?.[1])],
    ...['core', 'edge'].flatMap((role) => [
      [`backbone_min: ${role}/antipode.yaml`, terraform.backbone_min, backbone(role)[0]] as const,
      [`backbone_max: ${role}/antipode.yaml`, terraform.backbone_max, backbone(role)[1]] as const,
    ]),
  ];
  return [
    ...pairs
      .filter(([, wanted, found]) => wanted === undefined || wanted !== found)
      .map(([what, wanted, found]) => `ports: ${what} ${found}, modules/plan says ${wanted}`),
    ...told.filter((words) => !deploy.includes(words)).map((words) => `docs/deploy.md: does not say "${words}"`),
  ];
}

/** Metrics that autoscaling asks for are told by docs/observe.md, which its own test compares with the code. */
export function checkMetrics(): string[] {
  const known = new Set(read('docs/observe.md').match(/antipode_[a-z0-9_]+/g) ?? []);
  return filesBelow('infra/kubernetes', /\.yaml$/).flatMap((file) =>
    [...new Set(read(file).match(/\bantipode_[a-z0-9_]+/g) ?? [])]
      .filter((name) => !known.has(name))
      .map((name) => `${file}: docs/observe.md has no metric ${name}`),
  );
}

/** Regions are those that placement knows, of the same law; each region of the example has an overlay, and each overlay a zone. */
export function checkRegions(): string[] {
  const regions = Regions.load();
  const list = JSON.parse(read('infra/terraform/modules/plan/aws-regions.json')) as Record<
    string,
    { jurisdiction: string; country: string }
  >;
  const example = parseHcl(read('infra/terraform/live/terraform.tfvars.example')).attributes.find(
    ({ name }) => name === 'regions',
  );
  const planned = (example?.value ?? [])
    .filter(({ text }) => /^[a-z]+(-[a-z]+)+-\d$/.test(text))
    .map(({ text }) => text);
  const overlays = readdirSync(join(ROOT, 'infra/kubernetes/overlays')).filter((name) => name !== 'laptop');
  const environments = overlays.map(
    (name) => [name, envFile(`infra/kubernetes/overlays/${name}/region/region.env`)] as const,
  );
  const told = ['docs/deploy.md', 'docs/regions.md', 'infra/terraform/README.md'].flatMap((file) =>
    [...new Set(read(file).match(/\b[a-z]{2}-(?:north|south|east|west|central)+[a-z]*-\d\b/g) ?? [])].map(
      (code) => [file, code] as const,
    ),
  );
  return [
    ...told
      .filter(([, code]) => regions.get(code) === null)
      .map(([file, code]) => `${file}: placement does not know ${code}`),
    ...Object.entries(list).flatMap(([code, { jurisdiction }]) => {
      const known = regions.get(code);
      if (known === null) return [`aws-regions.json: placement does not know ${code}`];
      return known.jurisdiction === jurisdiction
        ? []
        : [`aws-regions.json: ${code} is of ${known.jurisdiction}, not ${jurisdiction}`];
    }),
    ...planned
      .filter((code) => !overlays.includes(code))
      .map((code) => `terraform.tfvars.example: ${code} has no overlay`),
    ...overlays
      .filter((code) => !planned.includes(code))
      .map((code) => `overlays/${code}: terraform.tfvars.example has no such region`),
    ...environments.flatMap(
      ([name, { ANTIPODE_REGION: region, REGISTRY_REGION: registry, ANTIPODE_REGISTRY_ZONE: zone }]) => [
        ...(region === name ? [] : [`overlays/${name}: its region is ${region}`]),
        ...(regions.get(registry ?? '') === null
          ? [`overlays/${name}: nobody knows the registry's region ${registry}`]
          : []),
        ...(zone === 'eu' && !(regions.get(registry ?? '')?.inEu && regions.get(name)?.inEu)
          ? [`overlays/${name}: of zone eu, and not in the EU with its registry`]
          : []),
      ],
    ),
  ];
}

/** Terraform's `overlays` output gives what the overlays' region.env have, and nothing else. */
export function checkOverlayKeys(): string[] {
  const output = read('infra/terraform/live/outputs.tf');
  const start = output.indexOf('output "overlays"');
  const given = [...output.slice(start, output.indexOf('output "clusters"')).matchAll(/^ {6}([A-Z_]+) +=/gm)]
    .map(([, name]) => name!)
    .sort();
  const overlays = readdirSync(join(ROOT, 'infra/kubernetes/overlays')).filter((name) => name !== 'laptop');
  return overlays.flatMap((name) => {
    const has = Object.keys(envFile(`infra/kubernetes/overlays/${name}/region/region.env`)).sort();
    return has.join() === given.join()
      ? []
      : [`overlays/${name}: region.env has ${has.join(', ')}; live/outputs.tf gives ${given.join(', ')}`];
  });
}

/** Valkey's user may do what docs/operate.md says, to the word. */
export function checkRights(): string[] {
  const documented = /^user antipode on >PASSWORD resetkeys (.+)$/m.exec(read('docs/operate.md'))?.[1];
  const given = /access = "on (.+)"/.exec(read('infra/terraform/modules/registry/main.tf'))?.[1];
  return documented !== undefined && documented === given
    ? []
    : [`modules/registry: the user's rights are "${given}"; docs/operate.md says "${documented}"`];
}

/** Statements of IAM whose resource is `*`: where AWS takes nothing narrower, and nowhere else. */
const UNBOUND_STATEMENTS = [
  'AccountAdministers',
  'DisksOfNodeGroups',
  'GrantsForDisksOfNodeGroups',
  'LogsOfThisAccount',
  'See',
  'SeeAddresses',
];

export function checkRightsInAws(): string[] {
  const problems: string[] = [];
  const unbound: string[] = [];
  for (const file of filesBelow('infra/terraform', /\.tf$/)) {
    const text = read(file);
    if (/\b\d{12}\b/.test(text)) problems.push(`${file}: names an account`);
    for (const { body, type, labels } of parseHcl(text).blocks) {
      if (type !== 'data' || labels[0] !== 'aws_iam_policy_document') continue;
      for (const statement of body.blocks) {
        const values = (name: string) => statement.body.attributes.find((each) => each.name === name)?.value ?? [];
        const sid = values('sid')[0]?.text ?? '(no sid)';
        if (values('resources').some(({ text: each }) => each === '*')) unbound.push(sid);
        const actions = values('actions').filter(({ kind }) => kind === 'string');
        if (actions.some(({ text: each }) => each.includes('*')) && sid !== 'AccountAdministers')
          problems.push(`${file}: ${sid} allows actions by a star`);
      }
    }
  }
  const isExpected = unbound.sort().join() === UNBOUND_STATEMENTS.join();
  return isExpected
    ? problems
    : [
        ...problems,
        `statements for all resources are ${unbound.join(', ')}; expected ${UNBOUND_STATEMENTS.join(', ')}`,
      ];
}

export function envFile(path: string): Record<string, string> {
  const lines = read(path)
    .split('\n')
    .filter((line) => /^[A-Z_]+=/.test(line));
  return Object.fromEntries(lines.map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]));
}

function filesBelow(folder: string, pattern: RegExp): string[] {
  return readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => pattern.test(name) && !name.includes('.terraform/'))
    .map((name) => `${folder}/${name}`);
}

/** Text of a file that may be missing. */
function optional(path: string): string {
  try {
    return read(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return '';
    throw error;
  }
}
