/**
 * Claude by Anthropic's own Messages API, streamed: where a request may say in which country the model runs, which the
 * layer that speaks OpenAI's dialect has not. Its regions by platform.claude.com
 * (manage-claude/data-residency, read in November 2026), its messages from memory of that documentation; tested against a
 * fake that speaks them so.
 */
import { z } from 'zod';
import { AntipodeError } from '../../../errors.ts';
import type { ServiceUsage } from '../../observe/observation.ts';
import { HttpService, type JsonEvent, StreamedRefusal } from '../http-service.ts';
import type { Llm, LlmEvent, LlmRequest } from '../llm.ts';
import type { ServiceServerOptions } from '../service-server.ts';
import { anthropicMessages, anthropicTool } from './anthropic-messages.ts';
import type { Sampling } from './openai-compatible.ts';
import { ServerLlm } from './server-llm.ts';
import { ToolCallParts } from './tool-call-parts.ts';

export interface AnthropicOptions extends ServiceServerOptions {
  readonly model: string;
  /** Where the model runs, as the service names it; null: as the account says. @defaultValue null */
  readonly inferenceGeo?: string | null;
  readonly sampling?: Sampling | undefined;
  /** Longest answer, tokens. @defaultValue 1024 */
  readonly maxTokens?: number;
}

export const ANTHROPIC_DEFAULTS = { maxTokens: 1_024 } as const satisfies Partial<AnthropicOptions>;

const VERSION = '2023-06-01';
/** Errors in a stream have a name in place of a status (api/errors). */
const STATUS_OF: Readonly<Record<string, number>> = {
  invalid_request_error: 400,
  authentication_error: 401,
  permission_error: 403,
  not_found_error: 404,
  request_too_large: 413,
  rate_limit_error: 429,
  api_error: 500,
  overloaded_error: 529,
};

const count = z.number().int().min(0).nullish();
const usageSchema = z.object({
  input_tokens: count,
  output_tokens: count,
  cache_read_input_tokens: count,
  cache_creation_input_tokens: count,
});
const index = z.number().int().min(0).max(1_023);
const eventSchema = z.discriminatedUnion('type', [
  z.object({ type: z.literal('message_start'), message: z.object({ usage: usageSchema.nullish() }) }),
  z.object({
    type: z.literal('content_block_start'),
    index,
    content_block: z.looseObject({
      type: z.string(),
      id: z.string().max(256).nullish(),
      name: z.string().max(256).nullish(),
    }),
  }),
  z.object({
    type: z.literal('content_block_delta'),
    index,
    delta: z.object({ type: z.string(), text: z.string().nullish(), partial_json: z.string().nullish() }),
  }),
  z.object({
    type: z.literal('message_delta'),
    delta: z.object({ stop_reason: z.string().nullish() }),
    usage: usageSchema.nullish(),
  }),
  z.object({ type: z.literal('error'), error: z.object({ type: z.string(), message: z.string().default('') }) }),
]);
const READ: readonly string[] = eventSchema.options.map(({ shape }) => shape.type.value);
const envelopeSchema = z.object({ type: z.string() });

type StreamEvent = z.infer<typeof eventSchema>;

export class AnthropicLlm extends ServerLlm<HttpService> implements Llm {
  readonly #options: AnthropicOptions;

  constructor(options: AnthropicOptions) {
    const headers = { 'anthropic-version': VERSION, 'x-api-key': options.apiKey ?? '' };
    super(options, new HttpService({ ...options, headers: () => headers }));
    this.#options = options;
  }

  async *respond(request: LlmRequest): AsyncIterable<LlmEvent> {
    const { label } = this.#options;
    const calls = new ToolCallParts({ label, indicesAreWrong: false, idPrefix: `call_${request.entries.length}` });
    let usage: z.infer<typeof usageSchema> = {};
    let finished = false;
    const events = this.server.events(request.signal, { path: '/messages', body: this.#body(request) }, readEvent);
    for await (const event of events) {
      if (event?.type === 'content_block_delta' && event.delta.text) yield { type: 'text', text: event.delta.text };
      else if (event?.type === 'message_start') usage = { ...event.message.usage };
      else if (event?.type === 'message_delta') {
        usage = { ...usage, ...known(event.usage) };
        finished ||= event.delta.stop_reason != null;
      } else if (event !== null) addTo(calls, event);
    }
    if (!finished) throw new AntipodeError('ERR_SERVICE_FAILED', `${label}'s answer broke off.`);
    yield* calls.whole().map(withArguments);
    const counted = usageOf(usage);
    if (counted !== null) yield { type: 'usage', usage: counted };
  }

  #body(request: LlmRequest) {
    const { model, inferenceGeo = null, sampling = {}, maxTokens = ANTHROPIC_DEFAULTS.maxTokens } = this.#options;
    const { temperature, topP } = sampling;
    return {
      model,
      max_tokens: maxTokens,
      stream: true,
      // A call asks with the same beginning at each turn: it is read from the service's cache.
      system: [{ type: 'text', text: request.instructions, cache_control: { type: 'ephemeral' } }],
      messages: anthropicMessages(request),
      ...(request.tools.length > 0 && { tools: request.tools.map(anthropicTool) }),
      // The service's temperatures end at 1.
      ...(temperature !== undefined && { temperature: Math.min(1, temperature) }),
      ...(topP !== undefined && { top_p: topP }),
      ...(inferenceGeo !== null && { inference_geo: inferenceGeo }),
    };
  }
}

/** Null for what says nothing to us: the service adds types (streaming, "unknown events"). */
function readEvent({ data }: JsonEvent): StreamEvent | null {
  if (!READ.includes(envelopeSchema.parse(data).type)) return null;
  const event = eventSchema.parse(data);
  if (event.type !== 'error') return event;
  throw new StreamedRefusal(STATUS_OF[event.error.type] ?? 500, event.error.message);
}

function addTo(calls: ToolCallParts, event: StreamEvent): void {
  if (event.type === 'content_block_start' && event.content_block.type === 'tool_use') {
    const { id, name } = event.content_block;
    calls.add({ index: event.index, id: id ?? null, function: { name: name ?? null } });
  } else if (event.type === 'content_block_delta' && event.delta.type === 'input_json_delta') {
    calls.add({ index: event.index, function: { arguments: event.delta.partial_json ?? '' } });
  }
}

/** A tool without arguments is called with no piece of them. */
function withArguments(event: LlmEvent): LlmEvent {
  return event.type === 'tool-call' && event.arguments === '' ? { ...event, arguments: '{}' } : event;
}

function known<T extends object>(values: T | null | undefined): Partial<T> {
  return Object.fromEntries(Object.entries(values ?? {}).filter(([, value]) => value != null)) as Partial<T>;
}

/** What was read from the cache, or written into it, is counted apart there, and within the input here. */
function usageOf(usage: z.infer<typeof usageSchema>): ServiceUsage | null {
  const { input_tokens: input, output_tokens: output, cache_read_input_tokens: cached } = usage;
  if (input == null && output == null) return null;
  return {
    ...(input != null && { inputTokens: input + (cached ?? 0) + (usage.cache_creation_input_tokens ?? 0) }),
    ...(cached != null && { cachedInputTokens: cached }),
    ...(output != null && { outputTokens: output }),
  };
}
