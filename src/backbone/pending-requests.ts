/**
 * Requests that wait for their answers on one side of a control channel: numbers them, ends each exactly once by
 * answer, refusal, time-out or abort. Owns no connection.
 */
import type { Clock } from '../clock.ts';
import { AntipodeError } from '../errors.ts';
import { badData, type Frame } from './control-frame.ts';
import { type PopRequestAnswer, type PopRequestMethod, popRequests } from './protocol.ts';

interface Pending {
  method: PopRequestMethod;
  resolve(answer: unknown): void;
  reject(error: unknown): void;
}

export interface AskOptions<M extends PopRequestMethod> {
  method: M;
  timeoutMs: number;
  signal: AbortSignal | undefined;
  /** Puts the request with this number on its way; what it throws is the request's failure. */
  send(id: number): void;
}

export class PendingRequests {
  readonly #clock: Clock;
  readonly #waiting = new Map<number, Pending>();
  #nextId = 1;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get count(): number {
    return this.#waiting.size;
  }

  /** @throws ERR_BACKBONE_TIMEOUT, ERR_BACKBONE_PROTOCOL for an answer of the wrong shape, the signal's reason */
  ask<M extends PopRequestMethod>(options: AskOptions<M>): Promise<PopRequestAnswer<M>> {
    const { method, timeoutMs, signal, send } = options;
    if (signal?.aborted) return Promise.reject(signal.reason);
    const id = this.#nextId++;
    return new Promise<PopRequestAnswer<M>>((resolve, reject) => {
      const settle = () => {
        this.#waiting.delete(id);
        timer.cancel();
        signal?.removeEventListener('abort', onAbort);
      };
      const fail = (error: unknown) => {
        settle();
        reject(error);
      };
      const onAbort = () => fail(signal?.reason);
      const timer = this.#clock.setTimeout(() => {
        fail(new AntipodeError('ERR_BACKBONE_TIMEOUT', `${method} was not answered in ${timeoutMs} ms.`));
      }, timeoutMs);
      signal?.addEventListener('abort', onAbort, { once: true });
      this.#waiting.set(id, {
        method,
        resolve: (answer) => {
          settle();
          resolve(answer as PopRequestAnswer<M>);
        },
        reject: fail,
      });
      try {
        send(id);
      } catch (error) {
        fail(error);
      }
    });
  }

  /** False when nobody waits for this answer (any more). */
  answer(frame: Extract<Frame, { kind: 'answer' }>): boolean {
    const pending = this.#waiting.get(frame.id);
    if (!pending) return false;
    if (!frame.ok) {
      pending.reject(frame.error);
      return true;
    }
    const parsed = popRequests[pending.method].answer.safeParse(frame.data);
    if (parsed.success) pending.resolve(parsed.data);
    else pending.reject(badData(`answer to ${pending.method}`, parsed.error));
    return true;
  }

  failAll(error: unknown): void {
    for (const pending of [...this.#waiting.values()]) pending.reject(error);
  }
}
