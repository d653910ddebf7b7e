/**
 * Objects of Kubernetes against the fields that their kinds have (data/kubernetes-1.30.jsonl), and of custom kinds against
 * custom-kinds.ts: unknown fields, missing ones, wrong types. Owns shapes; what values mean is not seen here.
 */
import { readFileSync } from 'node:fs';
import { CUSTOM_KINDS } from './custom-kinds.ts';
import { type KubernetesObject, titleOf } from './objects.ts';

type Fields = Readonly<Record<string, string>>;

const rows = readFileSync(new URL('../data/kubernetes-1.30.jsonl', import.meta.url), 'utf8')
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line) as { kind?: string; type: string; fields?: Fields });
const TYPE_OF_KIND = new Map(
  rows.flatMap(({ kind, type }): [string, string][] => (kind === undefined ? [] : [[kind, type]])),
);
const FIELDS = new Map(
  rows.flatMap(({ type, fields }): [string, Fields][] => (fields === undefined ? [] : [[type, fields]])),
);

export function checkShape(object: KubernetesObject): string[] {
  const key = `${object.apiVersion}/${object.kind}`;
  const title = titleOf(object);
  const custom = CUSTOM_KINDS.get(key);
  if (custom !== undefined) {
    const result = custom.safeParse(object);
    return result.success
      ? []
      : result.error.issues.map(({ path, message }) => `${title}: ${path.join('.')}: ${message}`);
  }
  const type = TYPE_OF_KIND.get(key);
  return type === undefined ? [`${title}: ${key} is a kind that no check here knows`] : checkValue(object, type, title);
}

function checkValue(value: unknown, type: string, where: string): string[] {
  if (type === 'any' || value === null) return value === null && type !== 'any' ? [`${where}: is null`] : [];
  if (/^\w+\|/.test(type))
    return type.split('|').includes(typeof value) ? [] : [`${where}: must be ${type}, not ${typeof value}`];
  if (['string', 'number', 'boolean'].includes(type))
    return typeof value === type ? [] : [`${where}: must be a ${type}, not ${typeof value}`];
  if (type.startsWith('[')) {
    if (!Array.isArray(value)) return [`${where}: must be a list`];
    return value.flatMap((each, place) => checkValue(each, type.slice(1, -1), `${where}.${place}`));
  }
  if (typeof value !== 'object' || Array.isArray(value)) return [`${where}: must be an object`];
  const entries = Object.entries(value);
  if (type.startsWith('{'))
    return entries.flatMap(([key, each]) => checkValue(each, type.slice(1, -1), `${where}.${key}`));
  const fields = FIELDS.get(type) ?? {};
  const missing = Object.keys(fields).filter((name) => name.endsWith('!') && !(name.slice(0, -1) in value));
  return [
    ...missing.map((name) => `${where}: "${name.slice(0, -1)}" is required`),
    ...entries.flatMap(([key, each]) => {
      const inner = fields[key] ?? fields[`${key}!`];
      return inner === undefined ? [`${where}: unknown field "${key}"`] : checkValue(each, inner, `${where}.${key}`);
    }),
  ];
}
