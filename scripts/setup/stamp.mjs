/** Fingerprints of files, and the stamp files that say for which fingerprint a step has been done. */

import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';

/**
 * @param {string} path
 * @returns {Promise<string[]>} all files at or under `path`, none when there is nothing
 */
async function filesUnder(path) {
  let entries;
  try {
    entries = await readdir(path, { withFileTypes: true });
  } catch (error) {
    const { code } = /** @type {NodeJS.ErrnoException} */ (error);
    if (code === 'ENOTDIR') return [path];
    if (code === 'ENOENT') return [];
    throw error;
  }
  const nested = await Promise.all(entries.map((entry) => filesUnder(join(path, entry.name))));
  return nested.flat();
}

/**
 * @param {string} root
 * @param {string[]} paths files and folders, relative to `root`
 * @param {string[]} [extras] anything else that the result depends on
 * @returns {Promise<string>} a hash that changes with the content, the name or the presence of any file
 */
export async function fingerprint(root, paths, extras = []) {
  const files = (await Promise.all(paths.map((path) => filesUnder(join(root, path))))).flat().sort();
  const contents = await Promise.all(files.map((file) => readFile(file)));
  const hash = createHash('sha256').update(JSON.stringify(extras));
  for (const [index, file] of files.entries()) {
    const content = /** @type {Buffer} */ (contents[index]);
    hash.update(`\0${relative(root, file)}\0${content.length}\0`).update(content);
  }
  return hash.digest('hex');
}

/**
 * @param {string} path
 * @returns {Promise<string | undefined>}
 */
export async function readStamp(path) {
  return readFile(path, 'utf8').then(
    (text) => text.trim(),
    () => undefined,
  );
}

/**
 * @param {string} path
 * @param {string} value
 */
export async function writeStamp(path, value) {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, `${value}\n`);
}

/** @param {string} path */
export async function removeStamp(path) {
  await rm(path, { force: true });
}
