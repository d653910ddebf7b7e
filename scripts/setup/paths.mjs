/** Where things lie: the repository, and the cache that outlives node_modules. */

import { homedir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The repository's root. */
export const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '../..');

/**
 * @param {NodeJS.ProcessEnv} [env]
 * @returns {string} the directory in which Node and the mediasoup worker are kept between clones
 */
export function cacheDir(env = process.env) {
  if (env.ANTIPODE_CACHE_DIR) return resolve(env.ANTIPODE_CACHE_DIR);
  return join(env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'antipode');
}
