/**
 * A call's journal at its POP: what the core's notes add up to, in order, and how far they are known. Bounded; what it
 * can't hold makes it useless rather than wrong. Owns the state; when a call is taken over is take-over.ts.
 */
import { applyNote, EMPTY_JOURNAL, type JournalState, type WireNote } from '../agent/journal/index.ts';
import { fitted, type Resume } from './take-over.ts';

export interface CallJournalOptions {
  /** Characters of notes since the journal's beginning that are kept at the most. @defaultValue 4000000 */
  maxCharacters?: number;
  /** It was given up, once: another core would begin without it. */
  onGivenUp?: () => void;
}

export interface JournalFrame {
  from: number;
  restart: boolean;
  notes: readonly WireNote[];
}

const MAX_CHARACTERS = 4_000_000;

export class CallJournal {
  readonly #options: CallJournalOptions;
  #state: JournalState = EMPTY_JOURNAL;
  /** Number of the newest note. */
  #newest = 0;
  #characters = 0;
  #givenUp = false;
  /** What this core was told; until it has written, the one after it is told the same. */
  #resume: Resume | null = null;

  constructor(options: CallJournalOptions = {}) {
    this.#options = options;
  }

  /** Number of the newest note; 0 before the first. */
  get newest(): number {
    return this.#newest;
  }

  /** What the notes add up to; null when there are none of an agent's, or they were too many. */
  get state(): JournalState | null {
    const { context, consumed, heardTurn, reply } = this.#state;
    const blank = context.length === 0 && consumed === null && heardTurn < 0 && reply === null;
    return this.#givenUp || blank ? null : this.#state;
  }

  /** Messages of the client's that the agent was given by the present core. */
  get messagesGiven(): number {
    return this.#state.messages;
  }

  /**
   * Takes what is new of a frame.
   * @returns number of the newest note, to be acknowledged; null when an earlier frame is missing
   */
  take({ from, restart, notes }: JournalFrame): number | null {
    if (restart && from > this.#newest) {
      this.#state = EMPTY_JOURNAL;
      this.#resume = null;
      this.#newest = from - 1;
      this.#characters = 0;
    }
    if (from > this.#newest + 1) return null;
    for (const [index, note] of notes.entries()) {
      if (from + index <= this.#newest) continue;
      this.#newest = from + index;
      this.#add(note);
    }
    return this.#newest;
  }

  /**
   * Another core may write from now on, in its own numbering and its own journal; this one stays as it is.
   * @param playedTimestamp how far the present one was played
   * @returns what that core is to be told, null when there is nothing to go on with, and its journal
   */
  following(playedTimestamp: number | null): { resume: Resume | null; journal: CallJournal } {
    const { state } = this;
    const journal = new CallJournal(this.#options);
    journal.#state = this.#state;
    journal.#characters = this.#characters;
    journal.#givenUp = this.#givenUp;
    journal.#resume = this.#resume ?? (state === null ? null : { journal: fitted(state), playedTimestamp });
    return { resume: journal.#resume, journal };
  }

  #add(note: WireNote): void {
    if (this.#givenUp) return;
    this.#characters += charactersOf(note);
    if (this.#characters > (this.#options.maxCharacters ?? MAX_CHARACTERS)) {
      this.#givenUp = true;
      this.#state = EMPTY_JOURNAL;
      this.#options.onGivenUp?.();
      return;
    }
    this.#state = applyNote(this.#state, note);
  }
}

/** Only what lasts counts: an answer's words are forgotten with it. */
function charactersOf(note: WireNote): number {
  return note.type === 'context' ? JSON.stringify(note.change.added).length : 0;
}
