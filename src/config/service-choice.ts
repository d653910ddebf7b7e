/**
 * How a configuration names an AI service: a mapping, or the short form `service/model@region#voice`, of which all but
 * the service may be left out; and when a second one is asked beside the first. Owns the form; which services there are is
 * the agent's catalogue, which checks the names.
 */
import { z } from 'zod';

const service = z
  .string()
  .regex(/^[a-z0-9][a-z0-9-]{0,47}$/, 'must name a service, such as `openai` or `deepgram/nova-3@eu`');
const region = z.string().regex(/^[a-z0-9][a-z0-9-]{0,47}$/, 'must be a region of the service, such as `eu`');
const model = z.string().min(1).max(120);
const milliseconds = z.number().int().max(120_000);

const common = {
  /** Its id in the catalogue; `antipode services` lists them. */
  service,
  /** The vendor's name for it. */
  model: model.optional(),
  /** One of the service's in the catalogue; without it the address of its variable, else its first. */
  region: region.optional(),
  /** Longest silence of the service before it counts as failed for good. */
  timeoutMs: milliseconds.min(500).optional(),
};
/** Longest wait for the first of an answer while another service could take over. */
const firstResponseMs = milliseconds.min(50).optional();
/** Name or id, as the vendor calls it. */
const voice = z.string().min(1).max(120).optional();
/** As the vendor writes it, such as `en` or `en-GB`. */
const language = z.string().min(1).max(35).optional();

const sttChoice = z.strictObject({ ...common, firstResponseMs, language });
const llmChoice = z.strictObject({
  ...common,
  firstResponseMs,
  /** 0 to 2; left out for models that refuse it. */
  temperature: z.number().min(0).max(2).optional(),
});
const ttsChoice = z.strictObject({ ...common, firstResponseMs, voice, language });
const s2sChoice = z.strictObject({ ...common, firstResponseMs, voice, language });

/** The first is used, the others take over in their order when it fails. */
const listOf = <Choice extends z.ZodType>(choice: Choice, max = 8) =>
  z.array(z.preprocess(fromShortForm, choice)).max(max).default([]);

export const serviceChoices = {
  stt: listOf(sttChoice),
  llm: listOf(llmChoice),
  tts: listOf(ttsChoice),
  s2s: listOf(s2sChoice),
};

/** Milliseconds after which a second request is made for the same answer; 0: both at once; null: never. */
const hedge = z
  .strictObject({ afterMs: z.preprocess(numberInText, milliseconds.min(0).nullable()).default(null) })
  .prefault({});

/** While the first word or sound of an answer is waited for. */
export const hedgeChoice = z.strictObject({ llm: hedge, tts: hedge }).prefault({});

export type HedgeChoice = z.infer<typeof hedgeChoice>;
export type SttChoice = z.infer<typeof sttChoice>;
export type LlmChoice = z.infer<typeof llmChoice>;
export type TtsChoice = z.infer<typeof ttsChoice>;
export type S2sChoice = z.infer<typeof s2sChoice>;

/** A model's name may hold slashes, colons and an `@` that does not begin a region at its end. */
const SHORT_FORM = /^(?<service>[^/@#]+)(?:\/(?<model>[^#]+?))?(?:@(?<region>[a-z0-9][a-z0-9-]*))?(?:#(?<voice>.+))?$/;

function fromShortForm(value: unknown): unknown {
  if (typeof value !== 'string') return value;
  const parts = SHORT_FORM.exec(value.trim())?.groups;
  // What has no such form is refused for its name.
  if (parts === undefined) return { service: value };
  return Object.fromEntries(Object.entries(parts).filter(([, part]) => part !== undefined));
}

/** The environment has texts only, and where nothing is the default the number in one is not seen. */
function numberInText(value: unknown): unknown {
  return typeof value === 'string' && /^\d+$/.test(value.trim()) ? Number(value) : value;
}
