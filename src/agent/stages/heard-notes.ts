/**
 * Notes in the journal which of the caller's sound need not be heard again: turns whose words are certain, and silence in
 * which nothing is owed. Owns how often; what is heard is transcribe.ts.
 */
import type { CallJournal } from '../journal/index.ts';
import type { Turn } from '../turn.ts';
import { EAR_SAMPLE_RATE } from '../types.ts';

/** So much of the latest silence is left out: a turn may begin in it. */
const LEFT_OUT_MS = 1_000;
const EVERY_MS = 2_000;

export class HeardNotes {
  readonly #journal: CallJournal | undefined;
  readonly #heard = new WeakSet<Turn>();
  #notedTo = 0;

  constructor(journal: CallJournal | undefined) {
    this.#journal = journal;
  }

  /** The turn is certain and its words are in the context. @param position end of its sound, samples; null without any */
  heard(turn: Turn, position: number | null): void {
    this.#heard.add(turn);
    this.#journal?.note({ type: 'heard', turn: turn.number, position });
  }

  /**
   * The caller has been silent for `quietMs` at `position` (samples).
   * @param turns those whose sound is kept
   */
  silence(quietMs: number, position: number, turns: Iterable<Turn>): void {
    const since = ((position - this.#notedTo) * 1_000) / EAR_SAMPLE_RATE;
    if (this.#journal === undefined || quietMs < LEFT_OUT_MS || since < EVERY_MS) return;
    for (const turn of turns) if (!this.#heard.has(turn)) return;
    this.#notedTo = position;
    this.#journal.note({ type: 'listened', position: position - (LEFT_OUT_MS * EAR_SAMPLE_RATE) / 1_000 });
  }
}
