/**
 * The settings that pods run with, read as the product reads them: each role's file, completed by node-config.mjs, under the
 * pod's environment. Ports, times to drain and variables agree with what the manifests say. Owns these comparisons.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';
import { nodeConfig } from '../../../infra/kubernetes/base/config/node-config.mjs';
import { type Config, loadConfig } from '../../../src/config/index.ts';
import { at, containersOf, type KubernetesObject, titleOf } from './objects.ts';

type Environment = Record<string, string>;

/** What only a running pod or an operator's secret knows. */
const ADDRESS = '10.67.1.2';
const SECRETS: Environment = {
  ANTIPODE_API_KEYS: '0123456789abcdef',
  ANTIPODE_TOKEN_SECRET: '0123456789abcdef0123456789abcdef',
  ANTIPODE_REDIS_PASSWORD: 'not-the-true-one',
};
const SECONDS_AFTER_DRAIN = 10;

export interface NodeSettings {
  readonly role: string;
  readonly object: KubernetesObject;
  readonly config: Config;
  readonly environment: Environment;
}

/** @throws as loadConfig and nodeConfig */
export async function settingsOf(objects: readonly KubernetesObject[]): Promise<NodeSettings[]> {
  const nodes = objects.flatMap((object) => {
    const main = object.kind === 'Deployment' ? containersOf(object).find(({ isInit }) => !isInit) : undefined;
    return main !== undefined && ['core', 'edge', 'placement'].includes(main.name) ? [{ object, main }] : [];
  });
  return Promise.all(
    nodes.map(async ({ object, main }) => {
      const environment = environmentOf(main.spec, object, objects);
      const file = configFile(object, objects);
      const pool = environment.POP_NAMES?.split('=')[0] ?? '';
      const fetch = async (_url: unknown, init?: { method?: string }) =>
        new Response(init?.method === 'PUT' ? 'token' : pool);
      const made = await nodeConfig(parse(file), { env: environment, fetch: fetch as typeof globalThis.fetch });
      return { role: main.name, object, config: load(stringify(made), environment), environment };
    }),
  );
}

export function checkSettings(nodes: readonly NodeSettings[]): string[] {
  return nodes.flatMap(({ role, object, config }) => {
    const title = titleOf(object);
    const main = containersOf(object).find(({ isInit }) => !isInit)!;
    const ports = (main.spec.ports as { name: string; containerPort: number }[]).map(
      ({ containerPort }) => containerPort,
    );
    const wanted = portsOf(role, config);
    const grace = at(object, 'spec.template.spec.terminationGracePeriodSeconds');
    const preStop = ((at(main.spec, 'lifecycle.preStop.exec.command') as string[] | undefined) ?? []).join(' ');
    const before = Number(/--timeout (\d+)/.exec(preStop)?.[1] ?? 0);
    const drain = before + config.limits.drainTimeoutMs / 1_000 + SECONDS_AFTER_DRAIN;
    return [
      ...wanted
        .filter((port) => !ports.includes(port))
        .map((port) => `${title}: listens on ${port}, which is no containerPort`),
      ...ports
        .filter((port) => !wanted.includes(port))
        .map((port) => `${title}: containerPort ${port}, where nothing listens`),
      ...(Number(grace) >= drain
        ? []
        : [
            `${title}: drains for ${drain - SECONDS_AFTER_DRAIN} s, so terminationGracePeriodSeconds must be at least ${drain}, not ${String(grace)}`,
          ]),
      ...(role === 'edge' && config.http.publicUrl === null ? [`${title}: a POP that callers have no URL of`] : []),
      ...(config.residency.stores.registry === null ? [`${title}: does not say where its registry stands`] : []),
    ];
  });
}

