/**
 * What an agent notes of its call so that another core could go on with it, one note for one change, and the port that
 * takes notes. Owns the shapes; what they add up to is journal-state.ts.
 */
import { z } from 'zod';
import { conversationChangeSchema } from '../context/index.ts';

const turn = z.number().int().nonnegative();
const ms = z.number().nonnegative();
const rtpTimestamp = z.number().int().min(0).max(0xffff_ffff);

/** A word of a sentence that is spoken, in milliseconds of the sentence. */
const wordSchema = z.object({ text: z.string(), startMs: z.number(), endMs: z.number() });

const agentNotes = [
  /** The context changed. A tool call is an entry of it from before it begins. */
  z.object({ type: z.literal('context'), change: conversationChangeSchema }),
  /** The agent makes an answer of these words of the turn, which wait for their voice. */
  z.object({ type: z.literal('reply'), turn, text: z.string() }),
  /** The answer has all of its words. `hangUp`: the call ends after it, for this reason. */
  z.object({ type: z.literal('reply-ended'), turn, hangUp: z.string().nullable() }),
  /** The answer is spoken as this utterance of the mouth. */
  z.object({ type: z.literal('utterance'), turn, utterance: z.number().int().positive() }),
  /** The next sentence of the answer goes to the mouth. */
  z.object({ type: z.literal('sentence'), turn, text: z.string() }),
  /** So much more audio of that sentence went to the mouth. */
  z.object({ type: z.literal('sound'), turn, ms, words: z.array(wordSchema) }),
  /** All of that sentence did. */
  z.object({ type: z.literal('sentence-ended'), turn }),
  /** The answer is over, played or cut off: what was heard of it is in the context. */
  z.object({ type: z.literal('reply-over'), turn }),
  /** A script answers the turn: its state before and after that, as JSON. */
  z.object({ type: z.literal('script'), turn, before: z.unknown(), after: z.unknown() }),
] as const;

const agentNoteSchema = z.discriminatedUnion('type', agentNotes);
export type SharedNote = z.infer<typeof agentNoteSchema>;

/** What the agent tells its core. Positions are samples of the ear's stream clock. */
export type AgentNote =
  | SharedNote
  /**
   * The turn is certain and its words are in the context: sound up to `position` need not be heard again. Null for a turn
   * without sound.
   */
  | { readonly type: 'heard'; readonly turn: number; readonly position: number | null }
  /** Nothing was said up to there. */
  | { readonly type: 'listened'; readonly position: number };

/** As the core tells it to the POP, with packets of the caller in place of positions. */
export const wireNoteSchema = z.discriminatedUnion('type', [
  ...agentNotes,
  z.object({ type: z.literal('heard'), turn, packet: z.number().int().nonnegative().nullable() }),
  z.object({ type: z.literal('listened'), packet: z.number().int().nonnegative() }),
  /** The agent was given so many messages of the client's in all. */
  z.object({ type: z.literal('messages'), given: z.number().int().positive() }),
  /** A stretch of an utterance began to leave the mouth: its `atMs` is the RTP timestamp `timestamp` (48 kHz, 32 bits). */
  z.object({ type: z.literal('stretch'), utterance: z.number().int().positive(), atMs: ms, timestamp: rtpTimestamp }),
]);
export type WireNote = z.infer<typeof wireNoteSchema>;

/** Where an agent's notes go. */
export interface CallJournal {
  /** Never throws. */
  note(note: AgentNote): void;
  /**
   * Resolves when whoever would go on with the call knows all that was noted up to now: a round trip to the POP. What
   * must not be done twice waits for it. Rejects when the call has ended before. Absent where nobody would go on.
   */
  kept?(): Promise<void>;
}
