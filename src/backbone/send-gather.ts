/**
 * Makes packets that are sent to a media worker in one turn of the event loop leave in one write: a write to the
 * worker's pipe costs more than all else that sending a packet takes, and a core's ticks send many at once. Owns the
 * holding back and letting go of the pipe; knows nothing of packets.
 */

import type { ChildProcess } from 'node:child_process';
import diagnosticsChannel from 'node:diagnostics_channel';
import type { Writable } from 'node:stream';

/** Where mediasoup's worker reads what Node tells it: its file descriptor 3. */
const CHANNEL_FD = 3;

export class SendGather {
  readonly #pipe: Writable | null;
  #holding = false;

  private constructor(pipe: Writable | null) {
    this.#pipe = pipe;
  }

  /**
   * Runs `start`, which starts one worker process before it returns, and answers with what it answers and the gather
   * of that process. mediasoup keeps its child process to itself, but Node tells of each one that is made.
   */
  static around<T>(start: () => T): { started: T; gather: SendGather } {
    const children: ChildProcess[] = [];
    const onChild = (message: unknown) => children.push((message as { process: ChildProcess }).process);
    diagnosticsChannel.subscribe('child_process', onChild);
    try {
      const started = start();
      const pipe = children.length === 1 ? children[0]?.stdio[CHANNEL_FD] : null;
      return { started, gather: new SendGather(pipe && 'cork' in pipe ? pipe : null) };
    } finally {
      diagnosticsChannel.unsubscribe('child_process', onChild);
    }
  }

  /** Whether the pipe was found; without it every packet is a write of its own. */
  get works(): boolean {
    return this.#pipe !== null;
  }

  /** What is sent from now to the end of this turn of the event loop leaves together. */
  hold(): void {
    if (this.#holding || this.#pipe === null) return;
    this.#holding = true;
    this.#pipe.cork();
    process.nextTick(this.#release);
  }

  readonly #release = (): void => {
    this.#holding = false;
    this.#pipe?.uncork();
  };
}
