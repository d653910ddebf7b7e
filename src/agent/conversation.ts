/**
 * The context: who said what, in order, with the agent's words exactly as far as the caller heard them, and each tool
 * call from its beginning. Stages write it, language models read it. Holds no audio and no timing.
 */
import { z } from 'zod';
import { AntipodeError } from '../errors.ts';
import {
  applyChange,
  type ConversationChange,
  type ConversationEntry,
  conversationEntrySchema,
  type ToolEntry,
} from './context/index.ts';
import type { Turn } from './turn.ts';

export type { AgentEntry, CallerEntry, ConversationEntry, SummaryEntry, ToolEntry } from './context/index.ts';

/** Version 1 had no summaries and no running tools; it reads the same. */
const snapshotSchema = z.strictObject({
  version: z.union([z.literal(1), z.literal(2)]),
  entries: z.array(conversationEntrySchema).max(10_000),
});

/** A context as JSON, for another process to go on with. */
export interface ConversationSnapshot {
  version: 2;
  entries: ConversationEntry[];
}

/** A call as a model wrote it. */
export interface WrittenToolCall {
  readonly callId: string;
  readonly name: string;
  readonly arguments: string;
}

/** A tool call in the context. */
export interface RecordedToolCall {
  /** What it answered. Once; later calls do nothing. */
  answer(result: string): void;
  /** It never happened for anybody: take it out, answered or not. */
  withdraw(): void;
}

export interface ConversationOptions {
  /** The oldest entries go beyond this. */
  maxEntries?: number;
  /** Told of every change, in order: whoever applies them to what the conversation began with has its entries. */
  onChange?(change: ConversationChange): void;
}

export const CONVERSATION_DEFAULTS = { maxEntries: 400 } as const;

/** What a model reads while a tool runs, so that it does not call it again. */
const STILL_RUNNING = 'It is still running. Its answer will stand here.';
const FATE_UNKNOWN = '{"error":"it is not known whether this was done"}';

export class Conversation {
  readonly #maxEntries: number;
  readonly #onChange: ConversationOptions['onChange'];
  #entries: readonly ConversationEntry[] = [];

  constructor(options: ConversationOptions = {}) {
    this.#maxEntries = options.maxEntries ?? CONVERSATION_DEFAULTS.maxEntries;
    this.#onChange = options.onChange;
  }

  /**
   * Go on with what another conversation was exported as. A tool that ran there has nobody here to hear its answer: the
   * model is told that its fate is unknown.
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
    conversation.#entries = read.data.entries
      .slice(-conversation.#maxEntries)
      .map((entry) => (entry.role === 'tool' && entry.pending ? answered(entry, FATE_UNKNOWN) : entry));
    return conversation;
  }

  /** All of it as JSON. */
  export(): ConversationSnapshot {
    return { version: 2, entries: structuredClone([...this.#entries]) };
  }

  /** As it is now; a later change makes a new array. */
  get entries(): readonly ConversationEntry[] {
    return this.#entries;
  }

  /**
   * The caller's words of a turn. They stand where those of the unheard turn stood that it carries on, since the tools
   * that ran for that one were called by words that are among these.
   */
  callerSaid(turn: Turn, text: string): void {
    const replaced = new Set([turn.number]);
    for (let before = turn.continuesOwn; before !== null; before = before.continuesOwn) replaced.add(before.number);
    const places = this.#entries.flatMap((entry, index) =>
      entry.role === 'caller' && !entry.note && replaced.has(entry.turn) ? [index] : [],
    );
    const first = places[0];
    for (const place of places.slice(1).reverse()) this.#change({ at: place, removed: 1, added: [] });
    const { number, speaker } = turn;
    const entry: ConversationEntry = {
      role: 'caller',
      turn: number,
      text,
      ...(speaker && { speaker: { ...speaker } }),
    };
    const added = text === '' ? [] : [entry];
    if (first !== undefined) this.#change({ at: first, removed: 1, added });
    else this.#append(added);
  }

  /** Something happened that the model is to know and nobody said, such as that somebody came. */
  noted(text: string): void {
    const turn = this.#entries.at(-1)?.turn ?? 0;
    this.#append([{ role: 'caller', turn, text: `[${text}]`, note: true }]);
  }

  /** What the caller heard of a turn's reply; nothing is recorded when that was nothing. */
  agentSaid(turn: Turn, text: string, interrupted: boolean): void {
    if (text !== '') this.#append([{ role: 'agent', turn: turn.number, text, interrupted }]);
  }

  /** A tool begins: it is in the context from here on, and its answer takes its place when it has ended. */
  toolCalled(turn: Turn, { callId, name, arguments: written }: WrittenToolCall): RecordedToolCall {
    const fields = { turn: turn.number, callId, name, arguments: written };
    let current: ToolEntry | null = { role: 'tool', ...fields, result: STILL_RUNNING, pending: true };
    this.#append([current]);
    const replace = (next: ToolEntry | null): void => {
      if (current === null) return;
      const at = this.#entries.indexOf(current);
      const added = next === null ? [] : [next];
      if (at !== -1) this.#change({ at, removed: 1, added });
      else if (current.pending) this.#append(added);
      current = next;
    };
    return {
      answer(result) {
        if (current?.pending) replace(answered(current, result));
      },
      withdraw: () => replace(null),
    };
  }

  /** A tool call that was answered at once. */
  toolAnswered(turn: Turn, { callId, name, arguments: written }: WrittenToolCall, result: string): void {
    this.#append([{ role: 'tool', turn: turn.number, callId, name, arguments: written, result }]);
  }

  /**
   * A summary takes the place of the oldest entries.
   * @returns false, with nothing changed, when `oldest` are no longer exactly those
   */
  summarized(oldest: readonly ConversationEntry[], text: string): boolean {
    const last = oldest.at(-1);
    if (last === undefined || text === '' || oldest.some((entry, index) => this.#entries[index] !== entry))
      return false;
    this.#change({ at: 0, removed: oldest.length, added: [{ role: 'summary', turn: last.turn, text }] });
    return true;
  }

  #append(added: readonly ConversationEntry[]): void {
    if (added.length === 0) return;
    this.#change({ at: this.#entries.length, removed: 0, added });
    const over = this.#entries.length - this.#maxEntries;
    // A summary holds more than the entries after it.
    const at = this.#entries[0]?.role === 'summary' && this.#maxEntries > 1 ? 1 : 0;
    if (over > 0) this.#change({ at, removed: over, added: [] });
  }

  #change(change: ConversationChange): void {
    this.#entries = applyChange(this.#entries, change);
    this.#onChange?.(change);
  }
}

function answered({ pending: _, ...entry }: ToolEntry, result: string): ToolEntry {
  return { ...entry, result };
}
