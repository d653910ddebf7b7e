/** A bounded number of things at once, the others in line: for child processes. */
import { AntipodeError } from '../../errors.ts';

export class Slots {
  readonly #maxWaiting: number;
  readonly #waiting: (() => void)[] = [];
  #free: number;

  constructor(options: { slots: number; maxWaiting: number }) {
    this.#free = options.slots;
    this.#maxWaiting = options.maxWaiting;
  }

  get waitingCount(): number {
    return this.#waiting.length;
  }

  /**
   * Resolves with the function that gives the slot back (idempotent).
   * @throws ERR_SERVICE_UNAVAILABLE when too many wait already; the signal's reason when aborted in line
   */
  acquire(signal: AbortSignal): Promise<() => void> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) {
        reject(signal.reason);
        return;
      }
      const grant = () => {
        signal.removeEventListener('abort', onAbort);
        let held = true;
        resolve(() => {
          if (!held) return;
          held = false;
          const next = this.#waiting.shift();
          if (next) next();
          else this.#free++;
        });
      };
      const onAbort = () => {
        this.#waiting.splice(this.#waiting.indexOf(grant), 1);
        reject(signal.reason);
      };
      if (this.#free > 0) {
        this.#free--;
        grant();
      } else if (this.#waiting.length >= this.#maxWaiting) {
        reject(new AntipodeError('ERR_SERVICE_UNAVAILABLE', 'Too many utterances wait for a process.'));
      } else {
        signal.addEventListener('abort', onAbort, { once: true });
        this.#waiting.push(grant);
      }
    });
  }
}
