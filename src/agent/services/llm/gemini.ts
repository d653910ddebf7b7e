/**
 * Gemini by Google's own `streamGenerateContent`, by an API key (Gemini API) or by an account (Vertex AI, in a region).
 * Written from memory of the vendor's documentation (ai.google.dev), which was not read for it: check it before you
 * rely on it. Tested against a fake that speaks it so.
 *
 * Newer models want each call of a tool back with the signature of the thought behind it. A conversation that another
 * service, or another core, began has none: a value that clients of others send in its place stands for it
 * (strands-agents/sdk-python, pull request 1298).
 */
import { z } from 'zod';
import { AntipodeError } from '../../../errors.ts';
import type { ConversationEntry } from '../../conversation.ts';
import type { ServiceUsage } from '../../observe/observation.ts';
import { HttpService, type JsonEvent, StreamedRefusal } from '../http-service.ts';
import type { Llm, LlmEvent, LlmRequest, Tool } from '../llm.ts';
import type { ServiceServerOptions } from '../service-server.ts';
import { objectOf } from './anthropic-messages.ts';
import type { Sampling } from './openai-compatible.ts';
import { ServerLlm } from './server-llm.ts';

export interface GeminiOptions extends ServiceServerOptions {
  readonly model: string;
  readonly sampling?: Sampling | undefined;
  /** With what a request is signed, instead of the key. */
  readonly headers?: () => Promise<Readonly<Record<string, string>>>;
}

const FOREIGN_THOUGHT = 'skip_thought_signature_validator';
/** Reasons to end that give no answer (api/generate-content, FinishReason). */
const WITHHELD = ['SAFETY', 'RECITATION', 'BLOCKLIST', 'PROHIBITED_CONTENT', 'SPII', 'LANGUAGE'];
const MAX_CALLS = 64;

const count = z.number().int().min(0).nullish();
const partSchema = z.object({
  text: z.string().nullish(),
  thought: z.boolean().nullish(),
  functionCall: z
    .object({
      id: z.string().max(256).nullish(),
      name: z.string().min(1).max(256),
      args: z.record(z.string(), z.unknown()).nullish(),
    })
    .nullish(),
});
const chunkSchema = z.object({
  candidates: z
    .array(
      z.object({
        content: z.object({ parts: z.array(partSchema).max(4_096).nullish() }).nullish(),
        finishReason: z.string().nullish(),
      }),
    )
    .nullish(),
  promptFeedback: z.object({ blockReason: z.string().nullish() }).nullish(),
  usageMetadata: z
    .object({
      promptTokenCount: count,
      candidatesTokenCount: count,
      thoughtsTokenCount: count,
      cachedContentTokenCount: count,
    })
    .nullish(),
  error: z.object({ code: z.number().int(), message: z.string().default('') }).nullish(),
});
type Chunk = z.infer<typeof chunkSchema>;
type Call = Extract<LlmEvent, { type: 'tool-call' }>;

export class GeminiLlm extends ServerLlm<HttpService> implements Llm {
  readonly #options: GeminiOptions;

  constructor(options: GeminiOptions) {
    const keyed = () => ({ 'x-goog-api-key': options.apiKey ?? '' });
    super(options, new HttpService({ ...options, headers: options.headers ?? keyed }));
    this.#options = options;
  }

  async *respond(request: LlmRequest): AsyncIterable<LlmEvent> {
    const { label, model } = this.#options;
    const path = `/models/${encodeURIComponent(model)}:streamGenerateContent?alt=sse`;
    const calls: Call[] = [];
    let usage: ServiceUsage | null = null;
    let finish: string | null = null;
    for await (const chunk of this.server.events(request.signal, { path, body: this.#body(request) }, readChunk)) {
      usage = usageOf(chunk) ?? usage;
      const [candidate] = chunk.candidates ?? [];
      finish = candidate?.finishReason ?? chunk.promptFeedback?.blockReason ?? finish;
      for (const part of candidate?.content?.parts ?? []) {
        if (part.text && part.thought !== true) yield { type: 'text', text: part.text };
        if (part.functionCall) calls.push(callOf(part.functionCall, `call_${request.entries.length}_${calls.length}`));
      }
      if (calls.length > MAX_CALLS) throw new AntipodeError('ERR_SERVICE_FAILED', `${label} called too many tools.`);
    }
    if (finish === null) throw new AntipodeError('ERR_SERVICE_FAILED', `${label}'s answer broke off.`);
    if (WITHHELD.includes(finish)) {
      throw new AntipodeError('ERR_SERVICE_FAILED', `${label} withheld its answer (${finish}).`);
    }
    yield* calls;
    if (usage !== null) yield { type: 'usage', usage };
  }

  #body(request: LlmRequest) {
    const { temperature, topP } = this.#options.sampling ?? {};
    return {
      systemInstruction: { parts: [{ text: request.instructions }] },
      contents: contentsOf(request),
      ...(request.tools.length > 0 && { tools: [{ functionDeclarations: request.tools.map(declare) }] }),
      generationConfig: {
        ...(temperature !== undefined && { temperature }),
        ...(topP !== undefined && { topP }),
      },
    };
  }
}

interface Content {
  readonly role: 'user' | 'model';
  readonly parts: unknown[];
}

/** What one side says in a row is one content. */
function contentsOf({ entries, said }: LlmRequest): Content[] {
  const contents: Content[] = [];
  const add = (role: Content['role'], part: unknown): void => {
    const last = contents.at(-1);
    if (last?.role === role) last.parts.push(part);
    else contents.push({ role, parts: [part] });
  };
  const answered = entries.findLastIndex((entry) => entry.role === 'caller');
  entries.forEach((entry, index) => {
    for (const [role, part] of partsOf(entry)) add(role, part);
    if (index === answered && said !== '') add('model', { text: said });
  });
  return contents;
}

function partsOf(entry: ConversationEntry): [Content['role'], unknown][] {
  switch (entry.role) {
    case 'caller':
      return [['user', { text: entry.text }]];
    case 'summary':
      return [['user', { text: `[What was said before, in short: ${entry.text}]` }]];
    case 'agent':
      return [['model', { text: entry.interrupted ? `${entry.text} [the caller spoke over the rest]` : entry.text }]];
    case 'tool': {
      const { name, result } = entry;
      const call = { functionCall: { name, args: objectOf(entry.arguments) }, thoughtSignature: FOREIGN_THOUGHT };
      return [
        ['model', call],
        ['user', { functionResponse: { name, response: { result } } }],
      ];
    }
  }
}

function declare(tool: Tool) {
  const { $schema: _, ...parametersJsonSchema } = z.toJSONSchema(tool.parameters);
  return { name: tool.name, description: tool.description, parametersJsonSchema };
}

function readChunk({ data }: JsonEvent): Chunk {
  const chunk = chunkSchema.parse(data);
  if (chunk.error) throw new StreamedRefusal(chunk.error.code, chunk.error.message);
  return chunk;
}

function callOf({ id, name, args }: { id?: string | null; name: string; args?: unknown }, spareId: string): Call {
  return { type: 'tool-call', callId: id || spareId, name, arguments: JSON.stringify(args ?? {}) };
}

/** Thoughts are billed as the answer is. */
function usageOf({ usageMetadata: usage }: Chunk): ServiceUsage | null {
  if (usage?.promptTokenCount == null) return null;
  const { promptTokenCount: input, cachedContentTokenCount: cached } = usage;
  const output = (usage.candidatesTokenCount ?? 0) + (usage.thoughtsTokenCount ?? 0);
  return { inputTokens: input, ...(cached != null && { cachedInputTokens: cached }), outputTokens: output };
}
