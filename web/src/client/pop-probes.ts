/**
 * How far this browser is from the POPs that it may come in by. Measured while the page is open and nobody waits; a join
 * takes what is known, and waits for a measurement under way only as long as the server says. Nothing here can fail a
 * join: what was not measured is placed by the caller's address.
 */
import type { Clock } from '../../../src/clock.ts';
import { delay } from '../../../src/clock.ts';
import { PROBE_LIMITS } from '../../../src/signaling/protocol.ts';
import { type PingOptions, type Probe, pingPops } from './ping-pops.ts';
import type { ProbeCache } from './probe-cache.ts';
import { listPops, type RestOptions } from './rest.ts';

export interface PopProbesOptions extends Omit<PingOptions, 'now'> {
  clock: Clock;
  rest: RestOptions;
  cache: ProbeCache;
}

/** A measurement takes no longer than this, whoever waits or not. */
const MEASURE_LIMIT_MS = 2_000;

interface Measurement {
  /** What is known so far, by POP. */
  readonly best: Map<string, Probe>;
  withinMs: number;
  done: Promise<void>;
}

export class PopProbes {
  readonly #options: PopProbesOptions;
  #running: Measurement | null = null;

  constructor(options: PopProbesOptions) {
    this.#options = options;
  }

  /** Measures in the background unless that was done lately. */
  prepare(): void {
    if (this.#options.cache.read() === null) this.#running ??= this.#start();
  }

  /** What is known within the time that a join may wait; never rejects. */
  async forJoin(): Promise<readonly Probe[]> {
    const kept = this.#options.cache.read();
    if (kept !== null) return kept;
    this.#running ??= this.#start();
    const { best, withinMs, done } = this.#running;
    const waiting = new AbortController();
    await Promise.race([done, delay(this.#options.clock, withinMs, waiting.signal).catch(ignore)]);
    waiting.abort();
    return [...best.values()];
  }

  /** The network is another one: what was measured says nothing any more. */
  forget(): void {
    this.#running = null;
    this.#options.cache.forget();
  }

  #start(): Measurement {
    const measurement: Measurement = { best: new Map(), withinMs: PROBE_LIMITS.withinMs, done: Promise.resolve() };
    measurement.done = this.#measure(measurement)
      .catch(ignore)
      .finally(() => {
        if (this.#running === measurement) this.#running = null;
      });
    return measurement;
  }

  async #measure(measurement: Measurement): Promise<void> {
    const { clock, rest, cache } = this.#options;
    const limit = new AbortController();
    const timer = clock.setTimeout(() => limit.abort(), MEASURE_LIMIT_MS);
    try {
      const { pops, probeWithinMs } = await listPops(rest, limit.signal);
      measurement.withinMs = Math.min(probeWithinMs, PROBE_LIMITS.withinMs);
      const told = (probe: Probe) => {
        if (probe.rttMs <= PROBE_LIMITS.rttMs) measurement.best.set(probe.pop, probe);
      };
      // One POP is no choice.
      const isChoice = pops.length > 1;
      const ping = { ...this.#options, now: () => clock.now() };
      if (isChoice) await pingPops(pops.slice(0, PROBE_LIMITS.pops), ping, told, limit.signal);
      const isCurrent = this.#running === measurement;
      if (isCurrent && (!isChoice || measurement.best.size > 0)) cache.write([...measurement.best.values()]);
    } finally {
      timer.cancel();
    }
  }
}

/** For what a call goes on without. */
function ignore(): void {}
