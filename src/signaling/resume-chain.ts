/**
 * Which resume token of a session is good. Token n buys token n+1; n stays good until n+1 has itself been used, so a
 * client that lost the answer (and with it n+1) comes back with n as often as it must, while whoever shows an n whose
 * successor was used is refused. Pure; the tokens themselves are tokens.ts.
 */
export interface ResumeChain {
  /** Generation of the newest token that was handed out. */
  readonly newest: number;
}

/** The chain after the join answer handed out its first token. */
export const FIRST_RESUME_TOKEN: ResumeChain = { newest: 1 };

/** Whether a token of this generation opens the session. */
export function mayResume(chain: ResumeChain, generation: number): boolean {
  return generation >= 1 && (generation === chain.newest || generation === chain.newest - 1);
}

/**
 * Whether a token of this generation opens the session at another POP, which knows the newest one from the registry, and
 * perhaps not the very newest: a later token than that one proves itself, since n+1 is signed for whoever used n.
 * @param known newest generation in the registry; null when it has none
 */
export function mayComeBackBy(known: number | null, generation: number): boolean {
  return generation >= 1 && generation >= (known ?? FIRST_RESUME_TOKEN.newest) - 1;
}

/** The chain after a token of this generation was used: its successor is the newest, also when handed out before. */
export function resumedWith(chain: ResumeChain, generation: number): ResumeChain {
  if (!mayResume(chain, generation)) throw new RangeError(`generation ${generation} is not good in this chain`);
  return { newest: generation + 1 };
}
