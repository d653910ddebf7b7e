/**
 * Which of the caller's sound a speech-to-speech service is given when turns are ours: from a little before a turn's
 * beginning to its end, each frame once. Keeps the latest sound, since a turn is noticed late. Decides about no turn.
 */
import type { Turn } from '../turn.ts';
import { EAR_SAMPLE_RATE, type EarFrame } from '../types.ts';

export interface ConverseEarOptions {
  /** Sound from before the first voiced window, for soft beginnings. */
  prerollMs?: number;
  /** How far back sound is kept: a turn over the agent is one only when it is adopted. */
  keptMs?: number;
}

export const CONVERSE_EAR_DEFAULTS = { prerollMs: 250, keptMs: 10_000 } as const;

export class ConverseEar {
  readonly #options: Required<ConverseEarOptions>;
  readonly #kept: EarFrame[] = [];
  #turn: Turn | null = null;
  #give: ((pcm: Int16Array) => void) | null = null;
  /** Everything before this position was given. */
  #givenTo = 0;

  constructor(options: ConverseEarOptions = {}) {
    this.#options = { ...CONVERSE_EAR_DEFAULTS, ...options };
  }

  heard(frame: EarFrame): void {
    this.#kept.push(frame);
    const oldest = frame.position - (this.#options.keptMs * EAR_SAMPLE_RATE) / 1_000;
    while (this.#kept.length > 0 && this.#kept[0]!.position < oldest) this.#kept.shift();
    if (this.#give !== null) this.#pass(frame);
  }

  /** Give everything of this turn, from a little before `position` on. */
  feed(turn: Turn, position: number, give: (pcm: Int16Array) => void): void {
    this.#turn = turn;
    this.#give = give;
    const from = position - (this.#options.prerollMs * EAR_SAMPLE_RATE) / 1_000;
    for (const frame of this.#kept) if (frame.position >= Math.max(from, this.#givenTo)) this.#pass(frame);
  }

  #pass(frame: EarFrame): void {
    this.#givenTo = frame.position + frame.pcm.length;
    this.#give?.(frame.pcm);
  }

  /** Give no more of this turn; tells whether it was giving. */
  stop(turn: Turn): boolean {
    if (this.#turn !== turn) return false;
    this.#turn = null;
    this.#give = null;
    return true;
  }

  close(): void {
    this.#turn = null;
    this.#give = null;
    this.#kept.length = 0;
  }
}
