/**
 * Reads a placement policy's text. Owns the words of a refusal: each with its path, the reason, and for a typo the
 * nearest word that would do. Owns the JSON Schema that editors complete by. The rules themselves are policy.ts.
 */
import { LineCounter, parseDocument } from 'yaml';
import { z } from 'zod';
import { AntipodeError } from '../errors.ts';
import { contradiction, forbiddingPin, type Pin, parsePins, pinInWords } from './pin.ts';
import { type Policy, policySchema } from './policy.ts';
import { declaredRegionSchema, nearestWord, Regions } from './regions.ts';

/** What is wrong at one place of a policy. */
export interface PolicyProblem {
  /** Such as `cores.blocked.0`; empty for the file as a whole. */
  readonly path: string;
  readonly reason: string;
  /** The word that was probably meant. */
  readonly nearest: string | null;
}

export interface ReadPolicyOptions {
  /** Names of services that may be named; any may without it. */
  services?: readonly string[];
}

export type PolicyReading =
  | { readonly policy: Policy; readonly problems: readonly [] }
  | { readonly policy: null; readonly problems: readonly PolicyProblem[] };

/** @throws ERR_CONFIG_INVALID naming everything that is wrong, one line each */
export function readPolicy(text: string, options: ReadPolicyOptions = {}): Policy {
  const { policy, problems } = checkPolicy(text, options);
  if (policy !== null) return policy;
  const lines = problems.map(problemInWords);
  throw new AntipodeError('ERR_CONFIG_INVALID', `The policy is refused:\n  ${lines.join('\n  ')}`, {
    path: problems[0]?.path ?? '',
  });
}

/** As `readPolicy`, with the problems as data. */
export function checkPolicy(text: string, options: ReadPolicyOptions = {}): PolicyReading {
  const lines = new LineCounter();
  const document = parseDocument(text, { uniqueKeys: true, lineCounter: lines });
  const broken = document.errors[0];
  if (broken !== undefined) {
    const { line, col } = lines.linePos(broken.pos[0]);
    return refused([{ path: '', reason: `line ${line}, column ${col}: ${firstLine(broken.message)}`, nearest: null }]);
  }
  let value: unknown;
  try {
    value = document.toJS({ maxAliasCount: 50 });
  } catch (error) {
    return refused([{ path: '', reason: firstLine((error as Error).message), nearest: null }]);
  }
  const result = policySchema.safeParse(value ?? {});
  if (!result.success) return refused(result.error.issues.flatMap((issue) => problemsOf(issue, value)));
  const problems = crossChecks(result.data, options);
  return problems.length > 0 ? refused(problems) : { policy: Object.freeze(result.data), problems: [] };
}

export function problemInWords({ path, reason, nearest }: PolicyProblem): string {
  return `${path === '' ? '(file)' : path}: ${reason}${nearest === null ? '' : `; did you mean "${nearest}"?`}`;
}

/** For editors: draft 2020-12. */
export function policyJsonSchema(): Record<string, unknown> {
  const schema = z.toJSONSchema(policySchema, { io: 'input' });
  const title = 'Antipode placement policy';
  return { $schema: schema.$schema, title, description: 'Where sessions may run and what matters.', ...schema };
}

function refused(problems: readonly PolicyProblem[]): PolicyReading {
  return { policy: null, problems };
}

function problemsOf(issue: z.core.$ZodIssue, value: unknown): PolicyProblem[] {
  const path = issue.path.join('.');
  if (issue.code === 'unrecognized_keys') {
    const known = keysAt(issue.path);
    return issue.keys.map((key) => ({
      path: path === '' ? key : `${path}.${key}`,
      reason: `there is no such key${known.length === 0 ? '' : ` (there are ${known.join(', ')})`}`,
      nearest: nearestWord(key, known),
    }));
  }
  if (issue.code === 'invalid_key') {
    const key = String(issue.path.at(-1));
    const { reason, nearest } = countryProblem(key) ?? { reason: issue.message, nearest: null };
    return [{ path, reason, nearest }];
  }
  const given = issue.path.reduce<unknown>((at, key) => (at as Record<PropertyKey, unknown> | null)?.[key], value);
  if (issue.code === 'invalid_value') {
    const words = issue.values.map(String);
    const wanted = issue.values.map((word) => JSON.stringify(word)).join(' or ');
    const reason = `must be ${wanted}, not ${JSON.stringify(given) ?? 'absent'}`;
    return [{ path, reason, nearest: typeof given === 'string' ? nearestWord(given, words) : null }];
  }
  return [{ path, reason: given === undefined ? `is missing: ${issue.message}` : issue.message, nearest: null }];
}

