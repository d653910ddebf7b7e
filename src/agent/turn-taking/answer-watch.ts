/** Gives up a turn whose answer never becomes audible and never fails: a stage that hangs must not hang the call. */
import type { Clock, Timer } from '../../clock.ts';
import type { Turn } from '../turn.ts';

export class AnswerWatch {
  readonly #clock: Clock;
  readonly #timeoutMs: number;
  readonly #onStuck: (turn: Turn) => void;
  #turn: Turn | null = null;
  #timer: Timer | null = null;

  constructor(clock: Clock, timeoutMs: number, onStuck: (turn: Turn) => void) {
    this.#clock = clock;
    this.#timeoutMs = timeoutMs;
    this.#onStuck = onStuck;
  }

  /** The turn whose answer is waited for, or null. */
  waitFor(turn: Turn | null): void {
    if (turn === this.#turn) return;
    this.#turn = turn;
    this.#timer?.cancel();
    this.#timer = turn === null ? null : this.#clock.setTimeout(() => this.#onStuck(turn), this.#timeoutMs);
  }

  close(): void {
    this.waitFor(null);
  }
}
