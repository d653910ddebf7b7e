/**
 * Measures the round trip to POPs, all at once: to each one request that warms the connection and two that are timed,
 * the least of which counts. Where the browser tells the times of the request itself they are used, which leaves out
 * connecting and whatever else the page had to do; then the first request counts too. Owns no choice of POPs and no
 * cache.
 */
import type { CreateSessionRequest, PopList } from '../../../src/signaling/protocol.ts';

export type Probe = NonNullable<CreateSessionRequest['probes']>[number];

export interface PingOptions {
  fetch: typeof fetch;
  /** Milliseconds of a clock that doesn't go back. */
  now(): number;
  /** From the first byte of the request that was sent to the first of its answer, ms; null when nobody knows. */
  timingOf(url: string): number | null;
  /** Makes each request's URL its own. */
  random: () => number;
}

/** One to warm the connection, two that are timed. */
const REQUESTS_PER_POP = 3;

/**
 * Resolves when each POP has answered thrice or failed; `told` is called with each figure that is better than those
 * before it. Never rejects: what can't be measured is not told.
 */
export async function pingPops(
  pops: PopList['pops'],
  options: PingOptions,
  told: (probe: Probe) => void,
  signal: AbortSignal,
): Promise<void> {
  await Promise.all(pops.map(({ pop, probeUrl }) => pingPop(pop, probeUrl, options, told, signal)));
}

async function pingPop(
  pop: string,
  probeUrl: string,
  options: PingOptions,
  told: (probe: Probe) => void,
  signal: AbortSignal,
): Promise<void> {
  let least = Number.POSITIVE_INFINITY;
  const run = Math.floor(options.random() * 2 ** 32).toString(36);
  for (let request = 0; request < REQUESTS_PER_POP; request++) {
    const url = `${probeUrl}?n=${run}-${request}`;
    const rttMs = await ping(url, request === 0, options, signal);
    if (rttMs === 'failed') return;
    if (rttMs === null || rttMs >= least) continue;
    least = rttMs;
    told({ pop, rttMs: Math.round(rttMs * 10) / 10 });
  }
}

/** @param cold the connection may have to be made first, so that only the request's own times say anything */
async function ping(url: string, cold: boolean, options: PingOptions, signal: AbortSignal) {
  const startedMs = options.now();
  try {
    const response = await options.fetch(url, {
      ...{ cache: 'no-store', credentials: 'omit', redirect: 'error', referrerPolicy: 'no-referrer', signal },
    });
    const tookMs = options.now() - startedMs;
    // A connection is free for the next request once the answer was read.
    await response.arrayBuffer();
    if (response.status !== 204) return 'failed';
    const timedMs = options.timingOf(url);
    if (timedMs === null) return cold ? null : tookMs;
    return Math.min(timedMs, tookMs);
  } catch {
    // Out of reach, too late, or forbidden: this POP is placed by the caller's address.
    return 'failed';
  }
}

/** By the browser's resource timing, which a POP's `Timing-Allow-Origin` opens. */
export function resourceTimingOf(url: string): number | null {
  const entry = performance.getEntriesByName(url, 'resource').at(-1) as PerformanceResourceTiming | undefined;
  if (entry === undefined || entry.requestStart <= 0 || entry.responseStart <= entry.requestStart) return null;
  return entry.responseStart - entry.requestStart;
}