/** The keys that the schema knows at a path. */
function keysAt(path: readonly PropertyKey[]): string[] {
  if (path[0] === 'regions' && path.length === 2) return Object.keys(declaredRegionSchema.shape);
  let at: unknown = SCHEMA;
  for (const key of path) {
    const { properties, items, additionalProperties } = at as JsonShape;
    at = typeof key === 'number' ? items : (properties?.[String(key)] ?? additionalProperties);
    if (typeof at !== 'object' || at === null) return [];
  }
  return Object.keys((at as JsonShape).properties ?? {});
}

interface JsonShape {
  readonly properties?: Readonly<Record<string, unknown>>;
  readonly items?: unknown;
  readonly additionalProperties?: unknown;
}
const SCHEMA: unknown = z.toJSONSchema(policySchema, { io: 'input' });

/** They are sent to the core with each session. */
const MAX_TOOL_HOSTS = 500;

/** What one entry alone cannot show: whether the names in it stand for anything. */
function crossChecks(policy: Policy, { services }: ReadPolicyOptions): PolicyProblem[] {
  const regions = Regions.load(policy.regions);
  const regionNames = regions.all.map(({ code }) => code);
  const problems: PolicyProblem[] = [];
  const region = (name: string, path: string): void => {
    if (regions.get(name)?.code === name) return;
    const reason = `nobody knows the region "${name}"; declare it under "regions" if it is yours`;
    problems.push({ path, reason, nearest: nearestWord(name, regionNames) });
  };
  const country = (name: string, path: string): void => {
    const problem = countryProblem(name);
    if (problem !== null) problems.push({ path, ...problem });
  };
  const places = [
    ...new Set(['eu', 'eea', ...regions.all.flatMap((each) => [each.jurisdiction, each.country, each.code])]),
  ].map((name) => name.toLowerCase());
  const pin = (text: string, path: string): void => {
    for (const name of text.split(/[,&]/).map((part) => part.trim().toLowerCase())) {
      if (places.includes(name) || COUNTRIES.has(name.toUpperCase())) continue;
      const reason = `"${name}" is no jurisdiction, country or region`;
      problems.push({ path, reason, nearest: nearestWord(name, places) ?? countryCalled(name) });
    }
  };
  const service = (name: string, path: string): void => {
    const [id = ''] = name.split('@');
    if (services === undefined || services.includes(id)) return;
    problems.push({ path, reason: `no service is called "${id}"`, nearest: nearestWord(id, services) });
  };
  const { residency, cores, cost, endpoints, paths } = policy;
  for (const [name, declared] of Object.entries(policy.regions)) {
    country(declared.country.toUpperCase(), `regions.${name}.country`);
  }
  if (residency.pin !== null) pin(residency.pin, 'residency.pin');
  if (residency.whenUnknown !== null) pin(residency.whenUnknown, 'residency.whenUnknown');
  for (const [name, text] of Object.entries(residency.byCountry)) {
    country(name, `residency.byCountry.${name}`);
    pin(text, `residency.byCountry.${name}`);
  }
  problems.push(...contradictions(policy, regions));
  for (const [index, path] of paths.entries()) {
    region(path.from, `paths.${index}.from`);
    region(path.to, `paths.${index}.to`);
  }
  for (const [index, name] of cores.blocked.entries()) region(name, `cores.blocked.${index}`);
  for (const [name, target] of Object.entries(cores.forcedByCountry)) {
    country(name, `cores.forcedByCountry.${name}`);
    region(target, `cores.forcedByCountry.${name}`);
    if (cores.blocked.includes(target)) {
      const reason = `callers of ${name} must run in "${target}", which "cores.blocked" forbids`;
      problems.push({ path: `cores.forcedByCountry.${name}`, reason, nearest: null });
    }
  }
  for (const name of Object.keys(cores.canary)) region(name, `cores.canary.${name}`);
  for (const name of Object.keys(cost.regionCentsPerMinute)) region(name, `cost.regionCentsPerMinute.${name}`);
  for (const [index, name] of endpoints.blocked.entries()) service(name, `endpoints.blocked.${index}`);
  for (const [name, place] of Object.entries(endpoints.places)) {
    service(name, `endpoints.places.${name}`);
    if (place !== 'local') region(place, `endpoints.places.${name}`);
  }
  for (const [name, tool] of Object.entries(endpoints.tools)) region(tool.region, `endpoints.tools.${name}.region`);
  const hosts = Object.values(endpoints.tools).reduce((sum, tool) => sum + tool.hosts.length, 0);
  if (hosts > MAX_TOOL_HOSTS) {
    const reason = `${hosts} hosts in all, and ${MAX_TOOL_HOSTS} are the most; a leading dot stands for every name below`;
    problems.push({ path: 'endpoints.tools', reason, nearest: null });
  }
  return problems;
}

