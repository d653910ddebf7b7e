/**
 * Writes one call's journal to its POP: notes in order, in frames that wait for nothing, kept until the POP has them.
 * What was lost with a channel is sent again; what grew too long is replaced by the state that it adds up to. Owns the
 * numbering; sends by a function.
 */
import { applyNote, EMPTY_JOURNAL, type JournalState, notesOf, type WireNote } from '../agent/journal/index.ts';

export interface JournalFrame {
  /** Number of the first note, from 1; the others follow. */
  from: number;
  /** What came before it is to be forgotten: these notes begin the state anew. */
  restart: boolean;
  notes: WireNote[];
}

export interface JournalWriterOptions {
  /** False when the frame could not be sent: it is sent again after `resend`. */
  send(frame: JournalFrame): boolean;
  /** What the former core's journal added up to. */
  state?: JournalState;
  /** Notes that may wait for the POP. @defaultValue 2000 */
  maxWaiting?: number;
}

const MAX_WAITING = 2_000;
/** Well within a control frame of 256 KiB: characters may take three bytes. */
const MAX_FRAME_CHARACTERS = 60_000;

export class JournalWriter {
  readonly #options: JournalWriterOptions;
  readonly #maxWaiting: number;
  #state: JournalState = EMPTY_JOURNAL;
  /** Not acknowledged, in order. */
  #waiting: WireNote[] = [];
  /** Number of the first of them. */
  #first = 1;
  /** How many of them were sent. */
  #sent = 0;
  /** The first that waits begins the state anew. */
  #restart = true;
  /** Too much waited: what there is is told from the start when the POP is back. */
  #overflowed = false;
  #scheduled = false;
  #closed = false;

  constructor(options: JournalWriterOptions) {
    this.#options = options;
    this.#maxWaiting = options.maxWaiting ?? MAX_WAITING;
    for (const note of notesOf(options.state ?? EMPTY_JOURNAL)) this.note(note);
  }

  /** Notes that the POP has not acknowledged. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /** Sent with whatever else is noted before the next turn of the event loop; a tool that begins, at once. */
  note(note: WireNote): void {
    if (this.#closed) return;
    this.#state = applyNote(this.#state, note);
    if (this.#overflowed) return;
    if (this.#waiting.length >= this.#maxWaiting) {
      this.#overflowed = true;
      this.#waiting = [];
      return;
    }
    this.#waiting.push(note);
    if (beginsTool(note)) this.#flush();
    else if (!this.#scheduled) {
      this.#scheduled = true;
      queueMicrotask(() => this.#flush());
    }
  }

  /** The POP has all notes up to number `to`. One that claims more than was sent is not believed. */
  acknowledged(to: number): void {
    const count = to - this.#first + 1;
    if (count > this.#sent) return;
    if (count > 0) {
      this.#waiting.splice(0, count);
      this.#first += count;
      this.#sent -= count;
      this.#restart = false;
    }
    if (this.#overflowed) this.#startAnew();
  }

  /** The way to the POP is there again: what it may not have got goes out. */
  resend(): void {
    if (this.#overflowed) this.#startAnew();
    this.#sent = 0;
    this.#flush();
  }

  /** Idempotent. */
  close(): void {
    this.#closed = true;
    this.#waiting = [];
  }

  #startAnew(): void {
    this.#overflowed = false;
    this.#first += this.#sent;
    this.#sent = 0;
    this.#restart = true;
    this.#waiting = notesOf(this.#state);
    this.#flush();
  }

  #flush(): void {
    this.#scheduled = false;
    while (!this.#closed && this.#sent < this.#waiting.length) {
      const notes: WireNote[] = [];
      let characters = 0;
      for (let index = this.#sent; index < this.#waiting.length; index++) {
        const note = this.#waiting[index] as WireNote;
        characters += JSON.stringify(note).length;
        if (notes.length > 0 && characters > MAX_FRAME_CHARACTERS) break;
        notes.push(note);
      }
      const restart = this.#restart && this.#sent === 0;
      if (!this.#options.send({ from: this.#first + this.#sent, restart, notes })) return;
      this.#sent += notes.length;
    }
  }
}

function beginsTool(note: WireNote): boolean {
  return note.type === 'context' && note.change.added.some((entry) => entry.role === 'tool' && entry.pending === true);
}
