/**
 * Installs the pinned dependencies with npm, without their install scripts, and knows whether that has been done. Owns
 * node_modules; what install scripts would have brought (the mediasoup worker) is another module's.
 */

import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { run as runCommand } from './command.mjs';
import { findNpmCli } from './npm.mjs';
import { ROOT } from './paths.mjs';
import { SetupError, unwritable } from './setup-error.mjs';
import { readStamp, writeStamp } from './stamp.mjs';

/** Lies in node_modules, so that it goes with it. */
const STAMP = 'node_modules/.antipode-dependencies';

/**
 * @typedef {{ version?: string, integrity?: string, optional?: boolean, link?: boolean }} LockedPackage
 * @typedef {{ packages?: Record<string, LockedPackage> }} Lockfile
 */

/**
 * @param {string} lockfile the text of package-lock.json
 * @param {string} [nodeVersion]
 * @param {string} [platform]
 * @returns {string}
 */
export function dependenciesStamp(
  lockfile,
  nodeVersion = process.version,
  platform = `${process.platform}-${process.arch}`,
) {
  return `${createHash('sha256').update(lockfile).digest('hex')} node ${nodeVersion} ${platform}`;
}

/**
 * @param {string} stamp
 * @returns {string} its part that says for which Node and platform the dependencies were installed
 */
function machineOf(stamp) {
  return stamp.replace(/^[0-9a-f]+ /, '');
}

/**
 * Compares what the lockfile asks for with npm's own record of what it has installed.
 *
 * @param {Lockfile} wanted package-lock.json
 * @param {Lockfile} installed node_modules/.package-lock.json
 * @returns {string[]} the packages that are missing or of another version; those that other platforms need don't count
 */
export function differences(wanted, installed) {
  const different = [];
  for (const [path, { version, integrity, optional, link }] of Object.entries(wanted.packages ?? {})) {
    if (path === '' || link) continue;
    const found = installed.packages?.[path];
    if (!found && optional) continue;
    const same = found?.version === version && (!integrity || !found?.integrity || found.integrity === integrity);
    if (!same) different.push(`${path.replace(/^.*node_modules\//, '')}@${version}`);
  }
  return different;
}

/**
 * @param {string} [root]
 * @returns {Promise<string[]>} the packages of package-lock.json that aren't installed as it asks
 */
export async function missingDependencies(root = ROOT) {
  const wanted = JSON.parse(await readFile(join(root, 'package-lock.json'), 'utf8'));
  const record = await readFile(join(root, 'node_modules/.package-lock.json'), 'utf8').catch(() => '{}');
  return differences(wanted, JSON.parse(record));
}

/**
 * @param {object} [options]
 * @param {string} [options.root]
 * @param {NodeJS.ProcessEnv} [options.env]
 * @param {import('./command.mjs').Run} [options.run]
 * @returns {Promise<boolean>} whether something had to be installed
 * @throws {SetupError} ERR_SETUP_DEPENDENCIES, ERR_SETUP_NPM, ERR_SETUP_CACHE
 */
export async function ensureDependencies({ root = ROOT, env = process.env, run = runCommand } = {}) {
  const wanted = dependenciesStamp(await readFile(join(root, 'package-lock.json'), 'utf8'));
  const stampPath = join(root, STAMP);
  const stamp = await readStamp(stampPath);
  if (stamp === wanted) return false;
  const otherMachine = stamp !== undefined && machineOf(stamp) !== machineOf(wanted);
  if (!otherMachine && (await missingDependencies(root)).length === 0) {
    // Somebody used npm by hand.
    await writeStamp(stampPath, wanted);
    return false;
  }

  const args = [findNpmCli(env), 'ci', '--ignore-scripts', '--no-audit', '--no-fund', '--include=dev'];
  const result = await run(process.execPath, args, { cwd: root, env });
  if (result.status !== 0) {
    const error = new SetupError('ERR_SETUP_DEPENDENCIES', 'npm could not install the dependencies.', {
      remedy: "Look at npm's message above; when the registry was out of reach, type the command again later.",
      output: result.output,
    });
    throw unwritable(root, error) ?? error;
  }
  await writeStamp(stampPath, wanted);
  return true;
}
