/** A core in a child process that a test may stop, let go on and kill. Owns the process. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import type { NodeIdentity } from '../../../src/backbone/index.ts';

/** It is to drain within this time. */
export interface CoreChildDrain {
  drainWithinMs: number;
}

export interface CoreChildStart {
  nodeId: string;
  identity: NodeIdentity;
  workerBin: string;
}

export type CoreChildMessage =
  | { type: 'ready'; port: number }
  | { type: 'spoken'; text: string }
  | { type: 'heard'; text: string }
  /** The clerk's tool was run. */
  | { type: 'filed'; text: string }
  | { type: 'sessions'; sessions: number };

export class CoreProcess implements AsyncDisposable {
  readonly nodeId: string;
  /** All that went to the voice, and all that was understood. */
  readonly spoken: string[] = [];
  readonly heard: string[] = [];
  /** Session and word of each run of the clerk's tool. */
  readonly filed: string[] = [];
  sessions = 0;
  readonly #child: ChildProcess;
  #port = 0;

  private constructor(start: CoreChildStart) {
    this.nodeId = start.nodeId;
    this.#child = fork(new URL('./core-child.ts', import.meta.url), { execArgv: [] });
    this.#child.on('message', (message: CoreChildMessage) => {
      if (message.type === 'ready') this.#port = message.port;
      else if (message.type === 'sessions') this.sessions = message.sessions;
      else this[message.type].push(message.text);
    });
    this.#child.send(start);
  }

  static async start(start: CoreChildStart): Promise<CoreProcess> {
    const core = new CoreProcess(start);
    while (core.#port === 0) await once(core.#child, 'message');
    return core;
  }

  get address() {
    return { nodeId: this.nodeId, host: '127.0.0.1', port: this.#port };
  }

  drain(withinMs: number): void {
    this.#child.send({ drainWithinMs: withinMs } satisfies CoreChildDrain);
  }

  signal(name: 'SIGSTOP' | 'SIGCONT' | 'SIGKILL'): void {
    this.#child.kill(name);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const gone = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await gone;
  }
}
