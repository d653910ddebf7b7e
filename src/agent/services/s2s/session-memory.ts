/**
 * What a speech-to-speech session would have to tell a new connection: all that was said, the caller's sound where no
 * words of it are known yet, and tool calls with their results. Bounded; knows no protocol.
 */
import type { ConversationEntry } from '../../conversation.ts';

/** Something that the caller said. */
export interface CallerPart {
  readonly kind: 'caller';
  /** Null for typed words and those from before the session. */
  readonly utterance: number | null;
  text: string | null;
  /** Its sound as it was sent, until words and an answer are there; null when it is not kept. */
  chunks: string[] | null;
  /** It is whole. */
  ended: boolean;
  answered: boolean;
  /** The service's name for it on the connection that is open. */
  itemId: string | null;
  /** It was no turn: the service is to forget it as soon as it has named it. */
  unwanted: boolean;
}

export interface AgentPart {
  readonly kind: 'agent';
  text: string;
  /** The service's name for it, when it was told of it as text. */
  itemId: string | null;
}

export interface CallPart {
  readonly kind: 'call';
  readonly callId: string;
  readonly name: string;
  readonly arguments: string;
  result: string | null;
}

export type MemoryPart = CallerPart | AgentPart | CallPart;

export interface SessionMemoryOptions {
  /** The oldest go beyond this. */
  maxParts?: number;
  /** Utterances whose sound is kept. */
  maxSounds?: number;
  /** Chunks of one utterance that are kept: 2,000 of 20 ms are 40 s, and 2.5 MB. */
  maxChunks?: number;
}

export const SESSION_MEMORY_DEFAULTS = { maxParts: 400, maxSounds: 4, maxChunks: 2_000 } as const;

export class SessionMemory {
  readonly #options: Required<SessionMemoryOptions>;
  #parts: MemoryPart[];
  #utterances = 0;

  constructor(history: readonly ConversationEntry[], options: SessionMemoryOptions = {}) {
    this.#options = { ...SESSION_MEMORY_DEFAULTS, ...options };
    this.#parts = history.slice(-this.#options.maxParts).map(partOf);
  }

  get parts(): readonly MemoryPart[] {
    return this.#parts;
  }

  /** The caller begins an utterance. */
  begin(): CallerPart {
    const part: CallerPart = {
      kind: 'caller',
      utterance: this.#utterances++,
      text: null,
      chunks: [],
      ended: false,
      answered: false,
      itemId: null,
      unwanted: false,
    };
    this.#add(part);
    const sounds = this.#parts.filter((each) => each.kind === 'caller' && each.chunks !== null) as CallerPart[];
    for (const old of sounds.slice(0, -this.#options.maxSounds)) old.chunks = null;
    return part;
  }

  /** More sound of an utterance; the beginning of one that is too long goes. */
  hear(part: CallerPart, chunk: string): void {
    if (part.chunks === null) return;
    part.chunks.push(chunk);
    if (part.chunks.length > this.#options.maxChunks) part.chunks.shift();
  }

  /** The last utterance, when nobody has answered it. */
  lastUnanswered(): CallerPart | null {
    const last = this.#parts.findLast((part) => part.kind === 'caller' && part.utterance !== null);
    return last?.kind === 'caller' && !last.answered ? last : null;
  }

  ofItem(itemId: string): CallerPart | null {
    return (this.#parts.findLast((part) => part.kind === 'caller' && part.itemId === itemId) as CallerPart) ?? null;
  }

  typed(text: string): void {
    this.#add({
      kind: 'caller',
      utterance: null,
      text,
      chunks: null,
      ended: true,
      answered: false,
      itemId: null,
      unwanted: false,
    });
  }

  understood(part: CallerPart, text: string): void {
    part.text = text;
    if (part.answered) part.chunks = null;
  }

  /** Everything that was said up to here has its answer. */
  answered(): void {
    for (const part of this.#parts) {
      if (part.kind !== 'caller' || !part.ended) continue;
      part.answered = true;
      if (part.text !== null) part.chunks = null;
    }
  }

  /** Forget what the caller said and nobody answered. */
  forgetUnanswered(): void {
    this.#parts = this.#parts.filter((part) => part.kind !== 'caller' || part.answered);
  }

  /** The agent begins to say something. */
  say(): AgentPart {
    const part: AgentPart = { kind: 'agent', text: '', itemId: null };
    this.#add(part);
    return part;
  }

  forget(part: MemoryPart): void {
    this.#parts = this.#parts.filter((each) => each !== part);
  }

  called(callId: string, name: string, written: string): void {
    this.#add({ kind: 'call', callId, name, arguments: written, result: null });
  }

  /** False when there was no such call. */
  answeredCall(callId: string, result: string): boolean {
    const part = this.#parts.findLast((each) => each.kind === 'call' && each.callId === callId);
    if (part?.kind !== 'call') return false;
    part.result = result;
    return true;
  }

  #add(part: MemoryPart): void {
    this.#parts.push(part);
    if (this.#parts.length > this.#options.maxParts) this.#parts.shift();
  }
}

function partOf(entry: ConversationEntry): MemoryPart {
  switch (entry.role) {
    case 'caller':
      return said(entry.text);
    case 'agent':
      return { kind: 'agent', text: entry.text, itemId: null };
    case 'tool': {
      const { callId, name, arguments: written, result } = entry;
      return { kind: 'call', callId, name, arguments: written, result };
    }
    default:
      // A summary of what was said before comes as the caller's words, since it was made of them.
      return said(`[What was said before, in short: ${entry.text}]`);
  }
}

function said(text: string): CallerPart {
  return {
    kind: 'caller',
    utterance: null,
    text,
    chunks: null,
    ended: true,
    answered: true,
    itemId: null,
    unwanted: false,
  };
}
