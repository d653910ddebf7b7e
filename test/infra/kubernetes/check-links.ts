/** What objects name is there: settings, secrets, accounts, ports, pods, issuers, targets. Owns the ways between objects of one overlay. */
import { at, containersOf, type KubernetesObject, titleOf } from './objects.ts';

/** Files that a certificate of cert-manager's CSI driver has. */
const CSI_DRIVER = 'csi.cert-manager.io';

export function checkLinks(objects: readonly KubernetesObject[]): string[] {
  return objects.flatMap((object) => {
    switch (object.kind) {
      case 'Deployment':
        return checkDeployment(object, objects);
      case 'PodDisruptionBudget':
      case 'PodMonitor':
        return checkSelector(object, at(object, 'spec.selector.matchLabels'), objects);
      case 'Service':
        return [...checkSelector(object, at(object, 'spec.selector'), objects), ...checkTargetPorts(object, objects)];
      case 'NetworkPolicy':
        return checkSelector(object, at(object, 'spec.podSelector.matchLabels') ?? {}, objects);
      case 'ScaledObject':
        return has(objects, 'Deployment', at(object, 'spec.scaleTargetRef.name'), object)
          ? []
          : [`${titleOf(object)}: scales nothing that is there`];
      case 'ExternalSecret':
        return has(objects, 'ClusterSecretStore', at(object, 'spec.secretStoreRef.name'))
          ? []
          : [`${titleOf(object)}: there is no such store`];
      case 'Certificate':
        return has(objects, 'ClusterIssuer', at(object, 'spec.issuerRef.name'))
          ? []
          : [`${titleOf(object)}: there is no such issuer`];
      default:
        return [];
    }
  });
}

function checkDeployment(object: KubernetesObject, objects: readonly KubernetesObject[]): string[] {
  const title = titleOf(object);
  const problems: string[] = [];
  const need = (kind: 'ConfigMap' | 'Secret', name: unknown) => {
    const isThere = kind === 'ConfigMap' ? has(objects, kind, name, object) : hasSecret(objects, name, object);
    if (!isThere) problems.push(`${title}: there is no ${kind} "${String(name)}"`);
  };
  const pod = at(object, 'spec.template.spec') as Record<string, unknown>;
  const account = pod.serviceAccountName;
  if (account !== undefined && !has(objects, 'ServiceAccount', account, object))
    problems.push(`${title}: there is no ServiceAccount "${String(account)}"`);
  const volumes = (pod.volumes as Record<string, unknown>[] | undefined) ?? [];
  for (const volume of volumes) {
    if (volume.configMap) need('ConfigMap', at(volume, 'configMap.name'));
    if (volume.secret) need('Secret', at(volume, 'secret.secretName'));
    for (const source of (at(volume, 'projected.sources') as unknown[] | undefined) ?? [])
      need('ConfigMap', at(source, 'configMap.name'));
    if (at(volume, 'csi.driver') === CSI_DRIVER) {
      const attributes = at(volume, 'csi.volumeAttributes') as Record<string, string>;
      const issuer = attributes[`${CSI_DRIVER}/issuer-name`];
      if (!has(objects, 'ClusterIssuer', issuer)) problems.push(`${title}: there is no ClusterIssuer "${issuer}"`);
    }
  }
  for (const { name, spec } of containersOf(object)) {
    for (const from of (spec.envFrom as unknown[] | undefined) ?? []) {
      if (at(from, 'configMapRef')) need('ConfigMap', at(from, 'configMapRef.name'));
      if (at(from, 'secretRef')) need('Secret', at(from, 'secretRef.name'));
    }
    for (const mount of (spec.volumeMounts as { name: string }[] | undefined) ?? []) {
      if (!volumes.some((volume) => volume.name === mount.name))
        problems.push(`${title}: ${name} mounts "${mount.name}", which is no volume`);
    }
    const ports = ((spec.ports as { name: string }[] | undefined) ?? []).map((port) => port.name);
    for (const probe of ['startupProbe', 'livenessProbe', 'readinessProbe']) {
      const port = at(spec, `${probe}.httpGet.port`) ?? at(spec, `${probe}.tcpSocket.port`);
      if (port !== undefined && !ports.includes(String(port)))
        problems.push(`${title}: ${name}: ${probe} asks the port "${String(port)}", which it does not have`);
    }
  }
  return problems;
}

/** The labels belong to some pod of the namespace; `{}` is all of them. */
function checkSelector(object: KubernetesObject, labels: unknown, objects: readonly KubernetesObject[]): string[] {
  const wanted = Object.entries((labels ?? {}) as Record<string, string>);
  if (wanted.length === 0) return [];
  const isThere = podsOf(object, objects).some((pod) => wanted.every(([key, value]) => pod[key] === value));
  return isThere ? [] : [`${titleOf(object)}: selects no pod: ${wanted.map((pair) => pair.join('=')).join(', ')}`];
}

function podsOf(object: KubernetesObject, objects: readonly KubernetesObject[]): Record<string, string>[] {
  return objects
    .filter(({ kind, metadata }) => kind === 'Deployment' && metadata.namespace === object.metadata.namespace)
    .map((deployment) => at(deployment, 'spec.template.metadata.labels') as Record<string, string>);
}

function checkTargetPorts(object: KubernetesObject, objects: readonly KubernetesObject[]): string[] {
  const known = objects
    .filter(({ kind, metadata }) => kind === 'Deployment' && metadata.namespace === object.metadata.namespace)
    .flatMap((deployment) =>
      containersOf(deployment).flatMap(({ spec }) => (spec.ports as { name: string }[] | undefined) ?? []),
    );
  const targets = (at(object, 'spec.ports') as { targetPort: string }[]).map(({ targetPort }) => targetPort);
  return targets
    .filter((target) => !known.some(({ name }) => name === target))
    .map((target) => `${titleOf(object)}: no pod has a port "${target}"`);
}

function has(objects: readonly KubernetesObject[], kind: string, name: unknown, near?: KubernetesObject): boolean {
  return objects.some(
    (each) =>
      each.kind === kind &&
      each.metadata.name === name &&
      (near === undefined || each.metadata.namespace === near.metadata.namespace),
  );
}

/** Made here, or by an operator out of something here. */
function hasSecret(objects: readonly KubernetesObject[], name: unknown, near: KubernetesObject): boolean {
  if (has(objects, 'Secret', name, near)) return true;
  return objects.some(
    (each) =>
      each.metadata.namespace === near.metadata.namespace &&
      ((each.kind === 'ExternalSecret' && at(each, 'spec.target.name') === name) ||
        (each.kind === 'Certificate' && at(each, 'spec.secretName') === name)),
  );
}
