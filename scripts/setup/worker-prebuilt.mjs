/**
 * Downloads the official prebuilt mediasoup worker: the same file that mediasoup's own install script would choose.
 * Says why when there is none to be had; never an error, as the worker can be built from source.
 */

import { writeFile } from 'node:fs/promises';
import { arch as osArch, platform as osPlatform, release as osRelease } from 'node:os';
import { join } from 'node:path';
import { run as runCommand } from './command.mjs';

const RELEASES = 'https://github.com/versatica/mediasoup/releases/download';
/** Time for the answer's first byte, name resolution and connection included. */
const CONNECT_TIMEOUT_MS = 15_000;
/** Time for the whole download. */
const DOWNLOAD_TIMEOUT_MS = 60_000;

/**
 * @param {string} version of mediasoup
 * @param {{ platform?: string, arch?: string, release?: string }} [machine]
 * @returns {string} the file's name in mediasoup's release
 */
export function prebuiltName(version, { platform = osPlatform(), arch = osArch(), release = osRelease() } = {}) {
  const kernel = platform === 'linux' ? `-kernel${Number.parseInt(release, 10)}` : '';
  return `mediasoup-worker-${version}-${platform}-${arch}${kernel}.tgz`;
}

/**
 * @param {unknown} error of fetch
 * @returns {string}
 */
function reasonOf(error) {
  const { name, message, cause } = /** @type {Error & { cause?: { code?: string, message?: string } }} */ (error);
  if (name === 'TimeoutError' || name === 'AbortError') return 'no answer in time';
  return cause?.code ?? cause?.message ?? message;
}

/**
 * Puts `mediasoup-worker` into a directory.
 *
 * @param {string} directory
 * @param {string} version of mediasoup
 * @param {object} [options]
 * @param {NodeJS.ProcessEnv} [options.env] ANTIPODE_WORKER_PREBUILT=never skips the download;
 *   MEDIASOUP_WORKER_PREBUILT_DOWNLOAD_BASE_URL takes the place of GitHub
 * @param {typeof globalThis.fetch} [options.fetch]
 * @param {import('./command.mjs').Run} [options.run]
 * @param {number} [options.connectTimeoutMs]
 * @param {number} [options.downloadTimeoutMs]
 * @returns {Promise<string | undefined>} undefined when it is there; else why not
 */
export async function downloadPrebuilt(
  directory,
  version,
  {
    env = process.env,
    fetch = globalThis.fetch,
    run = runCommand,
    connectTimeoutMs = CONNECT_TIMEOUT_MS,
    downloadTimeoutMs = DOWNLOAD_TIMEOUT_MS,
  } = {},
) {
  if (env.ANTIPODE_WORKER_PREBUILT === 'never') return 'ANTIPODE_WORKER_PREBUILT=never';
  const base = env.MEDIASOUP_WORKER_PREBUILT_DOWNLOAD_BASE_URL || RELEASES;
  const archive = join(directory, 'worker.tgz');
  const connecting = new AbortController();
  const timer = setTimeout(() => connecting.abort(), connectTimeoutMs);
  try {
    const signal = AbortSignal.any
      ? AbortSignal.any([connecting.signal, AbortSignal.timeout(downloadTimeoutMs)])
      : connecting.signal;
    const response = await fetch(`${base}/${version}/${prebuiltName(version)}`, { signal });
    clearTimeout(timer);
    if (!response.ok) return `the server answered ${response.status}`;
    await writeFile(archive, Buffer.from(await response.arrayBuffer()));
  } catch (error) {
    const { code } = /** @type {NodeJS.ErrnoException} */ (error);
    if (code === 'ENOSPC' || code === 'EDQUOT') throw error;
    return reasonOf(error);
  } finally {
    clearTimeout(timer);
  }
  const unpacked = await run('tar', ['-xzf', archive, '-C', directory, 'mediasoup-worker'], { env });
  return unpacked.status === 0 ? undefined : 'the archive could not be unpacked';
}
