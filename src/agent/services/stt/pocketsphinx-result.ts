/**
 * Whether to believe pocketsphinx. A grammar forces any sound into one of its sentences, and the program's own
 * confidence is always 1 with a grammar; but its log holds each word's acoustic score, relative to the best matching
 * sound of each frame. A sentence that was said has no word that fits badly for long; a forced one has.
 */

/** One word of the backtrace. */
export interface WordScore {
  readonly word: string;
  /** Frames of 10 ms. */
  readonly frames: number;
  /** Acoustic score per frame: 0 is a perfect fit, -15 usual, -45 another word. */
  readonly score: number;
}

export interface Verdict {
  readonly accepted: boolean;
  /** What the decoder made of it, believed or not. */
  readonly text: string;
  /** The worst word that was long enough to be judged; null when there was none. */
  readonly worst: WordScore | null;
}

export interface JudgeOptions {
  /** A word scoring below this is not what was said. */
  minWordScore?: number;
  /** Shorter words say too little about themselves, beside longer ones. */
  minWordFrames?: number;
}

/**
 * Measured with flite's voice slt: the worst word of 28 sentences of the front desk scores -43, the worst words of 17
 * other sentences -48 and below.
 */
export const JUDGE_DEFAULTS = { minWordScore: -46, minWordFrames: 8 } as const satisfies Required<JudgeOptions>;

/** `word start end pprob ascr lscr lback` */
const BACKTRACE_LINE = /^(\S+)[ \t]+(\d+)[ \t]+(\d+)[ \t]+[\d.]+[ \t]+(-?\d+)[ \t]+-?\d+[ \t]+\d+[ \t]*$/gm;

/**
 * @param stdout hypotheses, a line each
 * @param stderr log with backtraces
 */
export function judge(stdout: string, stderr: string, options: JudgeOptions = {}): Verdict {
  const { minWordScore, minWordFrames } = { ...JUDGE_DEFAULTS, ...options };
  const text = stdout.trim().replace(/\s+/g, ' ');
  const scores = wordScores(stderr);
  const long = scores.filter(({ frames }) => frames >= minWordFrames);
  // Nothing but short words: an answer of one syllable, or a click that became one. Then they have to speak.
  const judged = long.length > 0 ? long : scores;
  const worst = judged.reduce<WordScore | null>((low, each) => (low && low.score <= each.score ? low : each), null);
  return { accepted: text !== '' && (worst === null || worst.score >= minWordScore), text, worst };
}

function wordScores(log: string): WordScore[] {
  const scores: WordScore[] = [];
  for (const [, name, start, end, ascr] of log.matchAll(BACKTRACE_LINE)) {
    if (!name || /^[<[(]/.test(name)) continue; // silence, noise, empty transitions
    const frames = Number(end) - Number(start) + 1;
    scores.push({ word: name.replace(/\(\d+\)$/, ''), frames, score: Number(ascr) / frames });
  }
  return scores;
}
