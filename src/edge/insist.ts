/** Tries something again while its failure is of the passing kind and time is left. */
import { type Clock, delay } from '../clock.ts';
import { asAntipodeError } from '../errors.ts';

export interface InsistOptions {
  clock: Clock;
  /** Stops the attempts; the call then rejects with the signal's reason. */
  signal: AbortSignal;
  /** No attempt begins later than this after the first. */
  timeoutMs: number;
  /** @defaultValue 100, doubled at each attempt up to 1 s */
  firstWaitMs?: number;
}

const LONGEST_WAIT_MS = 1_000;

/** @throws the last failure, as an AntipodeError, once it is not retryable or time is up */
export async function insist<T>(attempt: () => Promise<T>, options: InsistOptions): Promise<T> {
  const { clock, signal, timeoutMs, firstWaitMs = 100 } = options;
  const untilMs = clock.now() + timeoutMs;
  for (let waitMs = firstWaitMs; ; waitMs = Math.min(LONGEST_WAIT_MS, waitMs * 2)) {
    signal.throwIfAborted();
    try {
      return await attempt();
    } catch (error) {
      const failure = asAntipodeError(error);
      if (!failure.retryable || clock.now() + waitMs > untilMs) throw failure;
    }
    await delay(clock, waitMs, signal);
  }
}
