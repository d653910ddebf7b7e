/**
 * Answers the POP that holds the agent for a sound of the caller: by what the agent's turn-taking does with its mouth, or
 * with a no when it does nothing. Owns the wait for it; what a sound means is decided in the agent.
 */
import type { Clock, Timer } from '../clock.ts';

export interface ReflexJudgeOptions {
  clock: Clock;
  /** Tell the POP whether it may silence the agent. */
  arm: (armed: boolean) => void;
  answer: (duck: number, verdict: 'pending' | 'rejected') => void;
  /**
   * An agent that did not pause for the sound by then took it for nothing. The sound is 80 ms old when the POP tells of
   * it; turn-taking pauses for 128 ms of voice, judged in steps of 32 ms and perhaps from a soft beginning.
   * @defaultValue 240
   */
  noticeWithinMs?: number;
}

const DEFAULT_NOTICE_WITHIN_MS = 240;

export class ReflexJudge {
  readonly #options: ReflexJudgeOptions;
  #armed = false;
  #paused = false;
  /** The duck that waits for its answer, or null. */
  #duck: number | null = null;
  #timer: Timer | null = null;
  #closed = false;

  constructor(options: ReflexJudgeOptions) {
    this.#options = options;
  }

  /** The agent lets itself be silenced by a sound, or not any more. */
  yields(on: boolean): void {
    if (this.#closed || on === this.#armed) return;
    this.#armed = on;
    this.#options.arm(on);
  }

  /** Another POP asks from now on: it holds nothing, and may what the former one might. */
  moved(): void {
    this.#forget();
    if (this.#armed) this.#options.arm(true);
  }

  /** The POP holds the agent's voice, its duck number `duck`; a later one takes the place of the one before. */
  ducked(duck: number): void {
    if (this.#closed) return;
    this.#forget();
    this.#duck = duck;
    if (this.#paused) {
      this.#options.answer(duck, 'pending');
      return;
    }
    const { clock, noticeWithinMs = DEFAULT_NOTICE_WITHIN_MS } = this.#options;
    this.#timer = clock.setTimeout(() => this.#reject(), noticeWithinMs);
  }

  /** The agent paused: it heard a voice, and decides. */
  paused(): void {
    if (this.#paused) return;
    this.#paused = true;
    this.#timer?.cancel();
    this.#timer = null;
    if (this.#duck !== null) this.#options.answer(this.#duck, 'pending');
  }

  /** The agent goes on after a pause. */
  resumed(): void {
    this.#paused = false;
    this.#reject();
  }

  /** The agent was interrupted: the flush itself tells the POP. */
  flushed(): void {
    this.#paused = false;
    this.#forget();
  }

  /** Idempotent. */
  close(): void {
    this.#closed = true;
    this.#forget();
  }

  #reject(): void {
    const duck = this.#duck;
    this.#forget();
    if (duck !== null) this.#options.answer(duck, 'rejected');
  }

  #forget(): void {
    this.#timer?.cancel();
    this.#timer = null;
    this.#duck = null;
  }
}
