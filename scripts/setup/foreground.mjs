/**
 * Runs a program in the foreground in our place: its terminal is ours, signals go to it, and its end is our end.
 * Leaves no process behind.
 */

import { spawn } from 'node:child_process';
import { constants } from 'node:os';

/** A signal that arrives again within this time has come by two ways (the terminal, npm, us) and is one. */
const SAME_SIGNAL_WINDOW_MS = 1_000;

/** How often the parent is looked for where its end would not be signaled. */
const PARENT_CHECK_INTERVAL_MS = 500;

/** @type {readonly NodeJS.Signals[]} */
const FORWARDED = ['SIGINT', 'SIGTERM', 'SIGHUP'];

/**
 * @param {NodeJS.Signals} signal
 * @returns {number} the exit code by which a shell reports it
 */
export function exitCodeOf(signal) {
  return 128 + (constants.signals[signal] ?? 0);
}

/**
 * npx puts a shell between itself and us, and a signal to npx ends that shell alone.
 *
 * @param {NodeJS.ProcessEnv} env
 */
function isUnderNpx(env) {
  return env.npm_command === 'exec';
}

/**
 * Starts the program as a child and forwards signals to it, for a Node that can't put another program in its place.
 *
 * @param {string} program
 * @param {string[]} args
 * @param {{ env?: NodeJS.ProcessEnv, cwd?: string }} [options]
 * @returns {Promise<number>} its exit code
 */
export function runInForeground(program, args, { env = process.env, cwd } = {}) {
  return new Promise((done, fail) => {
    const child = spawn(program, args, { env, cwd, stdio: 'inherit' });
    /** @type {Map<NodeJS.Signals, number>} */
    const lastSeen = new Map();

    /** @type {(signal: NodeJS.Signals) => void} */
    const onSignal = (signal) => {
      const now = performance.now();
      const previous = lastSeen.get(signal);
      if (previous !== undefined && now - previous < SAME_SIGNAL_WINDOW_MS) return;
      lastSeen.set(signal, now);
      // The terminal sends Ctrl-C to every process in its foreground, so the child has it already.
      if (signal === 'SIGINT' && process.stdin.isTTY && previous === undefined) return;
      child.kill(signal);
    };
    const onExit = () => child.kill('SIGTERM');
    const parent = process.ppid;
    const parentCheck = isUnderNpx(env)
      ? setInterval(() => {
          if (process.ppid !== parent) child.kill('SIGTERM');
        }, PARENT_CHECK_INTERVAL_MS)
      : undefined;
    const release = () => {
      clearInterval(parentCheck);
      for (const signal of FORWARDED) process.removeListener(signal, onSignal);
      process.removeListener('exit', onExit);
    };

    for (const signal of FORWARDED) process.on(signal, onSignal);
    process.on('exit', onExit);
    child.once('error', (error) => {
      release();
      fail(error);
    });
    child.once('exit', (status, signal) => {
      release();
      done(status ?? exitCodeOf(/** @type {NodeJS.Signals} */ (signal)));
    });
  });
}

/**
 * Puts a Node program in the place of this process, so that no process stands between it and whoever started us.
 * Where that isn't possible, and under npx, it runs as a child.
 *
 * @param {string[]} args what follows `node`
 * @param {{ env?: NodeJS.ProcessEnv }} [options]
 * @returns {Promise<number>} the exit code of the child; doesn't return when the process was replaced
 */
export async function becomeNode(args, { env = process.env } = {}) {
  if (typeof process.execve === 'function' && process.platform !== 'win32' && !isUnderNpx(env)) {
    process.execve(process.execPath, [process.execPath, ...args], env);
  }
  return runInForeground(process.execPath, args, { env });
}
