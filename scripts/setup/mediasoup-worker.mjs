/**
 * Gets a mediasoup worker that runs on this machine: the one that was given, else the cache's, else the official
 * prebuilt, else a build from source. Owns the cache entry and its key.
 */

import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { chmod, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { makeCacheEntry } from './cache-entry.mjs';
import { cacheDir, ROOT } from './paths.mjs';
import { SetupError } from './setup-error.mjs';
import { BUILD_PACKAGES, installCommand, installPackages, missingPackages, thisMachine } from './system-packages.mjs';
import { buildWorker } from './worker-build.mjs';
import { downloadPrebuilt } from './worker-prebuilt.mjs';
import { recipeHash } from './worker-recipe.mjs';

/**
 * @typedef {'given' | 'prebuilt' | 'built'} WorkerOrigin
 * @typedef {{ path: string, origin: WorkerOrigin, fresh: boolean }} FoundWorker `fresh`: it was got just now
 */

const BINARY = 'mediasoup-worker';
/** Lies beside the binary in the cache and says how it was got. */
const ORIGIN_FILE = 'origin.json';
/** The worker's exit code when it is started outside mediasoup, which shows that it loads and runs. */
const EXIT_CODE_ALONE = 41;
const CHECK_TIMEOUT_MS = 10_000;

/**
 * @param {string} path
 * @param {NodeJS.ProcessEnv} [env]
 * @returns {boolean} whether this worker runs on this machine
 */
export function workerRuns(path, env = process.env) {
  const { MEDIASOUP_VERSION: _version, ...clean } = env;
  return spawnSync(path, [], { env: clean, stdio: 'ignore', timeout: CHECK_TIMEOUT_MS }).status === EXIT_CODE_ALONE;
}

/**
 * @param {string} [root]
 * @returns {Promise<string>} the mediasoup version that package-lock.json pins
 */
export async function mediasoupVersion(root = ROOT) {
  const lockfile = JSON.parse(await readFile(join(root, 'package-lock.json'), 'utf8'));
  return lockfile.packages['node_modules/mediasoup'].version;
}

/**
 * @param {{ root?: string, env?: NodeJS.ProcessEnv }} [options]
 * @returns {Promise<string>} the directory of the cache for this version, machine and recipe
 */
export async function workerEntry({ root = ROOT, env = process.env } = {}) {
  const key = `${await mediasoupVersion(root)}-${process.platform}-${process.arch}-${await recipeHash()}`;
  return join(cacheDir(env), 'mediasoup-worker', key);
}

/**
 * @param {string} path of a worker
 * @returns {WorkerOrigin} how it was got
 */
export function workerOrigin(path) {
  try {
    return JSON.parse(readFileSync(join(dirname(path), ORIGIN_FILE), 'utf8')).origin;
  } catch {
    return 'given';
  }
}

/**
 * Looks for a worker without getting one.
 *
 * @param {{ root?: string, env?: NodeJS.ProcessEnv }} [options]
 * @returns {Promise<string | undefined>} the path of the given worker, else of the cache's; not checked to run
 */
export async function findWorker({ root = ROOT, env = process.env } = {}) {
  if (env.MEDIASOUP_WORKER_BIN) return env.MEDIASOUP_WORKER_BIN;
  const path = join(await workerEntry({ root, env }), BINARY);
  return existsSync(path) ? path : undefined;
}

/**
 * @param {object} [options]
 * @param {string} [options.root]
 * @param {NodeJS.ProcessEnv} [options.env]
 * @param {import('./system-packages.mjs').Machine} [options.machine]
 * @param {(progress: string) => void} [options.onProgress]
 * @param {(note: string) => void} [options.onNote] told why the prebuilt worker isn't used
 * @returns {Promise<FoundWorker>}
 * @throws {SetupError} ERR_SETUP_WORKER_GIVEN, ERR_SETUP_PACKAGES, ERR_SETUP_WORKER_PATCH, ERR_SETUP_WORKER_BUILD,
 *   ERR_SETUP_CACHE
 */
export async function ensureWorker({
  root = ROOT,
  env = process.env,
  machine = thisMachine(env),
  onProgress,
  onNote,
} = {}) {
  const given = env.MEDIASOUP_WORKER_BIN;
  if (given) {
    if (workerRuns(given, env)) return { path: given, origin: 'given', fresh: false };
    throw new SetupError('ERR_SETUP_WORKER_GIVEN', `MEDIASOUP_WORKER_BIN=${given} does not run on this machine.`, {
      remedy: 'Unset MEDIASOUP_WORKER_BIN to have a worker downloaded or built.',
    });
  }

  const entry = await workerEntry({ root, env });
  const path = join(entry, BINARY);
  const isGood = () => existsSync(path) && workerRuns(path, env);
  if (isGood()) return { path, origin: workerOrigin(path), fresh: false };

  const version = await mediasoupVersion(root);
  const fresh = await makeCacheEntry(entry, {
    isGood,
    onWait: (pid) => onProgress?.(`waiting for process ${pid}, which is getting it`),
    fill: async (temporary) => {
      const candidate = join(temporary, BINARY);
      /** @param {WorkerOrigin} origin */
      const sign = (origin) => writeFile(join(temporary, ORIGIN_FILE), `${JSON.stringify({ origin, version })}\n`);

      onProgress?.('downloading');
      let whyNot = await downloadPrebuilt(temporary, version, { env, run: machine.run });
      if (whyNot === undefined) {
        await rm(join(temporary, 'worker.tgz'), { force: true });
        await chmod(candidate, 0o755);
        if (workerRuns(candidate, env)) return sign('prebuilt');
        whyNot = 'it does not run on this machine';
      }
      onNote?.(`no prebuilt worker (${whyNot}), building from source`);
      await rm(candidate, { force: true });
      await ensureBuildPackages(machine, onProgress);
      await buildWorker(temporary, {
        source: join(root, 'node_modules/mediasoup/worker'),
        env,
        run: machine.run,
        onProgress,
      });
      if (!workerRuns(candidate, env)) {
        throw new SetupError('ERR_SETUP_WORKER_BUILD', 'The mediasoup worker was built, but does not run.', {
          remedy: `Give a worker that runs with MEDIASOUP_WORKER_BIN=/path/to/it.`,
        });
      }
      return sign('built');
    },
  });
  return { path, origin: workerOrigin(path), fresh };
}

/**
 * @param {import('./system-packages.mjs').Machine} machine
 * @param {(progress: string) => void} [onProgress]
 */
async function ensureBuildPackages(machine, onProgress) {
  const wanted = await missingPackages(BUILD_PACKAGES, machine);
  if (wanted.length === 0) return;
  onProgress?.(`installing ${wanted.map(({ name }) => name).join(' ')}`);
  const { missing, reason, output } = await installPackages(wanted, machine);
  if (missing.length === 0) return;
  const names = missing.map(({ name }) => name).join(' ');
  throw new SetupError(
    'ERR_SETUP_PACKAGES',
    `The mediasoup worker must be built, but ${names} are missing: ${reason}.`,
    {
      remedy: `Type: ${installCommand(missing, machine)}`,
      output,
    },
  );
}
