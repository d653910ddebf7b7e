/**
 * A child process that is run for its output: bounded output, a time-out, killed with its own children on abort. Owns
 * the process and nothing of its meaning.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import type { Clock } from '../../clock.ts';
import { AntipodeError } from '../../errors.ts';
import { withoutEgress } from '../egress/index.ts';

export interface ProgramOptions {
  command: string;
  arguments: readonly string[];
  clock: Clock;
  signal: AbortSignal;
  timeoutMs: number;
  /** More output than this is a failure. */
  maxOutputBytes?: number;
}

export interface ProgramOutput {
  readonly stdout: Buffer;
  readonly stderr: Buffer;
}

export interface RunningProgram {
  /** Bytes for its standard input; ignored once it is gone. */
  write(bytes: Uint8Array): void;
  /** No more input will come. */
  end(): void;
  /** Start the time-out now; a program that is fed for as long as a caller speaks has none until then. */
  startTimeout(): void;
  /**
   * @throws ERR_SERVICE_UNAVAILABLE not installed; ERR_SERVICE_TIMEOUT; ERR_SERVICE_FAILED exit code or output;
   * the signal's reason when aborted. In each case the process is gone.
   */
  readonly done: Promise<ProgramOutput>;
}

export const PROGRAM_DEFAULTS = { maxOutputBytes: 16 * 1024 * 1024 } as const;

/** A shell's exit code for a command that it cannot find. */
const COMMAND_NOT_FOUND = 127;

/** Start a program. `done` is marked as handled: whoever awaits it sees its error, nobody else is bothered by it. */
export function startProgram(options: ProgramOptions): RunningProgram {
  const { command, signal } = options;
  if (signal.aborted) return failedProgram(signal.reason);
  // Its own process group, so that what it started goes with it.
  // Ours, whichever session it works for: it opens no connections.
  const child = withoutEgress(() =>
    spawn(command, options.arguments, { stdio: ['pipe', 'pipe', 'pipe'], detached: true }),
  );
  // A program that is gone before it read everything says so by its exit.
  child.stdin.on('error', () => {});
  let startTimeout = () => {};
  const done = new Promise<ProgramOutput>((resolve, reject) => {
    let failure: unknown = null;
    const stop = (error: unknown) => {
      failure ??= error;
      killGroup(child);
    };
    const onAbort = () => stop(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    let timer: { cancel(): void } | null = null;
    startTimeout = () => {
      timer ??= options.clock.setTimeout(
        () => stop(new AntipodeError('ERR_SERVICE_TIMEOUT', `${command} took longer than ${options.timeoutMs} ms.`)),
        options.timeoutMs,
      );
    };
    const stdout: Buffer[] = [];
    const stderr: Buffer[] = [];
    const maxOutputBytes = options.maxOutputBytes ?? PROGRAM_DEFAULTS.maxOutputBytes;
    let bytes = 0;
    const collectInto = (chunks: Buffer[]) => (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes > maxOutputBytes) stop(new AntipodeError('ERR_SERVICE_FAILED', `${command} wrote too much.`));
      else chunks.push(chunk);
    };
    child.stdout.on('data', collectInto(stdout));
    child.stderr.on('data', collectInto(stderr));
    child.on('error', (cause: NodeJS.ErrnoException) => {
      const missing = cause.code === 'ENOENT' || cause.code === 'EACCES';
      failure ??= missing
        ? new AntipodeError('ERR_SERVICE_UNAVAILABLE', `${command} is not installed.`, { cause })
        : new AntipodeError('ERR_SERVICE_FAILED', `${command} cannot be run.`, { cause });
    });
    child.on('close', (exitCode) => {
      timer?.cancel();
      signal.removeEventListener('abort', onAbort);
      if (failure === null && exitCode !== 0) {
        const words = Buffer.concat(stderr).toString('utf8').trim().slice(-500);
        failure = new AntipodeError(
          exitCode === COMMAND_NOT_FOUND ? 'ERR_SERVICE_UNAVAILABLE' : 'ERR_SERVICE_FAILED',
          `${command} exited with ${exitCode}: ${words}`,
        );
      }
      if (failure === null) resolve({ stdout: Buffer.concat(stdout), stderr: Buffer.concat(stderr) });
      else reject(failure);
    });
  });
  done.catch(() => {});
  return {
    write: (bytes) => {
      if (child.stdin.writable) child.stdin.write(bytes);
    },
    end: () => child.stdin.end(),
    startTimeout,
    done,
  };
}

/** Run a program, without input, to its end. */
export function runProgram(options: ProgramOptions): Promise<ProgramOutput> {
  const program = startProgram(options);
  program.end();
  program.startTimeout();
  return program.done;
}

function killGroup(child: ChildProcess): void {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch {
    child.kill('SIGKILL'); // the group is gone already, or was never made
  }
}

function failedProgram(reason: unknown): RunningProgram {
  const done = Promise.reject(reason);
  done.catch(() => {});
  return { write() {}, end() {}, startTimeout() {}, done };
}
