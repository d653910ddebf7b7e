/**
 * One answer of the OpenAI Realtime dialect as its items: what sounds where, and what the service must be told when the
 * caller cut it off, so that it knows exactly what was heard. Sends nothing.
 */
import { agentItem } from './realtime-setup.ts';
import type { AgentPart } from './session-memory.ts';

interface ReplyItem {
  readonly id: string;
  /** Milliseconds of sound that came for it. */
  ms: number;
  /** The service knows it as text, from a connection that is gone: it cannot be cut, only told anew. */
  readonly asText: boolean;
}

export class RealtimeReply {
  /** The words so far, in the session's memory. */
  readonly memory: AgentPart;
  /** Calls whose results are owed. */
  readonly owedResults = new Set<string>();
  /** Calls that were told. */
  readonly calls = new Set<string>();
  started = false;
  #items: ReplyItem[] = [];

  constructor(memory: AgentPart) {
    this.memory = memory;
  }

  item(id: string): void {
    if (!this.#items.some((each) => each.id === id)) this.#items.push({ id, ms: 0, asText: false });
  }

  sounded(id: string, ms: number): void {
    this.item(id);
    this.#items.find((each) => each.id === id)!.ms += ms;
  }

  /** On a new connection, what was said is one item of text with the name that the memory has, or none at all. */
  retold(): void {
    const { text, itemId } = this.memory;
    const ms = this.#items.reduce((sum, each) => sum + each.ms, 0);
    this.#items = text === '' || itemId === null ? [] : [{ id: itemId, ms, asText: true }];
  }

  /**
   * The messages that leave the service with what was heard. Whole items stay, one is cut in the middle, what was not
   * heard is deleted; where cutting is not possible, everything is deleted and the words are told as text.
   * @param newId name for the text
   */
  cut(heard: { playedMs: number; words: string }, options: { truncates: boolean; newId: string }): object[] {
    const messages: object[] = [];
    let left = Math.max(0, heard.playedMs);
    for (const { id, ms, asText } of this.#items) {
      const playedMs = Math.min(ms, Math.floor(left));
      left -= playedMs;
      if (playedMs >= Math.floor(ms) && ms > 0) continue;
      if (playedMs === 0) messages.push(deletion(id));
      else if (options.truncates && !asText) messages.push(truncation(id, playedMs));
      else return this.rewritten(heard.words, options.newId);
    }
    return messages;
  }

  /** The messages that put these words in the place of all that the service has of it. */
  rewritten(words: string, newId: string): object[] {
    return [...this.#items.map(({ id }) => deletion(id)), ...(words === '' ? [] : [agentItem(words, newId)])];
  }
}

export function deletion(itemId: string): object {
  return { type: 'conversation.item.delete', item_id: itemId };
}

/** `audio_end_ms` beyond the sound is refused, and so is 0: nothing heard is a deletion. */
function truncation(itemId: string, playedMs: number): object {
  return { type: 'conversation.item.truncate', item_id: itemId, content_index: 0, audio_end_ms: playedMs };
}
