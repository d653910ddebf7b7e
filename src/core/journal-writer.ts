/**
 * Writes one call's journal to its POP: notes in order, in frames that wait for nothing, kept until the POP has them.
 * What was lost with a channel is sent again; what grew too long is replaced by the state that it adds up to. Owns the
 * numbering; sends by a function.
 */
import { applyNote, EMPTY_JOURNAL, type JournalState, notesOf, type WireNote } from '../agent/journal/index.ts';
import { AntipodeError } from '../errors.ts';

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
/** Sound that may be told with what comes next. */
const MAX_UNSENT_SOUND_MS = 200;
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
  /** How many of them were sent over the present channel. */
  #sent = 0;
  /** How many of them were sent at all: the POP may have them. */
  #shown = 0;
  /** The first that waits begins the state anew. */
  #restart = true;
  /** Too much waited: what there is is told from the start when the POP is back. */
  #overflowed = false;
  #scheduled = false;
  #unsentSoundMs = 0;
  #paused = false;
  #closed = false;
  /** Who waits until the POP has notes up to a number; null while the notes are to be numbered anew. */
  #keepers: { upTo: number | null; readonly kept: PromiseWithResolvers<void> }[] = [];

  constructor(options: JournalWriterOptions) {
    this.#options = options;
    this.#maxWaiting = options.maxWaiting ?? MAX_WAITING;
    for (const note of notesOf(options.state ?? EMPTY_JOURNAL)) this.note(note);
  }

  /** What the notes add up to. */
  get state(): JournalState {
    return this.#state;
  }

  /** Number of the newest note that was sent; 0 before the first. */
  get newest(): number {
    return this.#first + this.#sent - 1;
  }

  /** Whether everything that was noted could be sent. */
  get isWhole(): boolean {
    this.flush();
    return !this.#overflowed && this.#sent === this.#waiting.length;
  }

  /** Sends what there is; what is noted from now on waits for `goOn`. Idempotent. */
  pause(): void {
    this.flush();
    this.#paused = true;
  }

  /** What waited goes out. */
  goOn(): void {
    this.#paused = false;
    this.flush();
  }

  /** Notes that the POP has not acknowledged. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /** Sent with whatever else is noted in this turn of the event loop; a tool that begins, at once. */
  note(note: WireNote): void {
    if (this.#closed) return;
    this.#state = applyNote(this.#state, note);
    if (this.#overflowed) return;
    if (this.#waiting.length >= this.#maxWaiting) {
      this.#overflowed = true;
      this.#waiting = [];
      for (const keeper of this.#keepers) keeper.upTo = null;
      return;
    }
    this.#add(note);
    if (beginsTool(note)) this.flush();
    else if (!this.#scheduled && !this.#mayWait(note)) {
      this.#scheduled = true;
      queueMicrotask(() => this.flush());
    }
  }

  /**
   * Resolves when the POP has all that was noted up to now: for what must not be done twice, whatever becomes of this
   * core.
   * @throws ERR_SESSION_ENDED when the writer is closed before that
   */
  whenKept(): Promise<void> {
    if (this.#closed) return Promise.reject(ended());
    this.flush();
    if (!this.#overflowed && this.#waiting.length === 0) return Promise.resolve();
    const kept = Promise.withResolvers<void>();
    this.#keepers.push({ upTo: this.#overflowed ? null : this.#newestNoted, kept });
    return kept.promise;
  }

  /** Sends what waits for the end of the present turn of the event loop. */
  flush(): void {
    this.#scheduled = false;
    this.#unsentSoundMs = 0;
    while (!this.#closed && !this.#paused && this.#sent < this.#waiting.length) {
      const notes = this.#nextNotes();
      const restart = this.#restart && this.#sent === 0;
      if (!this.#options.send({ from: this.#first + this.#sent, restart, notes })) return;
      this.#sent += notes.length;
      this.#shown = Math.max(this.#shown, this.#sent);
    }
  }

  /** The POP has all notes up to number `to`. One that claims more than was sent is not believed. */
  acknowledged(to: number): void {
    const count = to - this.#first + 1;
    if (count > this.#shown) return;
    if (count > 0) {
      this.#waiting.splice(0, count);
      this.#first += count;
      this.#shown -= count;
      this.#sent = Math.max(0, this.#sent - count);
      this.#restart = false;
      this.#tellKeepers();
    }
    if (this.#overflowed) this.#startAnew();
  }

  /** The way to the POP is there again: what it may not have got goes out. */
  resend(): void {
    if (this.#overflowed) this.#startAnew();
    this.#sent = 0;
    this.flush();
  }

  /** Another POP is to have it, whole, with the next `resend`. Its caller's packets and messages have other numbers. */
  beginAnew(): void {
    if (this.#closed) return;
    this.#state = { ...this.#state, consumed: null, messages: 0 };
    this.#overflowed = true;
    this.#waiting = [];
    this.#sent = 0;
    for (const keeper of this.#keepers) keeper.upTo = null;
  }

  /** Idempotent. */
  close(): void {
    this.#closed = true;
    this.#waiting = [];
    for (const { kept } of this.#keepers.splice(0)) kept.reject(ended());
  }

  get #newestNoted(): number {
    return this.#first + this.#waiting.length - 1;
  }

  #tellKeepers(): void {
    const isKept = (upTo: number | null): boolean => upTo !== null && upTo < this.#first;
    for (const { upTo, kept } of this.#keepers) if (isKept(upTo)) kept.resolve();
    this.#keepers = this.#keepers.filter(({ upTo }) => !isKept(upTo));
  }

  /** A voice and a model bring theirs in many small pieces, which become one while they wait. */
  #add(note: WireNote): void {
    const last = this.#waiting.length > this.#shown ? this.#waiting.at(-1) : undefined;
    const joined = last && joinedNotes(last, note);
    if (joined) this.#waiting[this.#waiting.length - 1] = joined;
    else this.#waiting.push(note);
  }

  /** Goes with what comes next: a sentence follows the words, and sound is a little ahead of what is played. */
  #mayWait(note: WireNote): boolean {
    if (note.type === 'sound') {
      this.#unsentSoundMs += note.ms;
      return this.#unsentSoundMs < MAX_UNSENT_SOUND_MS;
    }
    return note.type === 'reply';
  }

  /** As many of those that were not sent as a frame holds. */
  #nextNotes(): WireNote[] {
    const notes: WireNote[] = [];
    let characters = 0;
    for (let index = this.#sent; index < this.#waiting.length; index++) {
      const note = this.#waiting[index] as WireNote;
      characters += JSON.stringify(note).length;
      if (notes.length > 0 && characters > MAX_FRAME_CHARACTERS) break;
      notes.push(note);
    }
    return notes;
  }

  #startAnew(): void {
    this.#overflowed = false;
    this.#first += this.#shown;
    this.#sent = 0;
    this.#shown = 0;
    this.#restart = true;
    this.#waiting = notesOf(this.#state);
    // What was noted is within the state, whatever its number was.
    for (const keeper of this.#keepers) keeper.upTo = this.#newestNoted;
    this.flush();
  }
}

function ended(): AntipodeError {
  return new AntipodeError('ERR_SESSION_ENDED', 'The session ended before its POP had the journal.');
}

function joinedNotes(first: WireNote, second: WireNote): WireNote | null {
  if (first.type === 'reply' && second.type === 'reply' && first.turn === second.turn) {
    return { ...first, text: first.text + second.text };
  }
  if (first.type === 'sound' && second.type === 'sound' && first.turn === second.turn) {
    return { ...first, ms: first.ms + second.ms, words: [...first.words, ...second.words] };
  }
  return null;
}

function beginsTool(note: WireNote): boolean {
  return note.type === 'context' && note.change.added.some((entry) => entry.role === 'tool' && entry.pending === true);
}
