/**
 * The shape of the catalogue's files, one for each kind of service. Owns what a valid entry is; the facts themselves
 * are the YAML files beside it, and reading them is load.ts.
 */
import { z } from 'zod';

export const SERVICE_KINDS = ['llm', 'stt', 'tts', 's2s'] as const;
export type ServiceKind = (typeof SERVICE_KINDS)[number];

const id = z.string().regex(/^[a-z0-9][a-z0-9-]{0,47}$/, 'must be lower-case letters, digits and dashes');
const text = z.string().min(1).max(400);
const variableName = z.string().regex(/^[A-Z][A-Z0-9_]{1,63}$/, 'must be the name of an environment variable');
const positive = z.number().positive().max(1_000_000);
/** `2026-08`, `2026-08-31`, or a span `2026-08..2026-11`. */
const date = z
  .string()
  .regex(
    /^\d{4}-\d{2}(-\d{2})?(\.\.\d{4}-\d{2}(-\d{2})?)?$/,
    'must be a date such as 2026-08, or a span 2026-08..2026-11',
  );

/** Where a fact comes from. Entries name it by its key. */
const sourceSchema = z.strictObject({
  title: text,
  /** Of the measurement or of the reading. */
  date,
  url: z.url({ protocol: /^https$/ }).optional(),
});

/** Milliseconds, half of all and nineteen of twenty. Services that publish only the median have only that. */
const latencySchema = z
  .strictObject({ p50: positive, p95: positive.optional(), source: id, note: text.optional() })
  .refine(({ p50, p95 }) => p95 === undefined || p50 <= p95, { path: ['p95'], message: 'must not be below p50' });

/** US dollars for the unit that the field names. */
const priceFields = { source: id, note: text.optional() };

const LOCAL_HOST = /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/;

const endpointSchema = z
  .strictObject({
    /** Where it stands: a jurisdiction such as `eu`, a vendor's region, `global` or `local`. */
    region: id,
    /** Begins every request; `{name}` is filled in from the entry's `variables`. */
    url: z.string().min(1).max(300),
    residency: z.enum(['pinned', 'best-effort', 'none']),
    note: text.optional(),
  })
  .superRefine((endpoint, context) => {
    const refuse = (message: string) => context.addIssue({ code: 'custom', path: ['url'], message });
    const sample = endpoint.url.replaceAll(/\{[a-z]+\}/g, 'x');
    if (!URL.canParse(sample)) return refuse('must be a URL');
    const { protocol, hostname, username, password, search, hash } = new URL(sample);
    const isLocal = LOCAL_HOST.test(hostname);
    const allowed = isLocal ? ['https:', 'wss:', 'http:', 'ws:'] : ['https:', 'wss:'];
    if (!allowed.includes(protocol)) refuse('must be https or wss (http and ws on this machine only)');
    if (username || password || search || hash) refuse('must have no user, query or fragment');
    if (isLocal !== (endpoint.region === 'local'))
      refuse('region "local" is for URLs on this machine, and they for it');
  });

const entryFields = {
  id,
  name: text,
  /** The wire protocol, which an adapter speaks. */
  dialect: id,
  /** False: from memory; nobody read it at the vendor's yet. */
  verified: z.boolean().default(true),
  /** Of the addresses, regions and quirks. */
  source: id,
  note: text.optional(),
  /** Environment variables that hold its secrets, all of them needed; none for servers that want none. */
  keys: z.array(variableName).max(4),
  /** Placeholder in the URLs -> environment variable that fills it. */
  variables: z.record(z.string().regex(/^[a-z]{1,32}$/), variableName).default({}),
  /** Environment variable that replaces the address, for servers of one's own. */
  urlVariable: variableName.optional(),
  /** The first is the default. */
  endpoints: z.array(endpointSchema).min(1).max(40),
};

const modelId = z.string().min(1).max(120);
const models = <Shape extends z.ZodRawShape>(shape: Shape) =>
  z
    .array(z.strictObject({ id: modelId, verified: z.boolean().default(true), ...shape }))
    .max(60)
    .default([]);

const flag = z.literal(true).optional();
const llmEntry = z.strictObject({
  ...entryFields,
  quirks: z
    .strictObject({
      noDeveloperRole: flag,
      wrongToolCallIndices: flag,
      noTools: flag,
      noStreamOptions: flag,
      refusesSampling: z.array(z.string().min(1).max(60)).min(1).max(20).optional(),
    })
    .default({}),
  models: models({
    /** From the request to the first word. */
    ttftMs: latencySchema.optional(),
    price: z.strictObject({ inputPerMillion: positive, outputPerMillion: positive, ...priceFields }).optional(),
  }),
});

