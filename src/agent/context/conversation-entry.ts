/** The entries of a context: their shapes, for reading one back that comes from another process. Owns no order. */
import { z } from 'zod';
import { speakerSchema } from '../client-events.ts';

const turn = z.number().int().nonnegative();

const callerEntry = z.object({
  role: z.literal('caller'),
  turn,
  text: z.string().min(1),
  /** Who said it, in a room. */
  speaker: speakerSchema.optional(),
  /** Nobody said it: it tells the model of something that happened. */
  note: z.literal(true).optional(),
});
const agentEntry = z.object({
  role: z.literal('agent'),
  turn,
  /** What was heard of it. */
  text: z.string().min(1),
  interrupted: z.boolean(),
});
/** A tool call that was begun, and what it answered. */
const toolEntry = z.object({
  role: z.literal('tool'),
  turn,
  callId: z.string(),
  name: z.string(),
  /** JSON, as the model wrote it. */
  arguments: z.string(),
  /** JSON or plain words; says so while it still runs. */
  result: z.string(),
  /** It still runs; the entry is replaced when it has ended. */
  pending: z.literal(true).optional(),
});
/** What stands in the place of older entries. */
const summaryEntry = z.object({
  role: z.literal('summary'),
  /** The last turn that it covers. */
  turn,
  text: z.string().min(1),
});

export const conversationEntrySchema = z.discriminatedUnion('role', [callerEntry, agentEntry, toolEntry, summaryEntry]);

export type CallerEntry = Readonly<z.infer<typeof callerEntry>>;
export type AgentEntry = Readonly<z.infer<typeof agentEntry>>;
export type ToolEntry = Readonly<z.infer<typeof toolEntry>>;
export type SummaryEntry = Readonly<z.infer<typeof summaryEntry>>;
export type ConversationEntry = CallerEntry | AgentEntry | ToolEntry | SummaryEntry;
