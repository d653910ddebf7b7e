/** The changes to the worker's source: exact, or a loud failure. */
import { cp, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { applyPatch, applyRecipe, PATCHES, recipeHash, SHIMS } from '../../scripts/setup/worker-recipe.mjs';
import { temporaryDirectory } from './temporary-directory.ts';

const PATCH = { file: 'a.cpp', find: 'old();', replace: 'fresh();', why: 'a test' };
const WORKER_SOURCE = join(import.meta.dirname, '../../node_modules/mediasoup/worker');

test('a text that is there once is replaced', () => {
  expect(applyPatch('before(); old(); after();', PATCH)).toBe('before(); fresh(); after();');
});

test('a text that is missing, or there twice, fails loudly and names the file', () => {
  for (const source of ['nothing', 'old(); old();']) {
    expect(() => applyPatch(source, PATCH)).toThrow(expect.objectContaining({ code: 'ERR_SETUP_WORKER_PATCH' }));
    expect(() => applyPatch(source, PATCH)).toThrow(/a\.cpp/);
  }
});

test('the recipe fits the source of the installed mediasoup', async () => {
  const tree = await temporaryDirectory();
  const parts = ['meson.build', 'subprojects', ...PATCHES.map(({ file }) => file)];
  for (const part of parts) await cp(join(WORKER_SOURCE, part), join(tree, part), { recursive: true });
  await applyRecipe(tree);

  const dtls = await readFile(join(tree, 'src/RTC/DtlsTransport.cpp'), 'utf8');
  expect(dtls).toContain('(operationType & BIO_CB_RETURN) != 0');
  const subprojects = await readdir(join(tree, 'subprojects'));
  expect(subprojects.filter((name) => name.endsWith('.wrap'))).toEqual([]);
  expect(subprojects).toEqual(expect.arrayContaining(['libsrtp3', 'libuv', 'openssl', 'unordered_dense']));
});

test('the hash of the recipe changes with a patch and with a stand-in, and not by itself', async () => {
  const hash = await recipeHash();
  expect(hash).toMatch(/^[0-9a-f]{8}$/);
  expect(await recipeHash()).toBe(hash);
  expect(await recipeHash([...PATCHES, PATCH])).not.toBe(hash);

  const shims = await temporaryDirectory();
  await cp(SHIMS, shims, { recursive: true });
  expect(await recipeHash(PATCHES, shims)).toBe(hash);
  await writeFile(join(shims, 'subprojects/libuv/meson.build'), 'changed');
  expect(await recipeHash(PATCHES, shims)).not.toBe(hash);
});
