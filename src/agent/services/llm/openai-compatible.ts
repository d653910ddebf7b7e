/**
 * Language models of every server that speaks OpenAI's `chat/completions`, streamed, with tools. Owns one round trip
 * and what servers do differently, by flags; running the tools and asking again is the pipeline's, and which servers
 * there are is the catalogue's.
 */
import { z } from 'zod';
import { AntipodeError } from '../../../errors.ts';
import type { ServiceUsage } from '../../observe/observation.ts';
import type { Llm, LlmEvent, LlmRequest } from '../llm.ts';
import { OpenAiServer, type OpenAiServerOptions } from '../openai-request.ts';
import { describeTool, messagesOf } from './chat-messages.ts';
import { ServerLlm } from './server-llm.ts';
import { ToolCallParts } from './tool-call-parts.ts';
import { usageOf } from './usage.ts';

/** How a server departs from OpenAI's own. */
export interface LlmQuirks {
  /** Refuses messages of the role `developer`: instructions go as `system`. */
  readonly noDeveloperRole?: boolean;
  /** Numbers the pieces of parallel tool calls wrongly or not at all: they are told apart by id and name. */
  readonly wrongToolCallIndices?: boolean;
  /** Takes no tools. */
  readonly noTools?: boolean;
  /** Beginnings of the names of models that refuse `temperature` and `top_p`. */
  readonly refusesSampling?: readonly string[];
  /** Refuses `stream_options`, by which others are asked to count tokens; what it counts unasked is taken. */
  readonly noStreamOptions?: boolean;
}

export interface Sampling {
  /** 0 to 2. */
  readonly temperature?: number;
  /** 0 to 1. */
  readonly topP?: number;
}

export interface OpenAiCompatibleOptions extends OpenAiServerOptions {
  readonly model: string;
  readonly quirks?: LlmQuirks;
  readonly sampling?: Sampling;
  /** @defaultValue `system`, which every server takes */
  readonly instructionsRole?: 'system' | 'developer';
}

/** What we read of a chunk; other fields may be anything. */
const chunkSchema = z.object({
  choices: z.array(
    z.object({
      delta: z
        .object({
          content: z.string().nullish(),
          tool_calls: z
            .array(
              z.object({
                index: z.number().int().min(-1).max(1_023).nullish(),
                id: z.string().max(256).nullish(),
                function: z.object({ name: z.string().max(256).nullish(), arguments: z.string().nullish() }).nullish(),
              }),
            )
            .nullish(),
        })
        .nullish(),
      finish_reason: z.string().nullish(),
    }),
  ),
  /** Read by usage.ts: an answer is not worth less for how its tokens are told. */
  usage: z.unknown().optional(),
});

type Chunk = z.infer<typeof chunkSchema>;

export class OpenAiCompatibleLlm extends ServerLlm<OpenAiServer> implements Llm {
  readonly #options: OpenAiCompatibleOptions;
  readonly #parameters: { temperature?: number; top_p?: number };
  readonly #role: 'system' | 'developer';

  constructor(options: OpenAiCompatibleOptions) {
    super(options, new OpenAiServer(options));
    const { quirks = {}, sampling = {} } = options;
    this.#options = options;
    this.#role = quirks.noDeveloperRole ? 'system' : (options.instructionsRole ?? 'system');
    const refuses = quirks.refusesSampling?.some((beginning) => options.model.startsWith(beginning)) ?? false;
    this.#parameters = refuses
      ? {}
      : {
          ...(sampling.temperature === undefined ? {} : { temperature: sampling.temperature }),
          ...(sampling.topP === undefined ? {} : { top_p: sampling.topP }),
        };
  }

  /** @throws also ERR_SERVICE_FAILED, with nothing sent, when tools are wanted of a service that takes none */
  async *respond(request: LlmRequest): AsyncIterable<LlmEvent> {
    const { quirks = {}, label } = this.#options;
    if (quirks.noTools && (request.tools.length > 0 || request.entries.some(({ role }) => role === 'tool'))) {
      throw new AntipodeError('ERR_SERVICE_FAILED', `${label} takes no tools, and this conversation has some.`);
    }
    const indicesAreWrong = quirks.wrongToolCallIndices ?? false;
    const calls = new ToolCallParts({ label, indicesAreWrong, idPrefix: `call_${request.entries.length}` });
    let finished = false;
    let usage: ServiceUsage | null = null;
    for await (const chunk of this.#chunks(request)) {
      usage = usageOf(chunk.usage) ?? usage;
      for (const { delta, finish_reason: reason } of chunk.choices) {
        if (delta?.content) yield { type: 'text', text: delta.content };
        for (const part of delta?.tool_calls ?? []) calls.add(part);
        if (reason) finished = true;
      }
    }
    if (!finished) throw new AntipodeError('ERR_SERVICE_FAILED', `${label}'s answer broke off.`);
    yield* calls.whole();
    if (usage !== null) yield { type: 'usage', usage };
  }

  #chunks(request: LlmRequest): AsyncIterable<Chunk> {
    const { tools } = request;
    const body = {
      model: this.model,
      messages: messagesOf(request, this.#role),
      stream: true as const,
      ...(!this.#options.quirks?.noStreamOptions && { stream_options: { include_usage: true } }),
      ...this.#parameters,
      ...(tools.length > 0 && { tools: tools.map(describeTool) }),
    };
    return this.server.stream(
      request.signal,
      (client, signal) => client.chat.completions.create(body, { signal }),
      (chunk: unknown) => chunkSchema.parse(chunk),
    );
  }
}
