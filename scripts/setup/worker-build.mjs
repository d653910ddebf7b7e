/**
 * Builds the mediasoup worker from the source in the npm package against the distribution's libraries. Owns the build
 * tree, which is gone when it returns; leaves node_modules alone.
 */

import { copyFile, cp, rm } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { run as runCommand } from './command.mjs';
import { SetupError } from './setup-error.mjs';
import { applyRecipe } from './worker-recipe.mjs';

/** What other builds may have left in the package's worker folder. */
const LEFTOVERS = new Set(['out', 'pip_invoke', 'prebuild']);
/** Ninja begins the line of each of its actions with "[done/all]". */
const NINJA_PROGRESS = /^\[(\d+\/\d+)\]/;
/** Lines of compiler output that are shown when the build fails. */
const ERROR_LINES = 60;

/**
 * @param {string} output
 * @returns {string} its last lines, without ninja's progress
 */
export function lastLines(output, count = ERROR_LINES) {
  const lines = output.split('\n').filter((line) => line.trim() !== '' && !NINJA_PROGRESS.test(line));
  return lines.slice(-count).join('\n');
}

/**
 * Puts `mediasoup-worker` into a directory.
 *
 * @param {string} directory
 * @param {object} options
 * @param {string} options.source the worker folder of the npm package
 * @param {(progress: string) => void} [options.onProgress] told ninja's "done/all"
 * @param {NodeJS.ProcessEnv} [options.env]
 * @param {import('./command.mjs').Run} [options.run]
 * @throws {SetupError} ERR_SETUP_WORKER_PATCH, ERR_SETUP_WORKER_BUILD
 */
export async function buildWorker(directory, { source, onProgress, env = process.env, run = runCommand }) {
  const tree = join(directory, 'build-tree');
  const buildEnv = { ...env, LC_ALL: 'C.UTF-8' };
  /** @param {string} program @param {string[]} args */
  const must = async (program, args) => {
    const { status, output } = await run(program, args, {
      cwd: tree,
      env: buildEnv,
      onLine: (line) => {
        const progress = NINJA_PROGRESS.exec(line)?.[1];
        if (progress) onProgress?.(progress);
      },
    });
    if (status === 0) return;
    throw new SetupError('ERR_SETUP_WORKER_BUILD', `The mediasoup worker could not be built (${program} failed).`, {
      remedy:
        'Look at the messages above. A worker that was built elsewhere can be given with MEDIASOUP_WORKER_BIN=/path/to/it.',
      output: lastLines(output),
    });
  };

  try {
    await cp(source, tree, { recursive: true, filter: (path) => !LEFTOVERS.has(relative(source, path)) });
    await applyRecipe(tree);
    await must('meson', ['setup', 'build', '--buildtype', 'release', '-Db_ndebug=true', '--wrap-mode=nodownload']);
    await must('ninja', ['-C', 'build', 'mediasoup-worker']);
    await copyFile(join(tree, 'build/mediasoup-worker'), join(directory, 'mediasoup-worker'));
  } finally {
    await rm(tree, { recursive: true, force: true });
  }
}
