/** A conversation and its tools in the words of Anthropic's Messages API. Pure; sends nothing. */
import { z } from 'zod';
import type { ConversationEntry } from '../../conversation.ts';
import type { LlmRequest, Tool } from '../llm.ts';

export type AnthropicBlock =
  | { readonly type: 'text'; readonly text: string }
  | { readonly type: 'tool_use'; readonly id: string; readonly name: string; readonly input: unknown }
  | { readonly type: 'tool_result'; readonly tool_use_id: string; readonly content: string };

export interface AnthropicMessage {
  readonly role: 'user' | 'assistant';
  readonly content: AnthropicBlock[];
}

/** The first message must be the user's, and a call may begin with the agent's greeting. */
const CALL_BEGAN = '[The call begins.]';

/** Messages by turns: what one side says in a row is one message. */
export function anthropicMessages(request: Pick<LlmRequest, 'entries' | 'said'>): AnthropicMessage[] {
  const messages: AnthropicMessage[] = [];
  const add = (role: AnthropicMessage['role'], block: AnthropicBlock): void => {
    const last = messages.at(-1);
    if (last?.role === role) last.content.push(block);
    else messages.push({ role, content: [block] });
  };
  const answered = request.entries.findLastIndex((entry) => entry.role === 'caller');
  request.entries.forEach((entry, index) => {
    for (const [role, block] of blocksOf(entry)) add(role, block);
    // What was said before the tools of this turn were called belongs before them.
    if (index === answered && request.said.trim() !== '') add('assistant', { type: 'text', text: request.said });
  });
  if (messages[0]?.role !== 'user') messages.unshift({ role: 'user', content: [{ type: 'text', text: CALL_BEGAN }] });
  return messages;
}

function blocksOf(entry: ConversationEntry): [AnthropicMessage['role'], AnthropicBlock][] {
  switch (entry.role) {
    case 'caller':
      return textOf('user', entry.text);
    case 'summary':
      return textOf('user', `[What was said before, in short: ${entry.text}]`);
    case 'agent':
      return textOf('assistant', entry.interrupted ? `${entry.text} [the caller spoke over the rest]` : entry.text);
    case 'tool':
      return [
        ['assistant', { type: 'tool_use', id: entry.callId, name: entry.name, input: objectOf(entry.arguments) }],
        ['user', { type: 'tool_result', tool_use_id: entry.callId, content: entry.result }],
      ];
  }
}

/** Blocks of nothing are refused. */
function textOf(role: AnthropicMessage['role'], text: string): [AnthropicMessage['role'], AnthropicBlock][] {
  return text.trim() === '' ? [] : [[role, { type: 'text', text }]];
}

/** What a model wrote as arguments, which may have been none. */
export function objectOf(written: string): Record<string, unknown> {
  try {
    return z.record(z.string(), z.unknown()).parse(JSON.parse(written));
  } catch {
    return {};
  }
}

export function anthropicTool(tool: Tool) {
  const { $schema: _, ...schema } = z.toJSONSchema(tool.parameters);
  return { name: tool.name, description: tool.description, input_schema: schema };
}
