/** The lock between two set-ups. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { withFileLock } from '../../scripts/setup/file-lock.mjs';
import { temporaryDirectory } from './temporary-directory.ts';

function pidOfTheDead(): number {
  return spawnSync(process.execPath, ['-e', '']).pid;
}

test('work under the same lock does not overlap, and the one that waits is told of the holder', async () => {
  const path = join(await temporaryDirectory(), 'lock');
  let running = 0;
  let most = 0;
  const holders: number[] = [];
  const work = async () => {
    most = Math.max(most, ++running);
    await new Promise((done) => setImmediate(done));
    running--;
  };
  const onWait = (pid: number) => holders.push(pid);
  await Promise.all([withFileLock(path, work, { onWait }), withFileLock(path, work, { onWait })]);
  expect(most).toBe(1);
  expect(holders).toEqual([process.pid]);
  expect(existsSync(path)).toBe(false);
});

test('the lock is let go when the work fails', async () => {
  const path = join(await temporaryDirectory(), 'lock');
  await expect(withFileLock(path, () => Promise.reject(new Error('no')))).rejects.toThrow('no');
  expect(existsSync(path)).toBe(false);
});

test('the lock of a killed process is taken over', async () => {
  const path = join(await temporaryDirectory(), 'lock');
  await writeFile(path, `${pidOfTheDead()} abc\n`);
  expect(await withFileLock(path, async () => 'done')).toBe('done');
});

test('a lock that its holder had no time to sign is taken over once it is old', async () => {
  const path = join(await temporaryDirectory(), 'lock');
  await writeFile(path, '');
  const longAgo = new Date(Date.now() - 60_000);
  await utimes(path, longAgo, longAgo);
  expect(await withFileLock(path, async () => 'done')).toBe('done');
});
