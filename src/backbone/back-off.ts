/** How long a POP waits before it dials a core again: longer each time, and each POP another time. */

const FIRST_MS = 200;
const LONGEST_MS = 5_000;

/**
 * Anything up to a bound that doubles: POPs that lost a core in one moment come back evenly spread over it, and the
 * first attempts are over before a call looks for another core.
 * @param attempts that failed since the channel was last up for long enough
 * @param random 0 to 1
 */
export function reconnectDelayMs(attempts: number, random: number): number {
  return Math.min(LONGEST_MS, FIRST_MS * 2 ** Math.min(attempts, 10)) * random;
}
