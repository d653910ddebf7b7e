/**
 * Which of Smart Turn's 400 tokens are computed. The model was trained on 8 s with silence in front of what was said, so
 * the silence can't be left out; but its tokens are nearly alike, and one of four, counted four times where tokens are
 * weighed against one another, stands for it. What was said is kept whole. Owns the choice; the graph that takes it is
 * lean-graph.ts's.
 */

/** 8 s. */
export const SMART_TURN_TOKENS = 400;
/** Frames of the log-mel in a token. */
export const FRAMES_OF_TOKEN = 2;

const SAMPLES_OF_TOKEN = 320;
/** Tokens before the sound that are kept whole. */
const MARGIN_TOKENS = 10;
/** First tokens of the silence: what attention falls back on. */
const HEAD_TOKENS = 2;
/** Tokens of the silence that one stands for. */
const STRIDE = 4;
/** Few lengths are used, since memory is laid out for each. */
const STEP_TOKENS = 16;

export interface KeptTokens {
  /** Where in the 8 s they lie, ascending. */
  readonly positions: BigInt64Array;
  /** Natural logarithm of how many each stands for. */
  readonly logWeights: Float32Array;
}

const chosen = new Map<number, KeptTokens>();

/** @param samples of sound at 16 kHz, more than 8 s count as 8 s */
export function keptTokens(samples: number): KeptTokens {
  const wanted = Math.ceil(samples / SAMPLES_OF_TOKEN) + MARGIN_TOKENS;
  const whole = Math.min(SMART_TURN_TOKENS, Math.ceil(wanted / STEP_TOKENS) * STEP_TOKENS);
  let tokens = chosen.get(whole);
  if (tokens === undefined) {
    tokens = choose(whole);
    chosen.set(whole, tokens);
  }
  return tokens;
}

function choose(whole: number): KeptTokens {
  const silent = SMART_TURN_TOKENS - whole;
  const positions: number[] = [];
  const weights: number[] = [];
  const keep = (position: number, weight: number) => {
    positions.push(position);
    weights.push(weight);
  };
  let at = 0;
  for (; at < Math.min(HEAD_TOKENS, silent); at++) keep(at, 1);
  while (at < silent) {
    const weight = Math.min(STRIDE, silent - at);
    keep(at + Math.floor((weight - 1) / 2), weight);
    at += weight;
  }
  for (; at < SMART_TURN_TOKENS; at++) keep(at, 1);
  return {
    positions: BigInt64Array.from(positions, BigInt),
    logWeights: Float32Array.from(weights, (weight) => Math.log(weight)),
  };
}
