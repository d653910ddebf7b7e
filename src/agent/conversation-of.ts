/** The context of a call: its changes go into the journal, and a call that another core held goes on with it. */
import { Conversation, type ConversationOptions } from './conversation.ts';
import type { CallPorts } from './types.ts';

/** @param options as of any other */
export function conversationOf(
  call: Pick<CallPorts, 'journal' | 'resumed'>,
  options: ConversationOptions = {},
): Conversation {
  const journaled: ConversationOptions = {
    ...options,
    onChange(change) {
      call.journal?.note({ type: 'context', change: { ...change, added: [...change.added] } });
      options.onChange?.(change);
    },
  };
  return call.resumed ? Conversation.import(call.resumed.conversation, journaled) : new Conversation(journaled);
}
