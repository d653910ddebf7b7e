/**
 * How long a request may take: to the first of its answer, and between two parts of it. Ends it when that is over, when
 * its turn is over, or when its adapter is closed. Only waiting for the service counts: what the reader does between
 * two parts is its own affair.
 */
import type { Clock, Timer } from '../../clock.ts';
import { AntipodeError } from '../../errors.ts';

export interface DeadlineOptions {
  /** For people, in the error. */
  service: string;
  clock: Clock;
  /** Longest wait for the first of the answer, the connection included. */
  firstMs: number;
  /** Longest wait between two parts of it. */
  betweenMs: number;
  /** Of the turn. */
  signal: AbortSignal;
}

export class Deadline {
  readonly #options: DeadlineOptions;
  readonly #controller = new AbortController();
  readonly #onAbort: () => void;
  #timer: Timer | null = null;
  /** What ended the request from our side. */
  #end: { readonly reason: unknown } | null = null;
  #finished = false;

  constructor(options: DeadlineOptions) {
    this.#options = options;
    this.#onAbort = () => this.stop(options.signal.reason);
    if (options.signal.aborted) {
      this.#onAbort();
      return;
    }
    options.signal.addEventListener('abort', this.#onAbort, { once: true });
    this.#arm(options.firstMs);
  }

  /** Aborted when the request is to be given up. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Give the request up; whoever waits for it gets the reason. The first reason stays. */
  stop(reason: unknown): void {
    if (this.#end !== null || this.#finished) return;
    this.#end = { reason };
    this.#disarm();
    this.#controller.abort(reason);
  }

  /** Throw what ended the request from our side, if anything did: libraries end aborted answers silently. */
  check(): void {
    if (this.#end !== null) throw this.#end.reason;
  }

  /** Parts as they come, each read while its time runs. Nothing comes after the request was given up. */
  async *reading<Part, Read>(parts: AsyncIterable<Part>, read: (part: Part) => Read): AsyncGenerator<Read> {
    for await (const part of parts) {
      this.#disarm();
      this.check();
      yield read(part);
      this.check();
      this.#arm(this.#options.betweenMs);
    }
    this.#disarm();
    this.check();
    this.#finished = true;
  }

  /** What to throw for what the request threw: the reason of our side, if it was that. */
  reasonFor(error: unknown): unknown {
    return this.#end === null ? error : this.#end.reason;
  }

  /** An answer that was not read to its end is given up. Idempotent. */
  close(): void {
    this.stop(new AntipodeError('ERR_SERVICE_FAILED', `${this.#options.service} was not listened to.`));
    this.#disarm();
    this.#options.signal.removeEventListener('abort', this.#onAbort);
  }

  #arm(delayMs: number): void {
    const { clock, service } = this.#options;
    this.#timer = clock.setTimeout(() => {
      this.stop(new AntipodeError('ERR_SERVICE_TIMEOUT', `${service} said nothing for ${delayMs} ms.`));
    }, delayMs);
  }

  #disarm(): void {
    this.#timer?.cancel();
    this.#timer = null;
  }
}
