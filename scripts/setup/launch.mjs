/**
 * Starts one of the repository's programs under Node 24 with the mediasoup worker that the set-up has got. Installs
 * nothing; says what to type when the set-up hasn't run.
 */

import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { becomeNode, runInForeground } from './foreground.mjs';
import { findWorker } from './mediasoup-worker.mjs';
import { cachedNode, isRecentEnough, NODE_MAJOR } from './node-runtime.mjs';
import { ROOT } from './paths.mjs';
import { SetupError } from './setup-error.mjs';
import { findChromium } from './system-packages.mjs';

/** @param {string} what */
function notDone(what) {
  return new SetupError('ERR_SETUP_NOT_DONE', what, {
    remedy: `Type npm start in ${ROOT} once (or npm test): it brings everything.`,
  });
}

/**
 * @param {string} program path relative to the repository's root
 * @param {string[]} args
 * @param {{ needsWorker?: boolean, flags?: string[], env?: NodeJS.ProcessEnv }} [options] flags: Node's own
 * @returns {Promise<number>} exit code; doesn't return when this process was replaced by the program
 * @throws {SetupError} ERR_SETUP_NOT_DONE
 */
export async function launch(program, args, { needsWorker = false, flags = [], env: outerEnv = process.env } = {}) {
  if (!existsSync(join(ROOT, 'node_modules/.package-lock.json'))) throw notDone('The dependencies are not installed.');
  const worker = await findWorker({ env: outerEnv });
  if (!worker && needsWorker) throw notDone('There is no mediasoup worker yet.');
  const chromium = findChromium();

  const env = {
    ...outerEnv,
    ...(worker && { MEDIASOUP_WORKER_BIN: worker }),
    ...(chromium && { ANTIPODE_CHROMIUM: chromium }),
  };
  const nodeArgs = [...flags, resolve(ROOT, program), ...args];
  if (isRecentEnough(process.versions.node)) return becomeNode(nodeArgs, { env });
  const node = cachedNode(outerEnv);
  if (!node) throw notDone(`This is Node ${process.versions.node}; Antipode needs Node ${NODE_MAJOR}.`);
  return runInForeground(node, nodeArgs, { env });
}
