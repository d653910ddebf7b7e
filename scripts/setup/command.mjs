/**
 * Runs one program and gathers what it prints. Owns the child until it has ended; does not interpret its output.
 * The set-up takes this function as a parameter, so that tests can put a fake in its place.
 */

import { spawn } from 'node:child_process';
import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/**
 * @typedef {object} RunOptions
 * @property {string} [cwd]
 * @property {NodeJS.ProcessEnv} [env] the whole environment of the program; default: ours
 * @property {number} [timeoutMs] kill it after this time
 * @property {(line: string) => void} [onLine] called for each line on either output
 *
 * @typedef {object} RunResult
 * @property {number} status exit code; 128 when it was killed, 127 when it could not be started
 * @property {string} output both outputs in the order in which they came
 *
 * @typedef {(program: string, args: string[], options?: RunOptions) => Promise<RunResult>} Run
 */

/** Output beyond this many characters is dropped from the front. */
const OUTPUT_LIMIT = 4_000_000;

/** @type {Run} */
export function run(program, args, { cwd, env = process.env, timeoutMs, onLine } = {}) {
  return new Promise((done) => {
    const child = spawn(program, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    let rest = '';
    const timer = timeoutMs === undefined ? undefined : setTimeout(() => child.kill('SIGKILL'), timeoutMs);
    const onExit = () => child.kill('SIGTERM');
    process.once('exit', onExit);

    /** @param {string} text */
    const gather = (text) => {
      output = (output + text).slice(-OUTPUT_LIMIT);
      if (!onLine) return;
      const lines = (rest + text).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) onLine(line);
    };
    child.stdout.setEncoding('utf8').on('data', gather);
    child.stderr.setEncoding('utf8').on('data', gather);

    /** @param {number} status */
    const finish = (status) => {
      clearTimeout(timer);
      process.removeListener('exit', onExit);
      done({ status, output });
    };
    child.once('error', (error) => {
      output += `${program}: ${error.message}\n`;
      finish(127);
    });
    child.once('close', (status) => finish(status ?? 128));
  });
}

/**
 * @param {string} program a name, or a path
 * @param {NodeJS.ProcessEnv} [env]
 * @returns {string | undefined} the path of that executable, looked for on the PATH unless it is a path itself
 */
export function findProgram(program, env = process.env) {
  const directories = program.includes('/') ? [''] : (env.PATH ?? '').split(delimiter).filter(Boolean);
  for (const directory of directories) {
    const path = join(directory, program);
    try {
      accessSync(path, constants.X_OK);
      if (statSync(path).isFile()) return path;
    } catch {
      // Not in this directory.
    }
  }
  return undefined;
}
