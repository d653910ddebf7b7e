/**
 * How an agent goes on with a call that another core held: what its journal and the played position add up to. Pure.
 * What is done with it is turn-taking's and the stages'.
 */
import type { ConversationEntry } from '../context/index.ts';
import { Conversation, type ConversationSnapshot } from '../conversation.ts';
import { SpokenReply } from '../stages/spoken-reply.ts';
import type { Speaker } from '../types.ts';
import type { JournalReply, JournalState } from './journal-state.ts';

/** What was being said when the former core went. */
export interface InterruptedReply {
  readonly turn: number;
  /** Words of it that were played to their end. */
  readonly heard: string;
  /** The others, as far as they were known. */
  readonly rest: string;
  /** False: the answer was still being made. */
  readonly complete: boolean;
  /** The call ends after it, for this reason. */
  readonly hangUp: string | null;
}

export interface ResumedCall {
  readonly conversation: ConversationSnapshot;
  /** Number of the next turn. */
  readonly nextTurn: number;
  /** Where it is to go on speaking; null when nothing was being said. */
  readonly saying: InterruptedReply | null;
  /** A turn of the caller's that was heard and has no answer yet. */
  readonly unanswered: { readonly turn: number; readonly text: string; readonly speaker?: Speaker } | null;
  /** State of a script that answers; undefined when there was none. */
  readonly script: unknown;
}

/**
 * @param playedTimestamp the mouth's RTP timestamp (48 kHz, 32 bits) just after the last frame that was played; null when
 * none was
 */
export function resumedCall(state: JournalState, playedTimestamp: number | null): ResumedCall {
  const { reply, heardTurn, answeredTurn } = state;
  // What a turn that was not certain brought is heard again.
  const known = state.context.filter(
    (entry) => entry.role === 'agent' || entry.role === 'summary' || isNote(entry) || entry.turn <= heardTurn,
  );
  const saying = reply === null || reply.turn > heardTurn ? null : interrupted(reply, playedTimestamp);
  const entries: ConversationEntry[] = [...known];
  if (saying !== null && saying.heard !== '') {
    entries.push({ role: 'agent', turn: saying.turn, text: saying.heard, interrupted: false });
  }
  const last = entries.findLast((entry) => (entry.role === 'caller' && !entry.note) || entry.role === 'agent');
  const owed = last?.role === 'caller' && last.turn > answeredTurn && saying === null;
  const { speaker } = last?.role === 'caller' ? last : {};
  const unanswered = owed ? { turn: last.turn, text: last.text, ...(speaker && { speaker }) } : null;
  const turns = [heardTurn, answeredTurn, reply?.turn ?? -1, ...entries.map(({ turn }) => turn)];
  const nextTurn = 1 + turns.reduce((most, turn) => Math.max(most, turn), -1);
  const conversation = Conversation.import({ version: 2, entries }).export();
  return { conversation, nextTurn, saying, unanswered, script: scriptOf(state, unanswered?.turn ?? null) };
}

/** The journal of the call at the moment at which it goes on. */
export function resumedState(state: JournalState, { conversation, nextTurn }: ResumedCall): JournalState {
  const { consumed, answeredTurn, script } = state;
  return {
    context: conversation.entries,
    consumed,
    heardTurn: nextTurn - 1,
    answeredTurn,
    messages: 0,
    reply: null,
    script,
  };
}

/** Null when there is nothing to go on with: the answer had barely begun to be made, or is over. */
function interrupted(reply: JournalReply, playedTimestamp: number | null): InterruptedReply | null {
  const heard = wordsHeard(reply, playedMs(reply, playedTimestamp));
  const { turn, text, ended, hangUp } = reply;
  if (heard === '' && !ended) return null;
  const rest = afterWords(text, heard);
  return rest === '' && hangUp === null && heard === '' ? null : { turn, heard, rest, complete: ended, hangUp };
}

function isNote(entry: ConversationEntry): boolean {
  return entry.role === 'caller' && entry.note === true;
}

function playedMs({ stretches }: JournalReply, playedTimestamp: number | null): number {
  let ms = 0;
  if (playedTimestamp === null) return ms;
  for (const [index, { atMs, timestamp }] of stretches.entries()) {
    // Both are 32 bits and go round.
    const sinceMs = ((playedTimestamp - timestamp) | 0) / 48;
    if (sinceMs <= 0) break;
    ms = Math.min(atMs + sinceMs, stretches[index + 1]?.atMs ?? Number.POSITIVE_INFINITY);
  }
  return ms;
}

function wordsHeard({ sentences }: JournalReply, ms: number): string {
  const spoken = new SpokenReply();
  for (const sentence of sentences) {
    spoken.begin(sentence.text);
    spoken.wrote(sentence.ms, sentence.words);
    if (sentence.ended) spoken.end();
  }
  return spoken.heardAt(ms);
}

/** What follows as many letters as `heard` has; sentences are cut out of `text` and differ from it by space alone. */
function afterWords(text: string, heard: string): string {
  let left = heard.replace(/\s/g, '').length;
  let at = 0;
  for (; at < text.length && left > 0; at++) if (/\S/.test(text[at] as string)) left -= 1;
  return text.slice(at).trim();
}

function scriptOf({ script, heardTurn }: JournalState, unanswered: number | null): unknown {
  if (script === null) return undefined;
  return script.turn > heardTurn || script.turn === unanswered ? script.before : script.after;
}
