/** A cache that holds whole entries or none. */
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { makeCacheEntry } from '../../scripts/setup/cache-entry.mjs';
import { temporaryDirectory } from './temporary-directory.ts';

function recipeFor(entry: string) {
  return {
    isGood: () => existsSync(join(entry, 'binary')),
    fill: (temporary: string) => writeFile(join(temporary, 'binary'), 'worker'),
  };
}

test('an entry is made once and nothing else is left beside it', async () => {
  const cache = await temporaryDirectory();
  const entry = join(cache, 'v1');
  expect(await makeCacheEntry(entry, recipeFor(entry))).toBe(true);
  expect(await readFile(join(entry, 'binary'), 'utf8')).toBe('worker');
  expect(await makeCacheEntry(entry, recipeFor(entry))).toBe(false);
  expect(await readdir(cache)).toEqual(['v1']);
});

test('a fill that fails leaves no entry and nothing half made', async () => {
  const cache = await temporaryDirectory();
  const entry = join(cache, 'v1');
  const fill = async (temporary: string) => {
    await writeFile(join(temporary, 'binary'), 'half');
    throw new Error('compiler killed');
  };
  await expect(makeCacheEntry(entry, { ...recipeFor(entry), fill })).rejects.toThrow('compiler killed');
  expect(await readdir(cache)).toEqual([]);
});

test('an entry that is not good is replaced, and what a killed process left is removed', async () => {
  const cache = await temporaryDirectory();
  const entry = join(cache, 'v1');
  await mkdir(entry);
  await writeFile(join(entry, 'broken'), '');
  await mkdir(join(cache, '.v1.making-killed/build-tree'), { recursive: true });
  expect(await makeCacheEntry(entry, recipeFor(entry))).toBe(true);
  expect(await readdir(entry)).toEqual(['binary']);
  expect(await readdir(cache)).toEqual(['v1']);
});

test('two at once make the entry once', async () => {
  const entry = join(await temporaryDirectory(), 'v1');
  let fills = 0;
  const options = {
    isGood: () => existsSync(join(entry, 'binary')),
    fill: async (temporary: string) => {
      fills++;
      await writeFile(join(temporary, 'binary'), 'worker');
    },
  };
  const made = await Promise.all([makeCacheEntry(entry, options), makeCacheEntry(entry, options)]);
  expect(made.toSorted()).toEqual([false, true]);
  expect(fills).toBe(1);
});

test('a full disk and a cache that cannot be made are explained with what to do', async () => {
  const cache = await temporaryDirectory();
  const entry = join(cache, 'v1');
  const full = Object.assign(new Error('write'), { code: 'ENOSPC' });
  const fill = () => Promise.reject(full);
  await expect(makeCacheEntry(entry, { ...recipeFor(entry), fill })).rejects.toMatchObject({
    code: 'ERR_SETUP_CACHE',
    message: expect.stringContaining('no space left'),
    remedy: expect.stringContaining('ANTIPODE_CACHE_DIR'),
  });
  await writeFile(join(cache, 'file'), '');
  const inFile = join(cache, 'file/v1');
  await expect(makeCacheEntry(inFile, recipeFor(inFile))).rejects.toMatchObject({ code: 'ERR_SETUP_CACHE' });
});
