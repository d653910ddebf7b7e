/** What the checks of Kubernetes find in objects that are wrong. Objects are written here, so no kubectl is needed. */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { checkLinks } from './check-links.ts';
import { checkPods } from './check-pods.ts';
import { checkPolicies, checkSettings, settingsOf } from './check-settings.ts';
import type { KubernetesObject } from './objects.ts';
import { checkShape } from './schema.ts';

const BASE = new URL('../../../infra/kubernetes/base/', import.meta.url);
const text = (path: string) => readFileSync(new URL(path, BASE), 'utf8');

/** The core as the base has it, with what it refers to. */
function core(
  edit: (text: string) => string = (same) => same,
  settings = text('core/antipode.yaml'),
): KubernetesObject[] {
  const map = (name: string, data: Record<string, string>) => ({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name, namespace: 'antipode' },
    data,
  });
  const secret = (name: string) => ({ apiVersion: 'v1', kind: 'Secret', metadata: { name, namespace: 'antipode' } });
  const region = {
    ANTIPODE_REGION: 'eu-central-1',
    ANTIPODE_REGISTRY_ZONE: 'eu',
    ANTIPODE_REDIS_URL: 'rediss://redis:6379',
    REGISTRY_REGION: 'eu-central-1',
  };
  const deployment = parse(edit(text('core/deployment.yaml').replaceAll('image: antipode', 'image: antipode:1')));
  deployment.metadata.namespace = 'antipode';
  const policy = parse(text('core/network.yaml'));
  policy.metadata.namespace = 'antipode';
  return [
    deployment,
    policy,
    { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'antipode-core', namespace: 'antipode' } },
    map('antipode-core', { 'antipode.yaml': settings }),
    map('antipode-node-config', {}),
    map('antipode-region', region),
    secret('antipode-node'),
    secret('antipode-ai-services'),
    {
      apiVersion: 'cert-manager.io/v1',
      kind: 'ClusterIssuer',
      metadata: { name: 'antipode-backbone' },
      spec: { selfSigned: {} },
    },
  ];
}
const problemsOf = (objects: readonly KubernetesObject[]) => [
  ...objects.flatMap(checkShape),
  ...checkLinks(objects),
  ...checkPods(objects),
];

