/**
 * Language models of every server that speaks OpenAI's `chat/completions`, streamed, with tools. Owns one round trip
 * and what servers do differently, by flags; running the tools and asking again is the pipeline's, and which servers
 * there are is the catalogue's.
 */
import { OpenAI } from 'openai';
import { z } from 'zod';
import type { Clock } from '../../../clock.ts';
import { AntipodeError } from '../../../errors.ts';
import type { Llm, LlmEvent, LlmRequest } from '../llm.ts';
import { Deadline } from '../openai-request.ts';
import { describeTool, messagesOf } from './chat-messages.ts';
import { ToolCallParts } from './tool-call-parts.ts';

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
}

export interface Sampling {
  /** 0 to 2. */
  readonly temperature?: number;
  /** 0 to 1. */
  readonly topP?: number;
}

export interface OpenAiCompatibleOptions {
  /** In metrics and the catalogue, such as `groq`. */
  readonly name: string;
  /** For people, in errors, such as `Groq`. */
  readonly label: string;
  readonly baseUrl: string;
  /** Null for servers that want none. */
  readonly apiKey: string | null;
  readonly model: string;
  readonly clock: Clock;
  /** Longest silence of the server, before the first word and between two. */
  readonly timeoutMs: number;
  readonly quirks?: LlmQuirks;
  readonly sampling?: Sampling;
  /** @defaultValue `system`, which every server takes */
  readonly instructionsRole?: 'system' | 'developer';
  /** Follow HTTP redirects. A server that is chosen for where it stands must not send us elsewhere. */
  readonly followRedirects?: boolean;
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
});

export class OpenAiCompatibleLlm implements Llm {
  readonly name: string;
  /** Where requests go. */
  readonly baseUrl: string;
  readonly model: string;
  readonly #options: OpenAiCompatibleOptions;
  readonly #parameters: { temperature?: number; top_p?: number };
  readonly #role: 'system' | 'developer';
  readonly #client: OpenAI;

  constructor(options: OpenAiCompatibleOptions) {
    const { quirks = {}, sampling = {} } = options;
    this.name = options.name;
    this.baseUrl = options.baseUrl;
    this.model = options.model;
    this.#options = options;
    this.#role = quirks.noDeveloperRole ? 'system' : (options.instructionsRole ?? 'system');
    const refuses = quirks.refusesSampling?.some((beginning) => options.model.startsWith(beginning)) ?? false;
    this.#parameters = refuses
      ? {}
      : {
          ...(sampling.temperature === undefined ? {} : { temperature: sampling.temperature }),
          ...(sampling.topP === undefined ? {} : { top_p: sampling.topP }),
        };
    this.#client = new OpenAI({
      apiKey: options.apiKey ?? 'none',
      baseURL: options.baseUrl,
      // The client would read these from the environment and send them to whichever vendor this is.
      organization: null,
      project: null,
      adminAPIKey: null,
      fetchOptions: { redirect: options.followRedirects ? 'follow' : 'error' },
      maxRetries: 0,
      logLevel: 'off',
    });
  }

  /** @throws also ERR_SERVICE_FAILED, with nothing sent, when tools are wanted of a service that takes none */
  async *respond(request: LlmRequest): AsyncIterable<LlmEvent> {
    const { clock, timeoutMs, quirks = {}, label } = this.#options;
    if (quirks.noTools && (request.tools.length > 0 || request.entries.some(({ role }) => role === 'tool'))) {
      throw new AntipodeError('ERR_SERVICE_FAILED', `${label} takes no tools, and this conversation has some.`);
    }
    const deadline = new Deadline({ clock, timeoutMs, signal: request.signal });
    try {
      const stream = await this.#client.chat.completions.create(
        {
          model: this.model,
          messages: messagesOf(request, this.#role),
          stream: true,
          ...this.#parameters,
          ...(request.tools.length > 0 ? { tools: request.tools.map(describeTool) } : {}),
        },
        { signal: deadline.signal },
      );
      const indicesAreWrong = quirks.wrongToolCallIndices ?? false;
      const calls = new ToolCallParts({ label, indicesAreWrong, idPrefix: `call_${request.entries.length}` });
      let finished = false;
      for await (const chunk of stream) {
        deadline.touch();
        for (const { delta, finish_reason: reason } of chunkSchema.parse(chunk).choices) {
          if (delta?.content) yield { type: 'text', text: delta.content };
          for (const part of delta?.tool_calls ?? []) calls.add(part);
          if (reason) finished = true;
        }
      }
      deadline.check();
      if (!finished) throw new AntipodeError('ERR_SERVICE_FAILED', `${label}'s answer broke off.`);
      yield* calls.whole();
    } catch (error) {
      if (request.signal.aborted) throw request.signal.reason;
      throw named(label, timeoutMs, deadline.explain(error));
    } finally {
      deadline.close();
    }
  }
}

/** What the shared translation says of OpenAI, said of the service that it was: same code, same cause. */
function named(label: string, timeoutMs: number, error: unknown): unknown {
  if (!(error instanceof AntipodeError)) return error;
  const { cause, code } = error;
  if (code === 'ERR_SERVICE_TIMEOUT')
    return new AntipodeError(code, `${label} said nothing for ${timeoutMs} ms.`, { cause });
  if (cause === undefined) return error;
  return new AntipodeError(code, `${label} ${wordsFor(cause)}.`, { cause });
}

function wordsFor(cause: unknown): string {
  if (cause instanceof OpenAI.APIConnectionError) return 'cannot be reached';
  if (!(cause instanceof OpenAI.APIError)) return 'broke off its answer, or made no sense';
  switch (cause.status) {
    case 401:
    case 403:
      return `refused our key (${cause.status})`;
    case 429:
      return 'limits our rate or quota (429)';
    default:
      return `failed (${cause.status ?? 'in its stream'})`;
  }
}
