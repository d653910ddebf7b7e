/**
 * What an agent told a caller and the caller is not yet known to have: kept in order, numbered, bounded. An entry goes
 * when the client's WebSocket confirmed something that was sent after it; the rest is sent again on a resume, so an
 * event reaches the client at least once.
 */
import type { ClientEvent } from '../agent/client-events.ts';

export interface EventBacklogOptions {
  /** @defaultValue 1000 */
  maxEvents?: number;
  /** Of their JSON. @defaultValue 1048576 */
  maxBytes?: number;
}

export interface BacklogEntry {
  /** Number of the event in its session, from 1, without gaps. */
  readonly seq: number;
  /** The whole frame. */
  readonly text: string;
}

const DEFAULT_MAX_EVENTS = 1_000;
const DEFAULT_MAX_BYTES = 1_048_576;

export class EventBacklog {
  readonly #maxEvents: number;
  readonly #maxBytes: number;
  #entries: BacklogEntry[] = [];
  #bytes = 0;
  #lastSeq = 0;
  #dropped = 0;

  constructor(options: EventBacklogOptions = {}) {
    this.#maxEvents = options.maxEvents ?? DEFAULT_MAX_EVENTS;
    this.#maxBytes = options.maxBytes ?? DEFAULT_MAX_BYTES;
  }

  /** Number of the newest event, 0 before the first. */
  get lastSeq(): number {
    return this.#lastSeq;
  }

  /** Events that are not confirmed, the oldest first. */
  get entries(): readonly BacklogEntry[] {
    return this.#entries;
  }

  add(event: ClientEvent): BacklogEntry {
    const seq = ++this.#lastSeq;
    const entry = { seq, text: JSON.stringify({ event: 'agent', seq, data: event }) };
    this.#entries.push(entry);
    this.#bytes += entry.text.length;
    while (this.#entries.length > 1 && (this.#entries.length > this.#maxEvents || this.#bytes > this.#maxBytes)) {
      this.#bytes -= this.#entries.shift()!.text.length;
      this.#dropped++;
    }
    return entry;
  }

  /** The client has everything up to and with `seq`. */
  confirm(seq: number): void {
    const kept = this.#entries.findIndex((entry) => entry.seq > seq);
    const gone = this.#entries.splice(0, kept === -1 ? this.#entries.length : kept);
    for (const entry of gone) this.#bytes -= entry.text.length;
  }

  /** Events that were dropped unconfirmed since this was last asked. */
  takeDropped(): number {
    const dropped = this.#dropped;
    this.#dropped = 0;
    return dropped;
  }
}
