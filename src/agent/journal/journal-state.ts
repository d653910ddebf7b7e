/**
 * What the notes of a call add up to: all that another core needs to go on with it. Pure: a state and a note make the
 * next state. Kept by the core that writes and by the POP that keeps it.
 */
import { z } from 'zod';
import { applyChange, type ConversationEntry, conversationEntrySchema } from '../context/index.ts';
import type { WireNote } from './note.ts';

const number = z.number().int();

const sentenceSchema = z.object({
  text: z.string(),
  /** Audio of it that went to the mouth, ms. */
  ms: z.number().nonnegative(),
  ended: z.boolean(),
  words: z.array(z.object({ text: z.string(), startMs: z.number(), endMs: z.number() })),
});
export type JournalSentence = z.infer<typeof sentenceSchema>;

const replySchema = z.object({
  turn: number.nonnegative(),
  /** All of its words so far. */
  text: z.string(),
  ended: z.boolean(),
  hangUp: z.string().nullable(),
  utterance: number.positive().nullable(),
  sentences: z.array(sentenceSchema),
  /** Where its stretches lie on the mouth's time line, in order. */
  stretches: z.array(z.object({ atMs: z.number().nonnegative(), timestamp: number.min(0).max(0xffff_ffff) })),
});
export type JournalReply = z.infer<typeof replySchema>;

export const journalStateSchema = z.object({
  context: z.array(conversationEntrySchema).max(10_000),
  /** The caller's packets up to this one need not be heard again; null before any is known. */
  consumed: number.nonnegative().nullable(),
  /** Newest turn that is certain, -1 before the first: words of later ones in the context may change. */
  heardTurn: number.min(-1),
  /** Newest turn whose answer is over, -1 before the first. */
  answeredTurn: number.min(-1),
  /** Messages of the client's that the agent was given by the present core. */
  messages: number.nonnegative(),
  /** What is being said, or prepared. */
  reply: replySchema.nullable(),
  /** The newest step of a script that answers. */
  script: z.object({ turn: number.nonnegative(), before: z.unknown(), after: z.unknown() }).nullable(),
});
export interface JournalState extends z.infer<typeof journalStateSchema> {}

export const EMPTY_JOURNAL: JournalState = {
  context: [],
  consumed: null,
  heardTurn: -1,
  answeredTurn: -1,
  messages: 0,
  reply: null,
  script: null,
};

/** The state after a note; `state` itself is left as it was. */
export function applyNote(state: JournalState, note: WireNote): JournalState {
  switch (note.type) {
    case 'context':
      return { ...state, context: applyChange(state.context, note.change) as ConversationEntry[] };
    case 'heard':
      return {
        ...state,
        heardTurn: Math.max(state.heardTurn, note.turn),
        consumed: later(state.consumed, note.packet),
      };
    case 'listened':
      return { ...state, consumed: later(state.consumed, note.packet) };
    case 'messages':
      return { ...state, messages: note.given };
    case 'script':
      return { ...state, script: { turn: note.turn, before: note.before, after: note.after } };
    case 'reply-over': {
      const answeredTurn = Math.max(state.answeredTurn, note.turn);
      return { ...state, answeredTurn, reply: state.reply?.turn === note.turn ? null : state.reply };
    }
    case 'stretch': {
      const { reply } = state;
      if (reply?.utterance !== note.utterance) return state;
      const stretches = [...reply.stretches, { atMs: note.atMs, timestamp: note.timestamp }];
      return { ...state, reply: { ...reply, stretches } };
    }
    default:
      return {
        ...state,
        reply: repliedWith(state.reply?.turn === note.turn ? state.reply : newReply(note.turn), note),
      };
  }
}

type ReplyNote = Extract<
  WireNote,
  { type: 'reply' | 'reply-ended' | 'utterance' | 'sentence' | 'sound' | 'sentence-ended' }
>;

function repliedWith(reply: JournalReply, note: ReplyNote): JournalReply {
  switch (note.type) {
    case 'reply':
      return { ...reply, text: reply.text + note.text };
    case 'reply-ended':
      return { ...reply, ended: true, hangUp: note.hangUp };
    case 'utterance':
      return { ...reply, utterance: note.utterance };
    case 'sentence':
      return { ...reply, sentences: [...reply.sentences, { text: note.text, ms: 0, ended: false, words: [] }] };
    case 'sound':
      return withLast(reply, (last) => ({ ...last, ms: last.ms + note.ms, words: [...last.words, ...note.words] }));
    case 'sentence-ended':
      return withLast(reply, (last) => ({ ...last, ended: true }));
  }
}

function withLast(reply: JournalReply, change: (last: JournalSentence) => JournalSentence): JournalReply {
  const last = reply.sentences.at(-1);
  return last === undefined ? reply : { ...reply, sentences: reply.sentences.with(-1, change(last)) };
}

function newReply(turn: number): JournalReply {
  return { turn, text: '', ended: false, hangUp: null, utterance: null, sentences: [], stretches: [] };
}

function later(known: number | null, packet: number | null): number | null {
  return packet === null ? known : Math.max(known ?? 0, packet);
}