const sttEntry = z.strictObject({
  ...entryFields,
  models: models({
    /** From the end of speech to the final words. */
    finalMs: latencySchema.optional(),
    price: z.strictObject({ perMinute: positive, ...priceFields }).optional(),
  }),
});

const ttsEntry = z.strictObject({
  ...entryFields,
  models: models({
    /** From the text to the first sound. */
    firstAudioMs: latencySchema.optional(),
    /** The upper end, where a vendor names a span. */
    price: z.strictObject({ perMillionCharacters: positive, ...priceFields }).optional(),
  }),
});

const s2sEntry = z.strictObject({
  ...entryFields,
  models: models({
    /** From the end of the caller's speech to the first sound. */
    voiceToVoiceMs: latencySchema.optional(),
    price: z
      .strictObject({ audioInputPerMillion: positive, audioOutputPerMillion: positive, ...priceFields })
      .optional(),
  }),
});

function fileOf<Entry extends z.ZodType>(entry: Entry) {
  return z
    .strictObject({ sources: z.record(id, sourceSchema), services: z.array(entry).min(1).max(200) })
    .superRefine((file, context) => {
      for (const { path, message } of crossChecks(file as unknown as LooseFile)) {
        context.addIssue({ code: 'custom', path, message });
      }
    });
}

/** What the checks across entries look at, whatever the kind. */
interface LooseFile {
  sources: Record<string, unknown>;
  services: {
    id: string;
    source: string;
    variables: Record<string, string>;
    endpoints: { region: string; url: string }[];
    models: ({ id: string } & Record<string, unknown>)[];
  }[];
}

interface Problem {
  path: (string | number)[];
  message: string;
}

function crossChecks(file: LooseFile): Problem[] {
  const problems: Problem[] = [];
  const used = new Set<string>();
  const cite = (source: string, path: Problem['path']) => {
    used.add(source);
    if (!Object.hasOwn(file.sources, source)) problems.push({ path, message: `no source is named "${source}"` });
  };
  repeated(file.services.map((service) => service.id)).forEach((index) => {
    problems.push({ path: ['services', index, 'id'], message: 'this id is taken' });
  });
  file.services.forEach((service, index) => {
    const at = ['services', index];
    cite(service.source, [...at, 'source']);
    repeated(service.endpoints.map((endpoint) => endpoint.region)).forEach((twice) => {
      problems.push({ path: [...at, 'endpoints', twice, 'region'], message: 'this region is taken' });
    });
    repeated(service.models.map((model) => model.id)).forEach((twice) => {
      problems.push({ path: [...at, 'models', twice, 'id'], message: 'this model is taken' });
    });
    service.endpoints.forEach(({ url }, place) => {
      for (const [, name] of url.matchAll(/\{([^}]*)\}/g)) {
        if (Object.hasOwn(service.variables, name!)) continue;
        problems.push({ path: [...at, 'endpoints', place, 'url'], message: `{${name}} is not in variables` });
      }
    });
    service.models.forEach((model, place) => {
      for (const [field, value] of Object.entries(model)) {
        if (typeof value !== 'object' || value === null || !('source' in value)) continue;
        cite(String(value.source), [...at, 'models', place, field, 'source']);
      }
    });
  });
  for (const source of Object.keys(file.sources)) {
    if (!used.has(source)) problems.push({ path: ['sources', source], message: 'nothing refers to this source' });
  }
  return problems;
}

/** Places of what was there before. */
function repeated(values: readonly string[]): number[] {
  return values.flatMap((value, index) => (values.indexOf(value) < index ? [index] : []));
}

export const catalogueFileSchemas = {
  llm: fileOf(llmEntry),
  stt: fileOf(sttEntry),
  tts: fileOf(ttsEntry),
  s2s: fileOf(s2sEntry),
};

export type Source = z.infer<typeof sourceSchema>;
export type CatalogueEndpoint = z.infer<typeof endpointSchema>;
export type Residency = CatalogueEndpoint['residency'];
export type Latency = z.infer<typeof latencySchema>;

export interface EntryOf {
  llm: z.infer<typeof llmEntry>;
  stt: z.infer<typeof sttEntry>;
  tts: z.infer<typeof ttsEntry>;
  s2s: z.infer<typeof s2sEntry>;
}

export type CatalogueEntry<Kind extends ServiceKind = ServiceKind> = EntryOf[Kind];
export type LlmEntry = EntryOf['llm'];
export type SttEntry = EntryOf['stt'];
export type TtsEntry = EntryOf['tts'];
export type S2sEntry = EntryOf['s2s'];
