/** When a step of the set-up must be done again. */
import { mkdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { fingerprint, readStamp, removeStamp, writeStamp } from '../../scripts/setup/stamp.mjs';
import { temporaryDirectory } from './temporary-directory.ts';

async function sources(): Promise<string> {
  const root = await temporaryDirectory();
  await mkdir(join(root, 'web/parts'), { recursive: true });
  await writeFile(join(root, 'web/index.html'), 'page');
  await writeFile(join(root, 'web/parts/meter.tsx'), 'meter');
  await writeFile(join(root, 'lock.json'), '{}');
  return root;
}

const PATHS = ['web', 'lock.json'];

test('the fingerprint stays the same while nothing changes', async () => {
  const root = await sources();
  expect(await fingerprint(root, PATHS)).toBe(await fingerprint(root, PATHS));
});

test('the fingerprint changes with the content of a nested file', async () => {
  const root = await sources();
  const before = await fingerprint(root, PATHS);
  await writeFile(join(root, 'web/parts/meter.tsx'), 'louder');
  expect(await fingerprint(root, PATHS)).not.toBe(before);
});

test('the fingerprint changes when a file is renamed', async () => {
  const root = await sources();
  const before = await fingerprint(root, PATHS);
  await rename(join(root, 'web/parts/meter.tsx'), join(root, 'web/parts/level.tsx'));
  expect(await fingerprint(root, PATHS)).not.toBe(before);
});

test('the fingerprint changes when content moves from one file to the next', async () => {
  const root = await sources();
  const before = await fingerprint(root, PATHS);
  await writeFile(join(root, 'web/index.html'), 'pagem');
  await writeFile(join(root, 'web/parts/meter.tsx'), 'eter');
  expect(await fingerprint(root, PATHS)).not.toBe(before);
});

test('the fingerprint ignores files outside its paths, and paths that are not there', async () => {
  const root = await sources();
  const before = await fingerprint(root, PATHS);
  await writeFile(join(root, 'notes.md'), 'unrelated');
  expect(await fingerprint(root, [...PATHS, 'absent'])).toBe(before);
});

test('the fingerprint changes with what else the result depends on', async () => {
  const root = await sources();
  expect(await fingerprint(root, PATHS, ['node 24'])).not.toBe(await fingerprint(root, PATHS, ['node 26']));
});

test('a stamp is read back as it was written, and is gone when removed', async () => {
  const path = join(await temporaryDirectory(), 'deep/stamp');
  expect(await readStamp(path)).toBeUndefined();
  await writeStamp(path, 'abc');
  expect(await readStamp(path)).toBe('abc');
  await removeStamp(path);
  expect(await readStamp(path)).toBeUndefined();
});
