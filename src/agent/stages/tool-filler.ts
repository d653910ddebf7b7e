/**
 * What is said while tools run long: one sentence at a time for a turn, whatever many tools run, and each sentence once
 * in a turn. Owns the timers of that; what is said goes out with the reply and is heard like all of it.
 */
import type { Clock, Timer } from '../../clock.ts';
import type { Tool } from '../services/llm.ts';
import type { Turn } from '../turn.ts';

export interface ToolFillerOptions {
  clock: Clock;
  /** From one sentence, or the model's own words, to the next. */
  spacingMs?: number;
}

export const TOOL_FILLER_DEFAULTS = { spacingMs: 4_000, fillerAfterMs: 700 } as const;

/** Where a turn's sentences go. */
export type SayFiller = (sentence: string) => void;

interface SaidInTurn {
  readonly sentences: Set<string>;
  lastAtMs: number | null;
}

export class ToolFiller {
  readonly #clock: Clock;
  readonly #spacingMs: number;
  readonly #turns = new WeakMap<Turn, SaidInTurn>();
  /** Which of its sentences a tool says next, over all turns. */
  readonly #next = new Map<string, number>();

  constructor(options: ToolFillerOptions) {
    this.#clock = options.clock;
    this.#spacingMs = options.spacingMs ?? TOOL_FILLER_DEFAULTS.spacingMs;
  }

  /** Something else was said for this turn just now: a sentence of ours would come too close. */
  spoke(turn: Turn): void {
    this.#saidIn(turn).lastAtMs = this.#clock.now();
  }

  /** A tool begins to run for a turn; call what is returned when it has ended. */
  while(tool: Tool, turn: Turn, say: SayFiller): () => void {
    const sentences = typeof tool.filler === 'string' ? [tool.filler] : (tool.filler ?? []);
    let timer: Timer | null = null;
    let over = sentences.length === 0;
    const stop = () => {
      over = true;
      timer?.cancel();
    };
    const wait = (ms: number) => {
      if (over || turn.settled) return;
      timer = this.#clock.setTimeout(() => {
        const said = this.#saidIn(turn);
        const tooEarlyMs = said.lastAtMs === null ? 0 : said.lastAtMs + this.#spacingMs - this.#clock.now();
        if (tooEarlyMs > 0) return wait(tooEarlyMs);
        const sentence = this.#pick(tool.name, sentences, said.sentences);
        if (sentence === null || turn.settled) return;
        said.sentences.add(sentence);
        said.lastAtMs = this.#clock.now();
        say(sentence);
        wait(this.#spacingMs);
      }, ms);
    };
    // Before the turn is certain nobody hears that it takes long.
    turn.onCertain(() => wait(tool.fillerAfterMs ?? TOOL_FILLER_DEFAULTS.fillerAfterMs));
    turn.onSettled(stop);
    return stop;
  }

  #saidIn(turn: Turn): SaidInTurn {
    let said = this.#turns.get(turn);
    if (said === undefined) {
      said = { sentences: new Set(), lastAtMs: null };
      this.#turns.set(turn, said);
    }
    return said;
  }

  /** The next of the tool's sentences that this turn has not had; null when it has had all. */
  #pick(tool: string, sentences: readonly string[], said: ReadonlySet<string>): string | null {
    const first = this.#next.get(tool) ?? 0;
    for (let step = 0; step < sentences.length; step++) {
      const index = (first + step) % sentences.length;
      const sentence = sentences[index]!;
      if (said.has(sentence)) continue;
      this.#next.set(tool, index + 1);
      return sentence;
    }
    return null;
  }
}
