/**
 * Language model by OpenAI's `chat/completions`, streamed, with tools (and servers that speak it). One request a round
 * trip; running the tools and asking again is the pipeline's.
 */
import type { OpenAI } from 'openai';
import { z } from 'zod';
import { AntipodeError } from '../../../errors.ts';
import type { ConversationEntry } from '../../conversation.ts';
import type { Llm, LlmEvent, LlmRequest, Tool } from '../llm.ts';
import { Deadline, type OpenAiOptions, openAiClient } from '../openai-request.ts';

type Message = OpenAI.Chat.Completions.ChatCompletionMessageParam;

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
                index: z.number().int().min(0).max(63),
                id: z.string().max(256).nullish(),
                function: z.object({ name: z.string().max(256).nullish(), arguments: z.string().nullish() }).optional(),
              }),
            )
            .nullish(),
        })
        .nullish(),
      finish_reason: z.string().nullish(),
    }),
  ),
});

/** Characters of tool arguments that are taken from a model. */
const MAX_ARGUMENTS = 65_536;

export class OpenAiLlm implements Llm {
  readonly name = 'openai';
  readonly #options: OpenAiOptions;
  readonly #client;

  /** @throws ERR_SERVICE_UNAVAILABLE when there is no key */
  constructor(options: OpenAiOptions) {
    this.#options = options;
    this.#client = openAiClient(options.settings);
  }

  async *respond(request: LlmRequest): AsyncIterable<LlmEvent> {
    const { settings, clock } = this.#options;
    const deadline = new Deadline({ clock, timeoutMs: settings.timeoutMs, signal: request.signal });
    try {
      const stream = await this.#client.chat.completions.create(
        {
          model: settings.llmModel,
          messages: messagesOf(request),
          stream: true,
          ...(request.tools.length > 0 ? { tools: request.tools.map(describeTool) } : {}),
        },
        { signal: deadline.signal },
      );
      const calls: { callId: string; name: string; arguments: string }[] = [];
      let finished = false;
      for await (const chunk of stream) {
        deadline.touch();
        for (const { delta, finish_reason: reason } of chunkSchema.parse(chunk).choices) {
          if (delta?.content) yield { type: 'text', text: delta.content };
          for (const part of delta?.tool_calls ?? []) {
            calls[part.index] ??= { callId: '', name: '', arguments: '' };
            const call = calls[part.index]!;
            call.callId ||= part.id ?? '';
            call.name ||= part.function?.name ?? '';
            call.arguments += part.function?.arguments ?? '';
            if (call.arguments.length > MAX_ARGUMENTS) {
              throw new AntipodeError('ERR_SERVICE_FAILED', 'OpenAI wrote too long a tool call.');
            }
          }
          if (reason) finished = true;
        }
      }
      deadline.check();
      if (!finished) throw new AntipodeError('ERR_SERVICE_FAILED', "OpenAI's answer broke off.");
      for (const call of calls) if (call?.name) yield { type: 'tool-call', ...call };
    } catch (error) {
      throw deadline.explain(error);
    } finally {
      deadline.close();
    }
  }
}

function messagesOf(request: LlmRequest): Message[] {
  const messages: Message[] = [{ role: 'system', content: request.instructions }];
  const answered = request.entries.findLastIndex((entry) => entry.role === 'caller');
  request.entries.forEach((entry, index) => {
    messages.push(...messagesOfEntry(entry));
    // What was said before the tools of this turn were called belongs before them.
    if (index === answered && request.said !== '') messages.push({ role: 'assistant', content: request.said });
  });
  return messages;
}

function messagesOfEntry(entry: ConversationEntry): Message[] {
  switch (entry.role) {
    case 'caller':
      return [{ role: 'user', content: entry.text }];
    case 'agent':
      return [
        {
          role: 'assistant',
          content: entry.interrupted ? `${entry.text} [the caller spoke over the rest]` : entry.text,
        },
      ];
    case 'tool':
      return [
        {
          role: 'assistant',
          content: null,
          tool_calls: [
            { id: entry.callId, type: 'function', function: { name: entry.name, arguments: entry.arguments } },
          ],
        },
        { role: 'tool', tool_call_id: entry.callId, content: entry.result },
      ];
  }
}

function describeTool(tool: Tool): OpenAI.Chat.Completions.ChatCompletionFunctionTool {
  const { $schema: _, ...parameters } = z.toJSONSchema(tool.parameters);
  return { type: 'function', function: { name: tool.name, description: tool.description, parameters } };
}
