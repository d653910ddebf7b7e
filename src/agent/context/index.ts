/** The parts of a context: its entries, its changes, and how it is kept within a budget. */
export { applyChange, type ConversationChange, conversationChangeSchema } from './conversation-change.ts';
export {
  type AgentEntry,
  type CallerEntry,
  type ConversationEntry,
  conversationEntrySchema,
  type SummaryEntry,
  type ToolEntry,
} from './conversation-entry.ts';
export { withNames } from './names.ts';
export { estimateTokens, SUMMARY_INSTRUCTIONS, summarizable, transcriptOf } from './summary.ts';
