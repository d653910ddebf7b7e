/**
 * A lock between processes, so that two set-ups at once don't do the same work twice. The cache stays whole without it:
 * what is published there is renamed into place.
 */

import { randomBytes } from 'node:crypto';
import { mkdir, open, readFile, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const POLL_INTERVAL_MS = 200;
/** A lock without its holder's number is taken for abandoned after this time. */
const UNSIGNED_TIMEOUT_MS = 5_000;

/** @param {number} pid */
function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return /** @type {NodeJS.ErrnoException} */ (error).code === 'EPERM';
  }
}

/**
 * @param {string} path
 * @returns {Promise<{ text: string, pid: number, abandoned: boolean } | undefined>} undefined when nobody holds the lock
 */
async function inspect(path) {
  try {
    const text = await readFile(path, 'utf8');
    const pid = Number.parseInt(text, 10) || 0;
    const abandoned = pid > 0 ? !isAlive(pid) : Date.now() - (await stat(path)).mtimeMs > UNSIGNED_TIMEOUT_MS;
    return { text, pid, abandoned };
  } catch (error) {
    if (/** @type {NodeJS.ErrnoException} */ (error).code === 'ENOENT') return undefined;
    throw error;
  }
}

/**
 * @param {string} path
 * @param {string} text
 * @returns {Promise<boolean>} whether the lock was free and is now ours
 */
async function take(path, text) {
  try {
    const file = await open(path, 'wx');
    await file.writeFile(text).finally(() => file.close());
    return true;
  } catch (error) {
    if (/** @type {NodeJS.ErrnoException} */ (error).code === 'EEXIST') return false;
    throw error;
  }
}

/**
 * @template T
 * @param {string} path a file that exists while the lock is held; left behind by a killed holder, it is taken over
 * @param {() => Promise<T>} work
 * @param {{ onWait?: (pid: number) => void }} [options] `onWait` is called once when another process holds the lock
 * @returns {Promise<T>}
 */
export async function withFileLock(path, work, { onWait } = {}) {
  await mkdir(dirname(path), { recursive: true });
  const mine = `${process.pid} ${randomBytes(6).toString('hex')}\n`;
  let told = false;
  while (!(await take(path, mine))) {
    const holder = await inspect(path);
    if (holder?.abandoned) {
      if ((await inspect(path))?.text === holder.text) await rm(path, { force: true });
      continue;
    }
    if (holder && holder.pid > 0 && !told) {
      told = true;
      onWait?.(holder.pid);
    }
    await sleep(POLL_INTERVAL_MS);
  }
  try {
    return await work();
  } finally {
    if ((await inspect(path))?.text === mine) await rm(path, { force: true });
  }
}
