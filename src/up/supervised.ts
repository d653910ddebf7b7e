/**
 * A process of a topology: started, watched, started again when it dies, ended with all that it started. Owns the
 * process and its log file; what it runs is its user's.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { createWriteStream, type WriteStream } from 'node:fs';
import { type Clock, delay } from '../clock.ts';
import { AntipodeError } from '../errors.ts';

export interface SupervisedOptions {
  /** For people. */
  name: string;
  command: string;
  args: readonly string[];
  cwd: string;
  environment: Readonly<Record<string, string | undefined>>;
  /** What it prints goes there. */
  logFile: string;
  /** A line of its output that says that it is ready. */
  ready: RegExp;
  /** Whether it is started again. */
  restart: boolean;
  clock: Clock;
  /** Something that a person should know. */
  tell(words: string): void;
}

const START_TIMEOUT_MS = 60_000;
const END_TIMEOUT_MS = 10_000;
const FIRST_WAIT_MS = 1_000;
const MAX_WAIT_MS = 15_000;
/** One that ran for so long starts again at once the next time. */
const STABLE_MS = 30_000;
const TAIL_LINES = 12;

export class Supervised implements AsyncDisposable {
  readonly #options: SupervisedOptions;
  readonly #log: WriteStream;
  readonly #ending = new AbortController();
  readonly #dead = Promise.withResolvers<void>();
  #child: ChildProcess | null = null;
  #over: Promise<void> = Promise.resolve();
  #waitMs = FIRST_WAIT_MS;

  private constructor(options: SupervisedOptions) {
    this.#options = options;
    this.#log = createWriteStream(options.logFile, { mode: 0o600 });
  }

  /** Resolves when it is ready. @throws ERR_SERVICE_FAILED with the end of its output when it ends before */
  static async start(options: SupervisedOptions): Promise<Supervised> {
    const supervised = new Supervised(options);
    try {
      await supervised.#run();
      return supervised;
    } catch (error) {
      await supervised[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Resolves when it died and is not started again. */
  get dead(): Promise<void> {
    return this.#dead.promise;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** SIGINT, and SIGKILL for what is left after ten seconds. Idempotent. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#ending.abort();
    const child = this.#child;
    if (child !== null && child.exitCode === null && child.signalCode === null) {
      child.kill('SIGINT');
      const timer = setTimeout(() => this.killGroup(), END_TIMEOUT_MS);
      await this.#over;
      clearTimeout(timer);
    }
    await this.#over;
    if (!this.#log.closed) await new Promise<void>((resolve) => this.#log.end(resolve));
  }

  /** It and all that it started, at once. */
  killGroup(): void {
    const pid = this.#child?.pid;
    if (pid === undefined || this.#child?.exitCode !== null || this.#child.signalCode !== null) return;
    try {
      process.kill(-pid, 'SIGKILL');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
  }

  async #run(): Promise<void> {
    const { command, args, cwd, environment, name, ready, clock } = this.#options;
    const started = Promise.withResolvers<void>();
    // A group of its own: the terminal's Ctrl-C reaches us alone, and we end all in order.
    const child = spawn(command, args, {
      ...{ cwd, detached: true, stdio: ['ignore', 'pipe', 'pipe'] },
      env: { ...environment },
    });
    this.#child = child;
    const tail: string[] = [];
    let isReady = false;
    const read = (chunk: Buffer) => {
      this.#log.write(chunk);
      for (const line of chunk.toString().split('\n')) {
        if (line.trim() !== '') tail.push(line);
        if (!isReady && ready.test(line)) {
          isReady = true;
          started.resolve();
        }
      }
      tail.splice(0, tail.length - TAIL_LINES);
    };
    child.stdout.on('data', read);
    child.stderr.on('data', read);
    const startedAtMs = clock.now();
    const exited = new Promise<string>((resolve) => {
      child.once('error', (error) => resolve(`could not be started: ${error.message}`));
      child.once('exit', (code, signal) => resolve(signal === null ? `ended with ${code}` : `ended by ${signal}`));
    });
    this.#over = exited.then((how) => {
      if (isReady) void this.#died(how, clock.now() - startedAtMs);
      else started.reject(failed(name, how, tail));
    });
    const timer = setTimeout(() => {
      started.reject(failed(name, `is not ready after ${START_TIMEOUT_MS / 1_000} s`, tail));
    }, START_TIMEOUT_MS);
    try {
      await started.promise;
    } finally {
      clearTimeout(timer);
    }
  }

  /** Starts it again, after a wait that grows with each time. */
  async #died(how: string, ranMs: number): Promise<void> {
    const { name, restart, clock, tell } = this.#options;
    if (this.#ending.signal.aborted) return;
    if (!restart) {
      tell(`${name} ${how}`);
      this.#dead.resolve();
      return;
    }
    if (ranMs > STABLE_MS) this.#waitMs = FIRST_WAIT_MS;
    for (;;) {
      const waitMs = this.#waitMs;
      this.#waitMs = Math.min(MAX_WAIT_MS, 2 * waitMs);
      tell(`${name} ${how}; it is started again in ${waitMs / 1_000} s`);
      try {
        await delay(clock, waitMs, this.#ending.signal);
        await this.#run();
        tell(`${name} runs again, as process ${this.pid}`);
        return;
      } catch (error) {
        if (this.#ending.signal.aborted) return;
        tell(`${name} did not start: ${(error as Error).message}`);
      }
    }
  }
}

function failed(name: string, how: string, tail: readonly string[]): AntipodeError {
  const said = tail.length === 0 ? '' : `\n  ${tail.join('\n  ')}`;
  return new AntipodeError('ERR_SERVICE_FAILED', `${name} ${how}${said}`);
}
