/**
 * Makes a directory of the cache in one piece: filled under a temporary name, checked, then renamed. A kill, a full disk
 * or a second process in the middle leaves either the whole entry or none.
 */

import { mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { withFileLock } from './file-lock.mjs';
import { explainUnwritable } from './setup-error.mjs';

/**
 * @param {string} entry the directory to make
 * @param {object} options
 * @param {() => Promise<boolean> | boolean} options.isGood whether `entry` exists and is whole
 * @param {(temporary: string) => Promise<void>} options.fill fills the temporary directory, and throws when what it has
 *   made doesn't work
 * @param {(pid: number) => void} [options.onWait] called when another process is making the same entry
 * @returns {Promise<boolean>} whether this call made the entry; false when another process did in the meantime
 */
export function makeCacheEntry(entry, { isGood, fill, onWait }) {
  const parent = dirname(entry);
  const prefix = `.${basename(entry)}.making-`;
  return explainUnwritable(parent, async () => {
    await mkdir(parent, { recursive: true });
    return withFileLock(
      join(parent, `.${basename(entry)}.lock`),
      async () => {
        if (await isGood()) return false;
        for (const name of await readdir(parent)) {
          if (name.startsWith(prefix)) await rm(join(parent, name), { recursive: true, force: true });
        }
        const temporary = await mkdtemp(join(parent, prefix));
        try {
          await fill(temporary);
          await rm(entry, { recursive: true, force: true });
          await rename(temporary, entry);
        } finally {
          await rm(temporary, { recursive: true, force: true });
        }
        return true;
      },
      { onWait },
    );
  });
}
