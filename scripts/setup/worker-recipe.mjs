/**
 * How the worker's source is changed so that it builds against the distribution's libraries: the stand-ins in
 * worker-shims/ and a few exact replacements. Owns the recipe and its hash; runs no compiler.
 */

import { createHash } from 'node:crypto';
import { cp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { SetupError } from './setup-error.mjs';

/**
 * @typedef {object} Patch
 * @property {string} file path inside the worker's source
 * @property {string} find text that must occur exactly once
 * @property {string} replace
 * @property {string} why
 */

/** @type {readonly Patch[]} */
export const PATCHES = [
  {
    file: 'meson.build',
    find: "meson_version: '>= 1.1.0'",
    replace: "meson_version: '>= 1.0.0'",
    why: 'Debian 12 has Meson 1.0, which is enough for what the file uses',
  },
  {
    file: 'meson.build',
    find: "  sources: common_sources + ['src/main.cpp'],\n",
    replace: "  sources: common_sources + ['src/main.cpp'],\n  cpp_pch: 'pch/worker.hpp',\n",
    why: 'the worker is built with a precompiled header',
  },
  {
    file: 'src/RTC/DtlsTransport.cpp',
    find: '(operationType == BIO_CB_RETURN) ? static_cast<long>(ret) : 1;',
    replace: '((operationType & BIO_CB_RETURN) != 0) ? static_cast<long>(ret) : 1;',
    why:
      'a callback that answers 1 to BIO_CTRL_GET_KTLS_SEND makes an OpenSSL that was built with kernel TLS skip its ' +
      'write buffer and crash in the first DTLS handshake',
  },
];

export const SHIMS = fileURLToPath(new URL('worker-shims', import.meta.url));

/**
 * @param {string} source
 * @param {Patch} patch
 * @returns {string} the patched source
 * @throws {SetupError} ERR_SETUP_WORKER_PATCH when the text isn't there exactly once
 */
export function applyPatch(source, patch) {
  const parts = source.split(patch.find);
  if (parts.length !== 2) {
    throw new SetupError(
      'ERR_SETUP_WORKER_PATCH',
      `${patch.file} of this mediasoup version has the text to replace ${parts.length - 1} times instead of once: ` +
        `"${patch.find}" (${patch.why}).`,
      {
        remedy: 'Install the mediasoup version of package-lock.json (npm ci), or set MEDIASOUP_WORKER_BIN to a worker.',
      },
    );
  }
  return parts.join(patch.replace);
}

/**
 * Changes a copy of the worker's source in place.
 *
 * @param {string} sourceDir
 * @param {readonly Patch[]} [patches]
 */
export async function applyRecipe(sourceDir, patches = PATCHES) {
  for (const patch of patches) {
    const path = join(sourceDir, patch.file);
    await writeFile(path, applyPatch(await readFile(path, 'utf8'), patch));
  }
  await rm(join(sourceDir, 'subprojects'), { recursive: true, force: true });
  await cp(SHIMS, sourceDir, { recursive: true });
}

/**
 * @param {readonly Patch[]} [patches]
 * @param {string} [shims]
 * @returns {Promise<string>} eight hexadecimal digits that change whenever the recipe does
 */
export async function recipeHash(patches = PATCHES, shims = SHIMS) {
  const hash = createHash('sha256').update(
    JSON.stringify(patches.map(({ file, find, replace }) => [file, find, replace])),
  );
  const entries = await readdir(shims, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  for (const path of files.sort()) {
    hash.update(`\0${relative(shims, path)}\0`).update(await readFile(path));
  }
  return hash.digest('hex').slice(0, 8);
}
