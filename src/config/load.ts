/**
 * Reads antipode.yaml and the environment into one typed, frozen Config. Owns the merging and the words of a refusal
 * (path, reason, nearest known key); the settings themselves are schema.ts.
 */
import { readFileSync } from 'node:fs';
import { parseDocument } from 'yaml';
import type { z } from 'zod';
import { AntipodeError } from '../errors.ts';
import { nearest } from './nearest.ts';
import { type Config, configSchema, ENVIRONMENT } from './schema.ts';

export interface LoadConfigOptions {
  /** YAML file; null reads none. A named file must exist, the default one need not. */
  file: string | null;
  fileRequired?: boolean;
  environment: Readonly<Record<string, string | undefined>>;
  /** Values that the command itself sets, below the file and the environment: `{ 'auth.openAgents': ['*'] }`. */
  defaults?: Readonly<Record<string, unknown>>;
}

/** @throws ERR_CONFIG_INVALID naming every wrong key with its path and reason */
export function loadConfig(options: LoadConfigOptions): Config {
  const raw = readFile(options);
  for (const [path, value] of Object.entries(options.defaults ?? {})) setPath(raw, path, value, { overwrite: false });
  for (const [variable, path] of Object.entries(ENVIRONMENT)) {
    const text = options.environment[variable];
    if (text === undefined || text === '') continue;
    setPath(raw, path, fromEnvironment(variable, path, text), { overwrite: true });
  }
  const result = configSchema.safeParse(raw);
  if (!result.success) {
    const source = options.file ?? 'environment';
    const lines = result.error.issues.flatMap((issue) => describe(issue));
    throw new AntipodeError('ERR_CONFIG_INVALID', `Configuration refused (${source}):\n  ${lines.join('\n  ')}`, {
      path: result.error.issues[0]?.path.join('.') ?? '',
    });
  }
  return deepFreeze(result.data);
}

function readFile(options: LoadConfigOptions): Record<string, unknown> {
  if (options.file === null) return {};
  let text: string;
  try {
    text = readFileSync(options.file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT' && !options.fileRequired) return {};
    throw new AntipodeError('ERR_CONFIG_INVALID', `Cannot read ${options.file}: ${(error as Error).message}`);
  }
  const document = parseDocument(text, { uniqueKeys: true });
  const problem = document.errors[0];
  if (problem) throw new AntipodeError('ERR_CONFIG_INVALID', `${options.file} is not valid YAML: ${problem.message}`);
  let value: unknown;
  try {
    value = document.toJS({ maxAliasCount: 50 });
  } catch (error) {
    throw new AntipodeError('ERR_CONFIG_INVALID', `${options.file} is refused: ${(error as Error).message}`);
  }
  if (value === null || value === undefined) return {};
  if (typeof value !== 'object' || Array.isArray(value)) {
    throw new AntipodeError('ERR_CONFIG_INVALID', `${options.file} must hold a mapping at its top.`);
  }
  return value as Record<string, unknown>;
}

function setPath(target: Record<string, unknown>, path: string, value: unknown, how: { overwrite: boolean }): void {
  const keys = path.split('.');
  const last = keys.pop() as string;
  let at = target;
  for (const key of keys) {
    const next = at[key];
    if (next === undefined || next === null) at[key] = {};
    else if (typeof next !== 'object' || Array.isArray(next)) return; // the schema will say what is wrong there
    at = at[key] as Record<string, unknown>;
  }
  if (how.overwrite || at[last] === undefined) at[last] = value;
}

/** An environment value in the type that its place in the schema has. */
function fromEnvironment(variable: string, path: string, text: string): unknown {
  const defaults = configSchema.parse({});
  const sample = path.split('.').reduce<unknown>((at, key) => (at as Record<string, unknown>)?.[key], defaults);
  if (typeof sample === 'number') {
    const value = Number(text);
    if (text.trim() === '' || !Number.isFinite(value)) {
      throw new AntipodeError('ERR_CONFIG_INVALID', `${variable} must be a number, not "${text}".`, { path });
    }
    return value;
  }
  if (Array.isArray(sample)) {
    return text
      .split(',')
      .map((part) => part.trim())
      .filter((part) => part !== '');
  }
  if (path === 'log.pretty') {
    if (text === 'true' || text === '1') return true;
    if (text === 'false' || text === '0') return false;
    throw new AntipodeError('ERR_CONFIG_INVALID', `${variable} must be true or false, not "${text}".`, { path });
  }
  return text;
}

function describe(issue: z.core.$ZodIssue): string[] {
  const where = issue.path.join('.');
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => {
      const hint = nearest(key, knownKeys(issue.path));
      return `${where ? `${where}.` : ''}${key}: unknown key${hint ? `; did you mean "${hint}"?` : ''}`;
    });
  }
  return [`${where || '(top)'}: ${issue.message}`];
}

function knownKeys(path: PropertyKey[]): string[] {
  const at = path.reduce<unknown>(
    (value, key) => (value as Record<PropertyKey, unknown> | undefined)?.[key],
    configSchema.parse({}),
  );
  return at && typeof at === 'object' ? Object.keys(at) : [];
}

function deepFreeze<T>(value: T): T {
  if (value && typeof value === 'object') {
    for (const inner of Object.values(value)) deepFreeze(inner);
    Object.freeze(value);
  }
  return value;
}
