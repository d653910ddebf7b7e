/**
 * OpenAI's Responses API, streamed: what its newer models want for tools beside thinking. Nothing is kept at the service
 * (`store: false`); the whole conversation goes with each request. Requests by the types of the
 * `openai` package, events from memory of them; tested against a fake that speaks them so.
 */
import type { OpenAI } from 'openai';
import { z } from 'zod';
import { AntipodeError } from '../../../errors.ts';
import type { ConversationEntry } from '../../conversation.ts';
import type { ServiceUsage } from '../../observe/observation.ts';
import { StreamedRefusal } from '../http-service.ts';
import type { Llm, LlmEvent, LlmRequest, Tool } from '../llm.ts';
import { OpenAiServer, type OpenAiServerOptions } from '../openai-request.ts';
import { refusal } from '../refusal.ts';
import type { Sampling } from './openai-compatible.ts';
import { ServerLlm } from './server-llm.ts';

export interface ResponsesOptions extends OpenAiServerOptions {
  readonly model: string;
  readonly sampling?: Sampling | undefined;
  /** Beginnings of the names of models that refuse `temperature` and `top_p`. */
  readonly refusesSampling?: readonly string[] | undefined;
}

type Item = OpenAI.Responses.ResponseInputItem;

const MAX_CALLS = 64;
const MAX_ARGUMENTS = 65_536;

const count = z.number().int().min(0).nullish();
const usageSchema = z.object({
  input_tokens: count,
  output_tokens: count,
  input_tokens_details: z.object({ cached_tokens: count }).nullish(),
});
const failure = z.object({ code: z.string().nullish(), message: z.string().nullish() });
const eventSchema = z.discriminatedUnion('type', [
  z.object({ type: z.literal('response.output_text.delta'), delta: z.string() }),
  z.object({
    type: z.literal('response.output_item.done'),
    item: z.looseObject({
      type: z.string(),
      call_id: z.string().max(256).nullish(),
      name: z.string().max(256).nullish(),
      arguments: z.string().max(MAX_ARGUMENTS).nullish(),
    }),
  }),
  z.object({
    type: z.enum(['response.completed', 'response.incomplete']),
    response: z.object({ usage: usageSchema.nullish() }),
  }),
  z.object({ type: z.literal('response.failed'), response: z.object({ error: failure.nullish() }) }),
  failure.extend({ type: z.literal('error') }),
]);
const READ = [
  ...['response.output_text.delta', 'response.output_item.done', 'response.completed', 'response.incomplete'],
  ...['response.failed', 'error'],
];
const envelopeSchema = z.object({ type: z.string() });

export class ResponsesLlm extends ServerLlm<OpenAiServer> implements Llm {
  readonly #options: ResponsesOptions;

  constructor(options: ResponsesOptions) {
    super(options, new OpenAiServer(options));
    this.#options = options;
  }

  async *respond(request: LlmRequest): AsyncIterable<LlmEvent> {
    const { label } = this.#options;
    const calls: LlmEvent[] = [];
    let finished = false;
    let usage: ServiceUsage | null = null;
    for await (const event of this.#events(request)) {
      switch (event?.type) {
        case 'response.output_text.delta':
          if (event.delta !== '') yield { type: 'text', text: event.delta };
          break;
        case 'response.output_item.done':
          if (event.item.type === 'function_call') calls.push(callOf(event.item, label));
          if (calls.length > MAX_CALLS)
            throw new AntipodeError('ERR_SERVICE_FAILED', `${label} called too many tools.`);
          break;
        case 'response.completed':
        case 'response.incomplete':
          finished = true;
          usage = usageOf(event.response.usage);
      }
    }
    if (!finished) throw new AntipodeError('ERR_SERVICE_FAILED', `${label}'s answer broke off.`);
    yield* calls;
    if (usage !== null) yield { type: 'usage', usage };
  }

  #events(request: LlmRequest) {
    const { model, sampling = {}, refusesSampling = [], label } = this.#options;
    const { temperature, topP } = refusesSampling.some((beginning) => model.startsWith(beginning)) ? {} : sampling;
    const body = {
      model,
      instructions: request.instructions,
      input: itemsOf(request),
      stream: true,
      store: false,
      ...(request.tools.length > 0 && { tools: request.tools.map(describe) }),
      ...(temperature !== undefined && { temperature }),
      ...(topP !== undefined && { top_p: topP }),
    } as const;
    return this.server.stream(
      request.signal,
      (client, signal) => client.responses.create(body, { signal }),
      (event: unknown) => readEvent(event, label),
    );
  }
}

function itemsOf({ entries, said }: LlmRequest): Item[] {
  const answered = entries.findLastIndex((entry) => entry.role === 'caller');
  return entries.flatMap((entry, index): Item[] => {
    const items = itemsOfEntry(entry);
    return index === answered && said !== '' ? [...items, { role: 'assistant', content: said }] : items;
  });
}

function itemsOfEntry(entry: ConversationEntry): Item[] {
  switch (entry.role) {
    case 'caller':
      return [{ role: 'user', content: entry.text }];
    case 'summary':
      return [{ role: 'user', content: `[What was said before, in short: ${entry.text}]` }];
    case 'agent': {
      const content = entry.interrupted ? `${entry.text} [the caller spoke over the rest]` : entry.text;
      return [{ role: 'assistant', content }];
    }
    case 'tool': {
      const { callId: call_id, name, result } = entry;
      return [
        { type: 'function_call', call_id, name, arguments: entry.arguments },
        { type: 'function_call_output', call_id, output: result },
      ];
    }
  }
}

function describe(tool: Tool): OpenAI.Responses.FunctionTool {
  const { $schema: _, ...parameters } = z.toJSONSchema(tool.parameters);
  return { type: 'function', name: tool.name, description: tool.description, parameters, strict: false };
}

/** Null for what says nothing to us. */
function readEvent(raw: unknown, label: string): z.infer<typeof eventSchema> | null {
  if (!READ.includes(envelopeSchema.parse(raw).type)) return null;
  const event = eventSchema.parse(raw);
  if (event.type !== 'response.failed' && event.type !== 'error') return event;
  const { code = null } = (event.type === 'error' ? event : event.response.error) ?? {};
  const status = code === 'rate_limit_exceeded' ? 429 : 500;
  throw refusal(label, status, { cause: new StreamedRefusal(status, code ?? 'failed') });
}

function callOf(
  { call_id, name, arguments: written }: { call_id?: string | null; name?: string | null; arguments?: string | null },
  label: string,
): LlmEvent {
  if (!call_id || !name) throw new AntipodeError('ERR_SERVICE_FAILED', `${label} called a tool without a name.`);
  return { type: 'tool-call', callId: call_id, name, arguments: written ?? '' };
}

function usageOf(usage: z.infer<typeof usageSchema> | null | undefined): ServiceUsage | null {
  if (usage?.input_tokens == null && usage?.output_tokens == null) return null;
  const cached = usage.input_tokens_details?.cached_tokens;
  return {
    ...(usage.input_tokens != null && { inputTokens: usage.input_tokens }),
    ...(cached != null && { cachedInputTokens: cached }),
    ...(usage.output_tokens != null && { outputTokens: usage.output_tokens }),
  };
}
