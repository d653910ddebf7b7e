/** Tells the model of a room's agent who comes and goes: as short notes in the context, which nobody said. */
import type { Conversation } from './conversation.ts';
import type { AgentCall } from './types.ts';

export interface AnnounceOptions {
  call: Pick<AgentCall, 'participants' | 'signal'>;
  conversation: Conversation;
}

/** Does nothing in a call of one caller. Who is there alone is not announced. */
export function announceParticipants({ call: { participants, signal }, conversation }: AnnounceOptions): void {
  if (!participants) return;
  let several = participants.list.length > 1;
  const stop = participants.onChange(({ type, participant }) => {
    several ||= participants.list.length > 1;
    if (!several || (type !== 'joined' && type !== 'left')) return;
    const names = participants.list.map(({ name }) => name).join(', ');
    conversation.noted(`${participant.name} has ${type}. Here now: ${names || 'nobody'}.`);
  });
  signal.addEventListener('abort', stop, { once: true });
}
