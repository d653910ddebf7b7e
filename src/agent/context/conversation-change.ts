/**
 * One change of a context, as JSON for a journal. Every mutation is one: entries are taken out at a place and others
 * put there. Whoever applies all of them in order has the same context.
 */
import { z } from 'zod';
import { type ConversationEntry, conversationEntrySchema } from './conversation-entry.ts';

export const conversationChangeSchema = z.strictObject({
  /** Index of the first entry that it touches. */
  at: z.number().int().nonnegative(),
  /** Entries that go, from there on. */
  removed: z.number().int().nonnegative(),
  /** Entries that come in their place. */
  added: z.array(conversationEntrySchema),
});

export interface ConversationChange {
  readonly at: number;
  readonly removed: number;
  readonly added: readonly ConversationEntry[];
}

/** The entries after a change, as a new array. */
export function applyChange(
  entries: readonly ConversationEntry[],
  { at, removed, added }: ConversationChange,
): ConversationEntry[] {
  return entries.toSpliced(at, removed, ...added);
}
