/**
 * Two requests for one answer, the second begun some time after the first: whichever gives its first item first is the
 * answer, the other is ended at once. Owns the race alone; who is asked, and what a failure counts for, is its user's.
 */
import type { Clock, Timer } from '../../../clock.ts';
import { AntipodeError } from '../../../errors.ts';

/** Items as they come; at the end the failure to go on from, or null. Throws its signal's reason, soon after the abort. */
export type Answer<T> = AsyncGenerator<T, AntipodeError | null>;

/** `first` and `second` gave the answer; `failed`: neither did; `dropped`: whoever asked went away before. */
export type HedgeOutcome = 'first' | 'second' | 'failed' | 'dropped';

export interface HedgeOptions<T> {
  clock: Clock;
  signal: AbortSignal;
  /** The second is begun when the first has given nothing for so long; 0: together with it. */
  afterMs: number;
  first(signal: AbortSignal): Answer<T>;
  /** What to begin as the second, asked for at most once; null when there is nothing. */
  second(): ((signal: AbortSignal) => Answer<T>) | null;
  /**
   * Told once of a race with two, as soon as it is decided. `outran`: the other one was under way, and is ended after
   * this.
   */
  decided(outcome: HedgeOutcome, outran: boolean): void;
}

/** How a race ended. */
export interface HedgeEnd {
  /** Which one gave the answer, or failed last. */
  readonly by: 'first' | 'second';
  /** To go on from; null when the answer is whole. */
  readonly failure: AntipodeError | null;
}

/**
 * The answer of the faster one. An answer that ends without an item is one, too; a failure is not, as long as the other
 * is under way. When the first fails before the second was begun, that is the end.
 * @throws the signal's reason when aborted
 */
export async function* hedged<T>(options: HedgeOptions<T>): AsyncGenerator<T, HedgeEnd> {
  const { clock, signal, afterMs } = options;
  let timer: Timer | null = null;
  let isDecided = false;
  const runners: Runner<T>[] = [];
  const decide = (outcome: HedgeOutcome, outran = false) => {
    if (isDecided || runners.length < 2) return;
    isDecided = true;
    options.decided(outcome, outran);
  };
  const beginSecond = () => {
    const second = options.second();
    if (second !== null) runners.push(new Runner('second', second, signal));
  };
  try {
    const first = new Runner('first', options.first, signal);
    runners.push(first);
    if (afterMs > 0) {
      const { promise: due, resolve } = Promise.withResolvers<null>();
      timer = clock.setTimeout(() => resolve(null), afterMs);
      if ((await Promise.race([first.begun, due])) === null) beginSecond();
      timer.cancel();
    } else beginSecond();

    let { runner, step } = await Promise.race(runners.map(({ begun }) => begun));
    const other = runners.find((each) => each !== runner);
    const otherIsAlone = isFailure(step) && other !== undefined;
    if (otherIsAlone) ({ runner, step } = await other.begun);
    if (isFailure(step)) {
      decide('failed');
      return { by: runner.name, failure: step.value };
    }
    decide(runner.name, !otherIsAlone);
    if (!otherIsAlone) other?.outrun();
    while (!step.done) {
      yield step.value;
      step = await runner.answer.next();
    }
    return { by: runner.name, failure: step.value };
  } finally {
    timer?.cancel();
    decide('dropped');
    await Promise.all(runners.map((each) => each.close()));
  }
}

type Step<T> = IteratorResult<T, AntipodeError | null>;

interface Begun<T> {
  readonly runner: Runner<T>;
  readonly step: Step<T>;
}

function isFailure<T>(step: Step<T>): step is IteratorReturnResult<AntipodeError> {
  return step.done === true && step.value !== null;
}

/** One of the two, with a signal of its own. */
class Runner<T> {
  readonly name: 'first' | 'second';
  readonly answer: Answer<T>;
  /** Its first item, or its end if it has none. */
  readonly begun: Promise<Begun<T>>;
  readonly #own = new AbortController();
  readonly #stopListening: () => void;

  constructor(name: 'first' | 'second', open: (signal: AbortSignal) => Answer<T>, signal: AbortSignal) {
    this.name = name;
    const onAbort = () => this.#own.abort(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    this.#stopListening = () => signal.removeEventListener('abort', onAbort);
    this.answer = open(this.#own.signal);
    this.begun = this.answer.next().then((step) => ({ runner: this, step }));
    // Of one that was ended nobody waits any more; of the others somebody does, and hears of it there.
    this.begun.catch(() => {});
  }

  /** Another one was faster. */
  outrun(): void {
    this.#own.abort(new AntipodeError('ERR_SERVICE_FAILED', 'Another request gave the answer first.'));
  }

  /** Lets go of it; what it still says is nobody's. Idempotent. */
  async close(): Promise<void> {
    this.#stopListening();
    this.#own.abort(new AntipodeError('ERR_SERVICE_FAILED', 'The answer is not wanted any more.'));
    await this.answer.return(null);
  }
}