describe('the checks of manifests', () => {
  test('find nothing in the base', async () => {
    const nodes = await settingsOf(core());
    expect([...problemsOf(core()), ...checkSettings(nodes), ...checkPolicies(core(), nodes)]).toEqual([]);
  });

  test.each([
    [
      'a field that there is not',
      ['revisionHistoryLimit: 5', 'revisonHistoryLimit: 5'],
      'Deployment antipode/antipode-core.spec: unknown field "revisonHistoryLimit"',
    ],
    [
      'a text where a number belongs',
      ['replicas: 2', 'replicas: "2"'],
      'Deployment antipode/antipode-core.spec.replicas: must be a number, not string',
    ],
    [
      'an account that there is not',
      ['serviceAccountName: antipode-core', 'serviceAccountName: antipode-cores'],
      'Deployment antipode/antipode-core: there is no ServiceAccount "antipode-cores"',
    ],
    [
      'settings that there are not',
      ['configMapRef: { name: antipode-region }', 'configMapRef: { name: antipode-zone }'],
      'Deployment antipode/antipode-core: there is no ConfigMap "antipode-zone"',
    ],
    [
      'a secret that there is not',
      ['secretRef: { name: antipode-node }', 'secretRef: { name: antipode-keys }'],
      'Deployment antipode/antipode-core: there is no Secret "antipode-keys"',
    ],
    [
      'an issuer that there is not',
      ['issuer-name: antipode-backbone', 'issuer-name: backbone'],
      'Deployment antipode/antipode-core: there is no ClusterIssuer "backbone"',
    ],
    [
      'a volume that there is not',
      ['- { name: tmp, mountPath: /tmp }', '- { name: temp, mountPath: /tmp }'],
      'Deployment antipode/antipode-core: core mounts "temp", which is no volume',
    ],
    [
      'a probe of a port that it lacks',
      ['httpGet: { path: /readyz, port: http }', 'httpGet: { path: /readyz, port: web }'],
      'Deployment antipode/antipode-core: core: readinessProbe asks the port "web", which it does not have',
    ],
    [
      'pods that a policy does not select',
      [
        'labels: { app.kubernetes.io/name: antipode-core }\n    spec',
        'labels: { app.kubernetes.io/name: core }\n    spec',
      ],
      'NetworkPolicy antipode/antipode-core: selects no pod: app.kubernetes.io/name=antipode-core',
    ],
    [
      'a root file system that can be written',
      ['readOnlyRootFilesystem: true', 'readOnlyRootFilesystem: false'],
      'Deployment antipode/antipode-core: core: may write to its root file system',
    ],
    [
      'capabilities',
      ['drop: [ALL]', 'drop: [NET_RAW]'],
      'Deployment antipode/antipode-core: core: does not drop all capabilities, or adds some',
    ],
    ['root', ['runAsNonRoot: true', 'runAsNonRoot: false'], 'Deployment antipode/antipode-core: may run as root'],
    [
      'a limit of CPU',
      ['limits: { memory: 2Gi }', 'limits: { cpu: "1", memory: 2Gi }'],
      'Deployment antipode/antipode-core: core: has a limit of CPU, by which it would be late',
    ],
    [
      'an image without a version',
      ['image: antipode:1\n          args', 'image: antipode\n          args'],
      'Deployment antipode/antipode-core: core: its image "antipode" names no version',
    ],
  ])('find %s', (_what, [from, to], words) => {
    const objects = core((yaml) => {
      expect(yaml).toContain(from);
      return yaml.replaceAll(from!, to!);
    });
    expect(problemsOf(objects)).toContain(words);
  });

  test('find a field of a custom kind that its operator does not have', () => {
    const monitor = {
      apiVersion: 'monitoring.coreos.com/v1',
      kind: 'PodMonitor',
      metadata: { name: 'x' },
      spec: { selector: { matchLabels: { a: 'b' } }, endpoints: [] },
    };
    expect(checkShape(monitor).join()).toContain('Unrecognized key: "endpoints"');
  });
});

describe('the settings that pods run with', () => {
  test.each([
    [
      'a port that the manifest does not know',
      ['controlPort: 7443', 'controlPort: 7444'],
      [
        'Deployment antipode/antipode-core: listens on 7444, which is no containerPort',
        'Deployment antipode/antipode-core: containerPort 7443, where nothing listens',
      ],
    ],
    [
      'a drain longer than the pod is given',
      ['drainTimeoutMs: 60000', 'drainTimeoutMs: 61000'],
      [
        'Deployment antipode/antipode-core: drains for 121 s, so terminationGracePeriodSeconds must be at least 131, not 130',
      ],
    ],
  ])('show %s', async (_what, [from, to], words) => {
    const nodes = await settingsOf(core(undefined, text('core/antipode.yaml').replace(from!, to!)));
    expect(checkSettings(nodes)).toEqual(words);
  });

  test('show ports that the network policy leaves closed', async () => {
    const objects = core(undefined, text('core/antipode.yaml').replace('max: 45099', 'max: 45199'));
    expect(checkPolicies(objects, await settingsOf(objects))).toEqual([
      "NetworkPolicy antipode/antipode-core: spec.ingress opens TCP 7443, TCP 8081, UDP 45000-45099; the core's settings want TCP 7443, TCP 8081, UDP 45000-45199",
      "NetworkPolicy antipode/antipode-core: spec.egress opens TCP 443, TCP 53, TCP 6379, UDP 45000-45099, UDP 53; the core's settings want TCP 443, TCP 53, TCP 6379, UDP 45000-45199, UDP 53",
    ]);
  });

  test('are refused as the product refuses them', async () => {
    const settings = text('core/antipode.yaml').replace('capacity: auto', 'capasity: auto');
    await expect(settingsOf(core(undefined, settings))).rejects.toThrow(
      'core.capasity: unknown key; did you mean "capacity"?',
    );
  });
});
