/**
 * By which POP a caller who was lost comes back: its own at first, and soon the others as well, as RFC 8305 does with
 * addresses. Sockets are opened side by side, but the resume token is shown to one POP after the other, in the order in
 * which they opened, so that it never counts twice. Used by the page and by `antipode call`; knows no socket by itself.
 */
import { type Clock, delay } from '../clock.ts';
import type { OtherPop } from '../signaling/protocol.ts';

/** Where a POP's signaling is; `pop` and `region` are null where nobody has told. */
export interface Door {
  readonly pop: string | null;
  readonly region: string | null;
  readonly signalingUrl: string;
}

export interface WayBackOptions<Socket, Answer> {
  /** In the order in which they are tried; at least one. */
  doors: readonly Door[];
  open(door: Door, signal: AbortSignal): Promise<Socket>;
  /** Shows the resume token. */
  enter(socket: Socket, door: Door): Promise<Answer>;
  close(socket: Socket): void;
  judge(error: unknown, door: Door): Verdict;
  clock: Clock;
  signal: AbortSignal;
  /** The next door is tried as well when nothing came of the ones before for so long. @defaultValue 300 */
  staggerMs?: number;
  /** A POP that does not answer by then is passed over, where there is another. @defaultValue 2500 */
  answerWithinMs?: number;
}

export const WAY_BACK_DEFAULTS = { staggerMs: 300, answerWithinMs: 2_500 } as const;

export interface CameBack<Socket, Answer> {
  readonly door: Door;
  readonly socket: Socket;
  readonly answer: Answer;
}

/** The codes by which a POP says that the session is over, or the token worth nothing, wherever one asks. */
const OVER_CODES: ReadonlySet<string> = new Set([
  'ERR_SESSION_ENDED',
  'ERR_SESSION_UNKNOWN',
  'ERR_TOKEN_EXPIRED',
  'ERR_TOKEN_REPLAYED',
]);

/** `over`: the others need not be asked now; `later`: the same may succeed; `elsewhere`: not at this POP. */
export type Verdict = 'over' | 'later' | 'elsewhere';

/**
 * What a POP's refusal says of the others.
 * @param own the POP that has the session: when it can't take the caller now, it soon can
 */
export function judgeRefusal({ code, retryable }: { code: string; retryable: boolean }, own: boolean): Verdict {
  if (OVER_CODES.has(code)) return 'over';
  if (!retryable) return 'elsewhere';
  return own && code !== 'ERR_SHUTTING_DOWN' ? 'over' : 'later';
}

/** A client's own POP first, then the others, each once. */
export function doorsOf(own: Door, others: readonly OtherPop[]): Door[] {
  return [own, ...others.filter(({ signalingUrl }) => signalingUrl !== own.signalingUrl)];
}

type Knocked<Socket> = { readonly door: Door } & ({ readonly socket: Socket } | { readonly error: unknown });

/**
 * One round over all doors.
 * @throws what ends the session; else a failure after which a later round may succeed; else the first door's; the
 * signal's reason
 */
export async function comeBack<Socket, Answer>(
  options: WayBackOptions<Socket, Answer>,
): Promise<CameBack<Socket, Answer>> {
  const { doors, enter, close, judge, clock, answerWithinMs = WAY_BACK_DEFAULTS.answerWithinMs } = options;
  options.signal.throwIfAborted();
  const over = new AbortController();
  const signal = AbortSignal.any([over.signal, options.signal]);
  const knocking = new Knocking<Socket>(options, signal);
  const failures: { readonly error: unknown; readonly verdict: Verdict }[] = [];
  try {
    for (let tried = 0; tried < doors.length; tried++) {
      const next = await knocking.next();
      if ('error' in next) {
        options.signal.throwIfAborted();
        failures.push({ error: next.error, verdict: judge(next.error, next.door) });
        continue;
      }
      const { door, socket } = next;
      try {
        const entering = enter(socket, door);
        const answer = await (doors.length === 1 ? entering : within(entering, answerWithinMs, clock, options.signal));
        return { door, socket, answer };
      } catch (error) {
        close(socket);
        options.signal.throwIfAborted();
        const verdict = judge(error, door);
        if (verdict === 'over') throw error;
        failures.push({ error, verdict });
        knocking.hurry();
      }
    }
  } finally {
    over.abort(new Error('The caller came back, or gave up.'));
    knocking.closeRest();
  }
  throw (failures.find(({ verdict }) => verdict === 'later') ?? failures[0])?.error;
}

/** Opens doors one after the other, side by side, and hands them out as they open or fail. */
class Knocking<Socket> {
  readonly #options: WayBackOptions<Socket, unknown>;
  readonly #signal: AbortSignal;
  readonly #results: Knocked<Socket>[] = [];
  #waiting: (() => void) | null = null;
  #hurry: () => void = () => undefined;
  #closed = false;

  constructor(options: WayBackOptions<Socket, unknown>, signal: AbortSignal) {
    this.#options = options;
    this.#signal = signal;
    void this.#knock();
  }

  async next(): Promise<Knocked<Socket>> {
    for (;;) {
      const result = this.#results.shift();
      if (result !== undefined) return result;
      await new Promise<void>((resolve) => {
        this.#waiting = resolve;
      });
    }
  }

  /** The next door is tried at once. */
  hurry(): void {
    this.#hurry();
  }

  closeRest(): void {
    this.#closed = true;
    for (const result of this.#results) if ('socket' in result) this.#options.close(result.socket);
  }

  async #knock(): Promise<void> {
    const { doors, clock, staggerMs = WAY_BACK_DEFAULTS.staggerMs } = this.#options;
    for (const [index, door] of doors.entries()) {
      if (this.#signal.aborted) {
        this.#put({ door, error: this.#signal.reason });
        continue;
      }
      const skip = new AbortController();
      this.#hurry = () => skip.abort();
      void this.#open(door);
      if (index === doors.length - 1) return;
      // Told to hurry, or the call is over: either way there is nothing to wait for.
      await delay(clock, staggerMs, AbortSignal.any([skip.signal, this.#signal])).catch(() => undefined);
    }
  }

  async #open(door: Door): Promise<void> {
    try {
      const socket = await this.#options.open(door, this.#signal);
      if (this.#closed) this.#options.close(socket);
      else this.#put({ door, socket });
    } catch (error) {
      this.#put({ door, error });
      this.hurry();
    }
  }

  #put(result: Knocked<Socket>): void {
    this.#results.push(result);
    this.#waiting?.();
    this.#waiting = null;
  }
}

async function within<T>(work: Promise<T>, ms: number, clock: Clock, signal: AbortSignal): Promise<T> {
  const done = new AbortController();
  const late = delay(clock, ms, AbortSignal.any([done.signal, signal])).then(() => {
    throw new NoAnswerError(ms);
  });
  late.catch(() => undefined);
  try {
    return await Promise.race([work, late]);
  } finally {
    done.abort();
    work.catch(() => undefined);
  }
}

/** A POP was asked and did not answer in time. */
export class NoAnswerError extends Error {
  override readonly name = 'NoAnswerError';

  constructor(ms: number) {
    super(`No answer to resume within ${ms} ms.`);
  }
}
