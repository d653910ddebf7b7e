/** A conversation and its tools in the words of OpenAI's `chat/completions`. Pure; sends nothing. */
import type { OpenAI } from 'openai';
import { z } from 'zod';
import type { ConversationEntry } from '../../conversation.ts';
import type { LlmRequest, Tool } from '../llm.ts';

type Message = OpenAI.Chat.Completions.ChatCompletionMessageParam;

/** The conversation as messages, the instructions first, in the given role. */
export function messagesOf(request: LlmRequest, instructionsRole: 'system' | 'developer'): Message[] {
  const messages: Message[] = [{ role: instructionsRole, content: request.instructions }];
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
    case 'summary':
      // As the user's words and not as instructions: it was made of what the caller said.
      return [{ role: 'user', content: `[What was said before, in short: ${entry.text}]` }];
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

/** A tool as a function with its JSON Schema. */
export function describeTool(tool: Tool): OpenAI.Chat.Completions.ChatCompletionFunctionTool {
  const { $schema: _, ...parameters } = z.toJSONSchema(tool.parameters);
  return { type: 'function', function: { name: tool.name, description: tool.description, parameters } };
}
