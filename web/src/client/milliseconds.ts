/** Times as people read them. */

/** `0.4 ms`, `6.2 ms`, `147 ms`. */
export function milliseconds(ms: number): string {
  return `${ms > 0 && ms < 9.95 ? ms.toFixed(1) : Math.round(ms)} ms`;
}

/** How long something ran that may take seconds: `342 ms`, `1.3 s`, `12 s`. */
export function duration(ms: number): string {
  if (ms < 999.5) return milliseconds(ms);
  return `${(ms / 1_000).toFixed(ms < 9_950 ? 1 : 0)} s`;
}

/** A round trip, which no clock of a browser measures below a millisecond. */
export function roundTrip(ms: number): string {
  return ms < 1 ? 'under 1 ms' : milliseconds(ms);
}
