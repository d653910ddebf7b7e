/** Whether the dependencies are installed as the lockfile asks, and what happens when npm fails. */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { Run } from '../../scripts/setup/command.mjs';
import { dependenciesStamp, differences, ensureDependencies } from '../../scripts/setup/dependencies.mjs';
import { temporaryDirectory } from './temporary-directory.ts';

const LOCK = {
  packages: {
    '': { version: '0.1.0' },
    'node_modules/ws': { version: '8.0.0', integrity: 'sha512-a' },
    'node_modules/tool-darwin': { version: '1.0.0', optional: true },
  },
};
const INSTALLED = { packages: { 'node_modules/ws': { version: '8.0.0', integrity: 'sha512-a' } } };

async function clone(installed?: object): Promise<string> {
  const root = await temporaryDirectory();
  await writeFile(join(root, 'package-lock.json'), JSON.stringify(LOCK));
  await mkdir(join(root, 'node_modules'));
  if (installed) await writeFile(join(root, 'node_modules/.package-lock.json'), JSON.stringify(installed));
  return root;
}

function fakeNpm(status: number, output = ''): Run & { calls: string[][] } {
  const calls: string[][] = [];
  const run: Run = async (_program, args) => {
    calls.push(args);
    return { status, output };
  };
  return Object.assign(run, { calls });
}

test('nothing differs when npm has installed what the lockfile pins, other platforms left out', () => {
  expect(differences(LOCK, INSTALLED)).toEqual([]);
});

test('a missing package, another version and another integrity each differ', () => {
  expect(differences(LOCK, {})).toEqual(['ws@8.0.0']);
  expect(differences(LOCK, { packages: { 'node_modules/ws': { version: '7.0.0' } } })).toEqual(['ws@8.0.0']);
  const forged = { packages: { 'node_modules/ws': { version: '8.0.0', integrity: 'sha512-b' } } };
  expect(differences(LOCK, forged)).toEqual(['ws@8.0.0']);
});

test('dependencies that were installed by hand are not installed again', async () => {
  const npm = fakeNpm(0);
  expect(await ensureDependencies({ root: await clone(INSTALLED), run: npm })).toBe(false);
  expect(npm.calls).toEqual([]);
});

test('missing dependencies are installed by npm ci without install scripts, once', async () => {
  const root = await clone();
  const npm = fakeNpm(0);
  expect(await ensureDependencies({ root, run: npm })).toBe(true);
  expect(npm.calls[0]?.slice(1)).toEqual(expect.arrayContaining(['ci', '--ignore-scripts']));
  expect(await ensureDependencies({ root, run: npm })).toBe(false);
  expect(npm.calls).toHaveLength(1);
});

test('dependencies of another platform are installed anew', async () => {
  const root = await clone(INSTALLED);
  const lock = await readFile(join(root, 'package-lock.json'), 'utf8');
  const stamp = dependenciesStamp(lock, process.version, 'plan9-mips');
  await writeFile(join(root, 'node_modules/.antipode-dependencies'), stamp);
  const npm = fakeNpm(0);
  expect(await ensureDependencies({ root, run: npm })).toBe(true);
});

test('a failed npm ci leaves no stamp and shows what npm printed', async () => {
  const root = await clone();
  const failing = ensureDependencies({ root, run: fakeNpm(1, 'npm error network') });
  await expect(failing).rejects.toMatchObject({ code: 'ERR_SETUP_DEPENDENCIES', output: 'npm error network' });
  const npm = fakeNpm(0);
  expect(await ensureDependencies({ root, run: npm })).toBe(true);
});

test('a full disk during npm ci is called a full disk', async () => {
  const failing = ensureDependencies({ root: await clone(), run: fakeNpm(1, 'npm error code ENOSPC') });
  await expect(failing).rejects.toMatchObject({ code: 'ERR_SETUP_CACHE' });
});
