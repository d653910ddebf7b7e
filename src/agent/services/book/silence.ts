/**
 * A stream of a service that may be given up: when an item does not come in time, or when the caller aborts. Owns the
 * timer of that wait, and lets go of it and of the stream however it ends.
 */
import type { Clock, Timer } from '../../../clock.ts';
import { AntipodeError } from '../../../errors.ts';
import { untilAborted } from '../../until-aborted.ts';

/** The service gave nothing in time, and another one takes over. */
export class SilenceError extends AntipodeError {
  constructor(service: string, firstResponseMs: number) {
    super('ERR_SERVICE_TIMEOUT', `${service} gave nothing for ${firstResponseMs} ms.`);
  }
}

export interface FirstWithinOptions {
  clock: Clock;
  signal: AbortSignal;
  /** For people. */
  service: string;
  /** Longest wait for the first item; null for as long as the service itself allows. */
  firstResponseMs: number | null;
  /** Longest wait for each item after it; null as above. What the reader does in between is its own affair. */
  betweenMs?: number | null;
}

/**
 * The items of `open(signal)`, whose signal is aborted with a `SilenceError` when one is late.
 * @throws what the stream throws; SilenceError; the signal's reason
 */
export async function* firstWithin<T>(
  open: (signal: AbortSignal) => AsyncIterable<T>,
  options: FirstWithinOptions,
): AsyncGenerator<T> {
  const { clock, service, firstResponseMs, betweenMs = null } = options;
  options.signal.throwIfAborted();
  const giveUp = new AbortController();
  const onAbort = () => giveUp.abort(options.signal.reason);
  options.signal.addEventListener('abort', onAbort, { once: true });
  const within = (ms: number | null): Timer | null =>
    ms === null ? null : clock.setTimeout(() => giveUp.abort(new SilenceError(service, ms)), ms);
  let timer = within(firstResponseMs);
  const { signal } = giveUp;
  let items: AsyncIterator<T> | null = null;
  let over = false;
  try {
    items = open(signal)[Symbol.asyncIterator]();
    for (;;) {
      // A service that does not heed its signal must not hold up the one that takes over.
      const next = await untilAborted(items.next(), signal);
      timer?.cancel();
      if (next.done) {
        over = true;
        return;
      }
      yield next.value;
      timer = within(betweenMs);
    }
  } catch (error) {
    over = !signal.aborted;
    throw error;
  } finally {
    timer?.cancel();
    options.signal.removeEventListener('abort', onAbort);
    if (!over && items !== null) void close(items, giveUp);
  }
}

/** Not waited for: it ends by its signal, and what it still says is nobody's. */
async function close(items: AsyncIterator<unknown>, giveUp: AbortController): Promise<void> {
  giveUp.abort(new AntipodeError('ERR_SERVICE_FAILED', 'The answer is not wanted any more.'));
  try {
    await items.return?.();
  } catch {
    // It was told to end, and ended with the reason that it was given.
  }
}
