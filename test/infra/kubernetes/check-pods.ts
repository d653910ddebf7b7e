/** How pods are to run here: without rights, with requests and probes, with time to drain. Owns these rules of the house. */
import { at, containersOf, type KubernetesObject, titleOf } from './objects.ts';

export function checkPods(objects: readonly KubernetesObject[]): string[] {
  return objects
    .filter(({ kind }) => kind === 'Deployment')
    .flatMap((object) => [
      ...checkPod(object),
      ...containersOf(object).flatMap((part) => checkContainer(object, part)),
    ]);
}

function checkPod(object: KubernetesObject): string[] {
  const title = titleOf(object);
  const pod = at(object, 'spec.template.spec') as Record<string, unknown>;
  const problems: string[] = [];
  if (pod.automountServiceAccountToken !== false)
    problems.push(`${title}: has a token of Kubernetes, which it has no use for`);
  if (at(pod, 'securityContext.runAsNonRoot') !== true) problems.push(`${title}: may run as root`);
  if (at(pod, 'securityContext.seccompProfile.type') !== 'RuntimeDefault')
    problems.push(`${title}: has no seccomp profile`);
  const isOurs = containersOf(object).some(({ name }) => ['core', 'edge', 'placement'].includes(name));
  if (isOurs && typeof pod.terminationGracePeriodSeconds !== 'number')
    problems.push(`${title}: says no terminationGracePeriodSeconds`);
  return problems;
}

function checkContainer(
  object: KubernetesObject,
  { name, isInit, isSidecar, spec }: ReturnType<typeof containersOf>[number],
): string[] {
  const title = `${titleOf(object)}: ${name}`;
  const problems: string[] = [];
  const security = spec.securityContext;
  if (at(security, 'allowPrivilegeEscalation') !== false) problems.push(`${title}: may gain rights`);
  if (at(security, 'readOnlyRootFilesystem') !== true) problems.push(`${title}: may write to its root file system`);
  if (JSON.stringify(at(security, 'capabilities')) !== '{"drop":["ALL"]}')
    problems.push(`${title}: does not drop all capabilities, or adds some`);
  for (const resource of ['cpu', 'memory']) {
    if (at(spec, `resources.requests.${resource}`) === undefined) problems.push(`${title}: requests no ${resource}`);
  }
  if (at(spec, 'resources.limits.memory') === undefined) problems.push(`${title}: has no limit of memory`);
  if (at(spec, 'resources.limits.cpu') !== undefined)
    problems.push(`${title}: has a limit of CPU, by which it would be late`);
  const runsOn = !isInit || isSidecar;
  const probes = ['startupProbe', 'livenessProbe', 'readinessProbe'].filter((probe) => spec[probe] !== undefined);
  if (runsOn && probes.length === 0) problems.push(`${title}: has no probe`);
  if (!/^.+:[^:/]+$/.test(String(spec.image)) || String(spec.image).endsWith(':latest'))
    problems.push(`${title}: its image "${String(spec.image)}" names no version`);
  return problems;
}
