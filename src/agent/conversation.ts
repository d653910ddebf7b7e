/**
 * The context: who said what, in order, with the agent's words exactly as far as the caller heard them. Stages write
 * it, language models read it. Holds no audio and no timing.
 */
import type { Turn } from './turn.ts';

export interface CallerEntry {
  readonly role: 'caller';
  readonly turn: number;
  readonly text: string;
}

export interface AgentEntry {
  readonly role: 'agent';
  readonly turn: number;
  /** What was heard of it. */
  readonly text: string;
  readonly interrupted: boolean;
}

/** A tool call that was made and what it answered. */
export interface ToolEntry {
  readonly role: 'tool';
  readonly turn: number;
  readonly callId: string;
  readonly name: string;
  /** JSON, as the model wrote it. */
  readonly arguments: string;
  /** JSON or plain words. */
  readonly result: string;
}

export type ConversationEntry = CallerEntry | AgentEntry | ToolEntry;

export interface ConversationOptions {
  /** The oldest entries go beyond this. */
  maxEntries?: number;
}

export const CONVERSATION_DEFAULTS = { maxEntries: 400 } as const;

export class Conversation {
  readonly #maxEntries: number;
  #entries: ConversationEntry[] = [];

  constructor(options: ConversationOptions = {}) {
    this.#maxEntries = options.maxEntries ?? CONVERSATION_DEFAULTS.maxEntries;
  }

  get entries(): readonly ConversationEntry[] {
    return this.#entries;
  }

  /** The caller's words of a turn; they replace those of the unheard turn that it carries on. */
  callerSaid(turn: Turn, text: string): void {
    const replaced = new Set([turn.number]);
    for (let before = turn.continues; before !== null; before = before.continues) replaced.add(before.number);
    this.#entries = this.#entries.filter((entry) => entry.role !== 'caller' || !replaced.has(entry.turn));
    if (text !== '') this.#add({ role: 'caller', turn: turn.number, text });
  }

  /** What the caller heard of a turn's reply; nothing is recorded when that was nothing. */
  agentSaid(turn: Turn, text: string, interrupted: boolean): void {
    if (text !== '') this.#add({ role: 'agent', turn: turn.number, text, interrupted });
  }

  toolAnswered(turn: Turn, call: { callId: string; name: string; arguments: string }, result: string): void {
    const { callId, name, arguments: written } = call;
    this.#add({ role: 'tool', turn: turn.number, callId, name, arguments: written, result });
  }

  #add(entry: ConversationEntry): void {
    this.#entries.push(entry);
    if (this.#entries.length > this.#maxEntries) this.#entries.splice(0, this.#entries.length - this.#maxEntries);
  }
}
