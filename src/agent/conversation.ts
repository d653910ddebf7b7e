/**
 * The context: who said what, in order, with the agent's words exactly as far as the caller heard them. Stages write
 * it, language models read it. Holds no audio and no timing.
 */
import { z } from 'zod';
import { AntipodeError } from '../errors.ts';
import type { Turn } from './turn.ts';

const turn = z.number().int().nonnegative();

const callerEntry = z.object({ role: z.literal('caller'), turn, text: z.string().min(1) });
const agentEntry = z.object({
  role: z.literal('agent'),
  turn,
  /** What was heard of it. */
  text: z.string().min(1),
  interrupted: z.boolean(),
});
/** A tool call that was made and what it answered. */
const toolEntry = z.object({
  role: z.literal('tool'),
  turn,
  callId: z.string(),
  name: z.string(),
  /** JSON, as the model wrote it. */
  arguments: z.string(),
  /** JSON or plain words. */
  result: z.string(),
});
const conversationEntry = z.discriminatedUnion('role', [callerEntry, agentEntry, toolEntry]);
const snapshotSchema = z.strictObject({ version: z.literal(1), entries: z.array(conversationEntry).max(10_000) });

export type CallerEntry = Readonly<z.infer<typeof callerEntry>>;
export type AgentEntry = Readonly<z.infer<typeof agentEntry>>;
export type ToolEntry = Readonly<z.infer<typeof toolEntry>>;
export type ConversationEntry = CallerEntry | AgentEntry | ToolEntry;

/** A context as JSON, for another process to go on with. */
export interface ConversationSnapshot {
  version: 1;
  entries: ConversationEntry[];
}

export interface ConversationOptions {
  /** The oldest entries go beyond this. */
  maxEntries?: number;
  /** Told of every change, in order: the entry that came, and the turns whose caller entry it took the place of. */
  onChange?(entry: ConversationEntry, replacedTurns: readonly number[]): void;
}

export const CONVERSATION_DEFAULTS = { maxEntries: 400 } as const;

export class Conversation {
  readonly #maxEntries: number;
  readonly #onChange: ConversationOptions['onChange'];
  #entries: ConversationEntry[] = [];

  constructor(options: ConversationOptions = {}) {
    this.#maxEntries = options.maxEntries ?? CONVERSATION_DEFAULTS.maxEntries;
    this.#onChange = options.onChange;
  }

  /**
   * Go on with what another conversation was exported as.
   * @throws ERR_REQUEST_MALFORMED when it is no snapshot of a known version
   */
  static import(snapshot: unknown, options: ConversationOptions = {}): Conversation {
    const read = snapshotSchema.safeParse(snapshot);
    if (!read.success) {
      const issue = read.error.issues[0];
      const path = issue?.path.join('.') ?? '';
      throw new AntipodeError('ERR_REQUEST_MALFORMED', `No conversation: ${path}: ${issue?.message}`, { path });
    }
    const conversation = new Conversation(options);
    conversation.#entries = read.data.entries.slice(-conversation.#maxEntries);
    return conversation;
  }

  /** All of it as JSON. */
  export(): ConversationSnapshot {
    return { version: 1, entries: structuredClone(this.#entries) };
  }

  get entries(): readonly ConversationEntry[] {
    return this.#entries;
  }

  /** The caller's words of a turn; they replace those of the unheard turn that it carries on. */
  callerSaid(turn: Turn, text: string): void {
    const replaced = new Set([turn.number]);
    for (let before = turn.continues; before !== null; before = before.continues) replaced.add(before.number);
    this.#entries = this.#entries.filter((entry) => entry.role !== 'caller' || !replaced.has(entry.turn));
    if (text !== '') this.#add({ role: 'caller', turn: turn.number, text }, [...replaced]);
  }

  /** What the caller heard of a turn's reply; nothing is recorded when that was nothing. */
  agentSaid(turn: Turn, text: string, interrupted: boolean): void {
    if (text !== '') this.#add({ role: 'agent', turn: turn.number, text, interrupted });
  }

  toolAnswered(turn: Turn, call: { callId: string; name: string; arguments: string }, result: string): void {
    const { callId, name, arguments: written } = call;
    this.#add({ role: 'tool', turn: turn.number, callId, name, arguments: written, result });
  }

  #add(entry: ConversationEntry, replacedTurns: readonly number[] = []): void {
    this.#entries.push(entry);
    if (this.#entries.length > this.#maxEntries) this.#entries.splice(0, this.#entries.length - this.#maxEntries);
    this.#onChange?.(entry, replacedTurns);
  }
}