/** Rules that hold together and that no place satisfies: every caller of such a country would be refused. */
function contradictions({ residency, cores }: Policy, regions: Regions): PolicyProblem[] {
  const pinned = (text: string | null, path: string): Pin[] => {
    try {
      return text === null ? [] : parsePins(text, path);
    } catch {
      return []; // said already, name by name
    }
  };
  const general = pinned(residency.pin, 'residency.pin');
  const problems: PolicyProblem[] = [];
  const opposed = (pins: readonly Pin[], path: string): void => {
    const both = contradiction(pins, regions);
    if (both === null) return;
    const reason = `${pinInWords(both[0])} and ${pinInWords(both[1])} contradict each other`;
    problems.push({ path, reason, nearest: null });
  };
  opposed(general, 'residency.pin');
  opposed([...general, ...pinned(residency.whenUnknown, 'residency.whenUnknown')], 'residency.whenUnknown');
  for (const [country, text] of Object.entries(residency.byCountry)) {
    const path = `residency.byCountry.${country}`;
    opposed([...general, ...pinned(text, path)], path);
  }
  for (const [country, target] of Object.entries(cores.forcedByCountry)) {
    const path = `residency.byCountry.${country}`;
    const pins = [...general, ...pinned(residency.byCountry[country] ?? null, path)];
    const against = forbiddingPin(pins, regions.get(target), target);
    if (against === null) continue;
    const reason = `callers of ${country} must run in "${target}", which the pin ${pinInWords(against)} forbids`;
    problems.push({ path: `cores.forcedByCountry.${country}`, reason, nearest: null });
  }
  return problems;
}

/** Codes that people write and ISO 3166-1 has otherwise. */
const MISNAMED: Readonly<Record<string, string>> = { UK: 'GB', EL: 'GR' };
const NO_COUNTRIES = new Set([
  ...Object.keys(MISNAMED),
  'EU',
  'EZ',
  'UN',
  'XA',
  'XB',
  'ZZ',
  'QO',
  'AN',
  'DD',
  'SU',
  'YU',
]);
const COUNTRIES: ReadonlySet<string> = new Set(isoCountries());

/** The code, in lower case, of the country whose English name is near to a word. */
function countryCalled(word: string): string | null {
  const names = new Intl.DisplayNames(['en'], { type: 'region' });
  const codes = new Map([...COUNTRIES].map((code) => [names.of(code)?.toLowerCase() ?? code, code.toLowerCase()]));
  return codes.get(nearestWord(word, [...codes.keys()]) ?? '') ?? null;
}

function isoCountries(): string[] {
  const names = new Intl.DisplayNames(['en'], { type: 'region', fallback: 'none' });
  const letters = [...'ABCDEFGHIJKLMNOPQRSTUVWXYZ'];
  const codes = letters.flatMap((first) => letters.map((second) => first + second));
  return codes.filter((code) => !NO_COUNTRIES.has(code) && names.of(code) !== undefined);
}

function countryProblem(name: string): { reason: string; nearest: string | null } | null {
  if (COUNTRIES.has(name)) return null;
  const upper = name.toUpperCase();
  if (COUNTRIES.has(upper)) return { reason: 'a country is two upper-case letters', nearest: upper };
  const nearest = MISNAMED[upper] ?? nearestWord(upper, [...COUNTRIES]);
  return { reason: `"${name}" is no country of ISO 3166-1`, nearest };
}

function firstLine(text: string): string {
  return text.split('\n', 1)[0]!.replace(/ at line \d+, column \d+:?$/, '');
}
