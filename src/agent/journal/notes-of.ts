/** The notes that make a state out of an empty one: how a journal is told from the start. Pure. */
import type { JournalReply, JournalState } from './journal-state.ts';
import type { WireNote } from './note.ts';

/** Entries of a context in one note; a tool's answer has at most 16 000 characters. */
const ENTRIES_AT_ONCE = 8;

export function notesOf(state: JournalState): WireNote[] {
  const notes: WireNote[] = [];
  for (let at = 0; at < state.context.length; at += ENTRIES_AT_ONCE) {
    const added = state.context.slice(at, at + ENTRIES_AT_ONCE);
    notes.push({ type: 'context', change: { at, removed: 0, added } });
  }
  const { heardTurn, consumed, answeredTurn, messages, script, reply } = state;
  if (heardTurn >= 0) notes.push({ type: 'heard', turn: heardTurn, packet: consumed });
  else if (consumed !== null) notes.push({ type: 'listened', packet: consumed });
  if (answeredTurn >= 0) notes.push({ type: 'reply-over', turn: answeredTurn });
  if (messages > 0) notes.push({ type: 'messages', given: messages });
  if (script !== null) notes.push({ type: 'script', ...script });
  if (reply !== null) notes.push(...notesOfReply(reply));
  return notes;
}

function notesOfReply({ turn, text, ended, hangUp, utterance, sentences, stretches }: JournalReply): WireNote[] {
  const notes: WireNote[] = [{ type: 'reply', turn, text }];
  if (utterance !== null) {
    notes.push({ type: 'utterance', turn, utterance });
    for (const stretch of stretches) notes.push({ type: 'stretch', utterance, ...stretch });
  }
  for (const sentence of sentences) {
    notes.push({ type: 'sentence', turn, text: sentence.text });
    notes.push({ type: 'sound', turn, ms: sentence.ms, words: sentence.words });
    if (sentence.ended) notes.push({ type: 'sentence-ended', turn });
  }
  if (ended) notes.push({ type: 'reply-ended', turn, hangUp });
  return notes;
}
