/** The journal of a call: what an agent notes, what the notes add up to, and how another agent goes on from there. */
export { applyNote, EMPTY_JOURNAL, type JournalReply, type JournalState, journalStateSchema } from './journal-state.ts';
export { type AgentNote, type CallJournal, type WireNote, wireNoteSchema } from './note.ts';
export { notesOf } from './notes-of.ts';
export { type InterruptedReply, type ResumedCall, resumedCall, resumedState } from './resumed-call.ts';
