/**
 * The server's events of the OpenAI Realtime dialect that we read, by the types of the `openai` package 7.55
 * (resources/realtime) and developers.openai.com/api/reference/resources/realtime, read in November 2026. Names of the
 * preview, which other servers still use, are taken for those that replaced them. Owns the reading only.
 */
import { z } from 'zod';

const id = z.string().min(1).max(256);
const text = z.string().max(65_536);
const count = z.number().int().nonnegative();

const utterance = { item_id: id };
const ofItem = { response_id: id, item_id: id };
const functionCall = { call_id: id, name: z.string().max(256), arguments: text };

const outputItem = z.object({
  id: id.nullish(),
  type: z.string().max(64),
  status: z.string().max(64).nullish(),
  call_id: id.nullish(),
  name: z.string().max(256).nullish(),
  arguments: text.nullish(),
});

const usage = z.object({
  input_tokens: count.nullish(),
  output_tokens: count.nullish(),
  input_token_details: z.object({ audio_tokens: count.nullish(), cached_tokens: count.nullish() }).nullish(),
  output_token_details: z.object({ audio_tokens: count.nullish() }).nullish(),
});

const failure = z.object({
  type: z.string().max(256).nullish(),
  code: z.string().max(256).nullish(),
  message: z.string().max(4_096).nullish(),
  event_id: id.nullish(),
});

const response = z.object({
  id,
  status: z.string().max(64).nullish(),
  status_details: z.object({ reason: z.string().max(256).nullish(), error: failure.nullish() }).nullish(),
  output: z.array(outputItem).max(128).nullish(),
  usage: usage.nullish(),
});

const TRANSCRIPTION = 'conversation.item.input_audio_transcription';

const serverEventSchema = z.discriminatedUnion('type', [
  z.object({ type: z.literal('session.created') }),
  z.object({ type: z.literal('session.updated') }),
  z.object({ type: z.literal('input_audio_buffer.speech_started'), ...utterance }),
  z.object({ type: z.literal('input_audio_buffer.speech_stopped'), ...utterance }),
  z.object({ type: z.literal('input_audio_buffer.committed'), ...utterance }),
  z.object({ type: z.literal(`${TRANSCRIPTION}.delta`), ...utterance, delta: text.default('') }),
  z.object({ type: z.literal(`${TRANSCRIPTION}.completed`), ...utterance, transcript: text }),
  z.object({ type: z.literal(`${TRANSCRIPTION}.failed`), ...utterance, error: failure.nullish() }),
  z.object({ type: z.literal('response.created'), response }),
  z.object({ type: z.literal('response.output_item.added'), response_id: id, item: outputItem }),
  z.object({ type: z.literal('response.output_item.done'), response_id: id, item: outputItem }),
  z.object({ type: z.literal('response.output_audio.delta'), ...ofItem, delta: z.string().max(4_194_304) }),
  z.object({ type: z.literal('response.output_audio_transcript.delta'), ...ofItem, delta: text }),
  z.object({ type: z.literal('response.function_call_arguments.done'), response_id: id, ...functionCall }),
  z.object({ type: z.literal('response.done'), response }),
  z.object({
    type: z.literal('rate_limits.updated'),
    rate_limits: z.array(z.object({ name: z.string().max(64).nullish(), remaining: z.number().nullish() })).max(32),
  }),
  z.object({ type: z.literal('error'), error: failure }),
]);

export type RealtimeServerEvent = z.infer<typeof serverEventSchema>;
export type RealtimeEventOf<Type extends RealtimeServerEvent['type']> = Extract<RealtimeServerEvent, { type: Type }>;
export type RealtimeOutputItem = z.infer<typeof outputItem>;
export type RealtimeUsage = z.infer<typeof usage>;
export type RealtimeFailure = z.infer<typeof failure>;

const KNOWN: ReadonlySet<string> = new Set(serverEventSchema.options.map((option) => option.shape.type.value));

const PREVIEW_NAMES: Readonly<Record<string, RealtimeServerEvent['type']>> = {
  'response.audio.delta': 'response.output_audio.delta',
  'response.audio_transcript.delta': 'response.output_audio_transcript.delta',
};

const typedSchema = z.looseObject({ type: z.string().max(128) });

/** A known event, the name of one that we have no use for, or why it is neither. */
export type ReadEvent =
  | { readonly event: RealtimeServerEvent }
  | { readonly unknown: string }
  | { readonly malformed: z.ZodError };

export function readServerEvent(value: unknown): ReadEvent {
  const typed = typedSchema.safeParse(value);
  if (!typed.success) return { malformed: typed.error };
  const type = PREVIEW_NAMES[typed.data.type] ?? typed.data.type;
  if (!KNOWN.has(type)) return { unknown: type };
  const read = serverEventSchema.safeParse(type === typed.data.type ? value : { ...typed.data, type });
  return read.success ? { event: read.data } : { malformed: read.error };
}
