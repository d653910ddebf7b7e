/** Finds npm's own program, so that it can be run under a Node of our choice. */

import { existsSync, realpathSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { findProgram } from './command.mjs';
import { SetupError } from './setup-error.mjs';

/**
 * @param {NodeJS.ProcessEnv} [env]
 * @param {string} [execPath] the running Node
 * @returns {string} the path of npm-cli.js
 * @throws {SetupError} ERR_SETUP_NPM when there is no npm
 */
export function findNpmCli(env = process.env, execPath = process.execPath) {
  const candidates = [];
  if (env.npm_execpath && basename(env.npm_execpath) === 'npm-cli.js') candidates.push(env.npm_execpath);
  candidates.push(join(dirname(execPath), '../lib/node_modules/npm/bin/npm-cli.js'));
  candidates.push(join(dirname(execPath), 'node_modules/npm/bin/npm-cli.js'));
  const onPath = findProgram('npm', env);
  if (onPath) candidates.push(realpathSync(onPath));
  const found = candidates.find((path) => basename(path) === 'npm-cli.js' && existsSync(path));
  if (found) return found;
  throw new SetupError('ERR_SETUP_NPM', 'npm was not found.', {
    remedy: 'Install npm (it comes with Node.js; on Debian: apt-get install npm), then type npm start again.',
  });
}
