/** Where in a conversation a call may be given to another core, by its journal. Pure. */
import type { JournalReply, JournalState } from '../agent/journal/index.ts';

/** Nothing is being said or prepared, and no tool runs. */
export function isBetweenTurns({ reply, context }: JournalState): boolean {
  return reply === null && !context.some((entry) => entry.role === 'tool' && entry.pending === true);
}

/** Something has happened that another core would go on with. */
export function hasBegun({ context, heardTurn, answeredTurn, consumed, reply }: JournalState): boolean {
  return context.length > 0 || heardTurn >= 0 || answeredTurn >= 0 || consumed !== null || reply !== null;
}

/** Milliseconds until the sentence that is being said ends, or null when none is, or its length is not known. */
export function msToSentenceEnd(reply: JournalReply | null, playedMs: number): number | null {
  let endMs = 0;
  for (const { ms, ended } of reply?.sentences ?? []) {
    endMs += ms;
    if (endMs > playedMs) return ended ? endMs - playedMs : null;
  }
  return null;
}