/** What is opened between nodes goes through network policies: the ports of their settings, and no others. */
export function checkPolicies(objects: readonly KubernetesObject[], nodes: readonly NodeSettings[]): string[] {
  const core = nodes.find(({ role }) => role === 'core');
  const policy = objects.find(({ kind, metadata }) => kind === 'NetworkPolicy' && metadata.name === 'antipode-core');
  if (core === undefined || policy === undefined) return ['there is no core, or no network policy for it'];
  const { core: settings, backbone, http, registry } = core.config;
  const redis = new URL(registry.url ?? 'redis://none').port;
  const opened = (path: string) =>
    ((at(policy, path) as { ports: { protocol: string; port: number; endPort?: number }[] }[]) ?? [])
      .flatMap(({ ports }) => ports)
      .map(({ protocol, port, endPort }) => `${protocol} ${port}${endPort === undefined ? '' : `-${endPort}`}`)
      .sort();
  const media = `UDP ${backbone.ports?.min}-${backbone.ports?.max}`;
  const wanted = {
    'spec.ingress': [`TCP ${settings.controlPort}`, `TCP ${http.port}`, media],
    'spec.egress': ['TCP 443', 'TCP 53', `TCP ${redis}`, 'UDP 53', media],
  };
  return Object.entries(wanted).flatMap(([path, ports]) => {
    const are = opened(path).join(', ');
    const should = ports.sort().join(', ');
    return are === should ? [] : [`${titleOf(policy)}: ${path} opens ${are}; the core's settings want ${should}`];
  });
}

function portsOf(role: string, { http, edge, core }: Config): number[] {
  if (role === 'core') return [http.port, core.controlPort];
  if (role === 'placement') return [http.port];
  return [http.port, ...Array.from({ length: edge.workers }, (_, worker) => edge.mediaPort + worker)];
}

/** Of a role's file as the pod mounts it. */
function configFile(object: KubernetesObject, objects: readonly KubernetesObject[]): string {
  const volumes = at(object, 'spec.template.spec.volumes') as unknown[];
  const names = volumes
    .flatMap((volume) => (at(volume, 'projected.sources') as unknown[] | undefined) ?? [])
    .map((source) => at(source, 'configMap.name'));
  const maps = objects.filter(
    ({ kind, metadata }) =>
      kind === 'ConfigMap' && names.includes(metadata.name) && metadata.namespace === object.metadata.namespace,
  );
  const text = maps.map((map) => at(map, 'data') as Record<string, string>).find((data) => 'antipode.yaml' in data)?.[
    'antipode.yaml'
  ];
  if (text === undefined) throw new Error(`${titleOf(object)} mounts no antipode.yaml`);
  return text;
}

function environmentOf(
  spec: Readonly<Record<string, unknown>>,
  object: KubernetesObject,
  objects: readonly KubernetesObject[],
): Environment {
  const environment: Environment = { ...SECRETS };
  for (const from of (spec.envFrom as unknown[] | undefined) ?? []) {
    const name = at(from, 'configMapRef.name');
    const map = objects.find(
      ({ kind, metadata }) =>
        kind === 'ConfigMap' && metadata.name === name && metadata.namespace === object.metadata.namespace,
    );
    Object.assign(environment, at(map, 'data') ?? {});
    const secretName = at(from, 'secretRef.name');
    const secret = objects.find(
      ({ kind, metadata }) =>
        kind === 'Secret' && metadata.name === secretName && metadata.namespace === object.metadata.namespace,
    );
    for (const [key, value] of Object.entries((at(secret, 'data') as Environment | undefined) ?? {})) {
      environment[key] = Buffer.from(value, 'base64').toString('utf8');
    }
  }
  for (const { name, value, valueFrom } of (spec.env as
    | { name: string; value?: string; valueFrom?: unknown }[]
    | undefined) ?? []) {
    const field = at(valueFrom, 'fieldRef.fieldPath');
    environment[name] = value ?? (field === 'metadata.name' ? `${object.metadata.name}-7d9f8b6c5d-x2x4z` : ADDRESS);
  }
  return environment;
}

function load(text: string, environment: Environment): Config {
  const folder = mkdtempSync(join(tmpdir(), 'antipode-settings-'));
  try {
    const file = join(folder, 'antipode.yaml');
    writeFileSync(file, text);
    return loadConfig({ file, fileRequired: true, environment });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
