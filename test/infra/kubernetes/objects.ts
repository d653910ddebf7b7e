/** What `kubectl kustomize` makes of an overlay, as plain objects. Owns running it and finding things; judges nothing. */
import { execFileSync } from 'node:child_process';
import { parseAllDocuments } from 'yaml';

export interface KubernetesObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly labels?: Readonly<Record<string, string>>;
  };
  readonly [field: string]: unknown;
}

/** @throws Error with kustomize's words */
export function render(kubectl: string, overlay: string): KubernetesObject[] {
  const text = execFileSync(kubectl, ['kustomize', overlay], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
  return parseAllDocuments(text).map((document) => document.toJS() as KubernetesObject);
}

/** `Deployment antipode/core`, for people. */
export function titleOf({ kind, metadata }: KubernetesObject): string {
  return `${kind} ${metadata.namespace === undefined ? '' : `${metadata.namespace}/`}${metadata.name}`;
}

/** By dots, list places too; undefined where there is nothing. */
export function at(value: unknown, path: string): unknown {
  return path.split('.').reduce<unknown>((inner, key) => (inner as Record<string, unknown> | undefined)?.[key], value);
}

export interface PodPart {
  readonly name: string;
  readonly isSidecar: boolean;
  readonly isInit: boolean;
  readonly spec: Readonly<Record<string, unknown>>;
}

/** Containers of a Deployment, those that come first too. */
export function containersOf(object: KubernetesObject): PodPart[] {
  const list = (path: string) =>
    (at(object, `spec.template.spec.${path}`) as Record<string, unknown>[] | undefined) ?? [];
  const part = (spec: Record<string, unknown>, isInit: boolean): PodPart => ({
    name: String(spec.name),
    isSidecar: isInit && spec.restartPolicy === 'Always',
    isInit,
    spec,
  });
  return [
    ...list('initContainers').map((spec) => part(spec, true)),
    ...list('containers').map((spec) => part(spec, false)),
  ];
}
