/** Times as people read them. */

/** `0.4 ms`, `6.2 ms`, `147 ms`. */
export function milliseconds(ms: number): string {
  return `${ms > 0 && ms < 9.95 ? ms.toFixed(1) : Math.round(ms)} ms`;
}

/** A round trip, which no clock of a browser measures below a millisecond. */
export function roundTrip(ms: number): string {
  return ms < 1 ? 'under 1 ms' : milliseconds(ms);
}
