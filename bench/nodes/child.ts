/** A process that a benchmark starts and asks things of over IPC, perhaps pinned to one CPU. Owns its end. */
import { type ChildProcess, fork } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { runtimeFlags } from '../../scripts/setup/runtime-flags.mjs';
import type { Answer, Question } from './child-side.ts';

export interface ChildOptions {
  /** In messages. */
  name: string;
  file: string;
  args?: readonly string[];
  /** With all that it starts it runs on this CPU only (taskset, of util-linux). */
  cpu?: number | null;
  /** Beside this process's own. */
  environment?: Readonly<Record<string, string>>;
}

/** A child that does not end by itself is ended after this. */
const END_TIMEOUT_MS = 5_000;

export class Child<Ask> implements AsyncDisposable {
  readonly #name: string;
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, { resolve: (answer: unknown) => void; reject: (error: Error) => void }>();
  readonly #exited: Promise<void>;
  #over: string | null = null;
  #asked = 0;

  constructor({ name, file, args = [], cpu = null, environment = {} }: ChildOptions) {
    this.#name = name;
    const flags = runtimeFlags(cpu === null ? availableParallelism() : 1);
    const pinned =
      cpu === null
        ? { execArgv: flags }
        : { execPath: 'taskset', execArgv: ['-c', String(cpu), process.execPath, ...flags] };
    const env = { ...process.env, ...environment };
    this.#child = fork(file, args, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'], env, ...pinned });
    this.#child.on('message', (message: Answer) => {
      const waiting = this.#waiting.get(message.id);
      this.#waiting.delete(message.id);
      if ('error' in message) waiting?.reject(new Error(`${name}: ${message.error}`));
      else waiting?.resolve(message.answer);
    });
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#exited = promise;
    const over = (why: string) => {
      this.#over ??= why;
      for (const { reject } of this.#waiting.values()) reject(new Error(why));
      this.#waiting.clear();
      resolve();
    };
    this.#child.on('exit', (code, signal) => over(`the ${name} process ended with ${code ?? signal}`));
    this.#child.on('error', (error) => over(`the ${name} process could not be started: ${error.message}`));
  }

  /** Of the process itself: taskset becomes it. */
  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** @throws what the child says, or that it ended */
  ask<T>(ask: Ask): Promise<T> {
    const id = ++this.#asked;
    return new Promise<T>((resolve, reject) => {
      if (this.#over !== null) {
        reject(new Error(this.#over));
        return;
      }
      this.#waiting.set(id, { resolve: resolve as (answer: unknown) => void, reject });
      this.#child.send({ id, ask } satisfies Question<Ask>, (error) => {
        if (error && this.#waiting.delete(id)) reject(new Error(`${this.#name}: ${error.message}`));
      });
    });
  }

  /** Disconnects, which ends the child; kills it when it does not. Idempotent. */
  async end(): Promise<void> {
    if (this.#child.connected) this.#child.disconnect();
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), END_TIMEOUT_MS);
    await this.#exited;
    clearTimeout(timer);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.end();
  }
}
