/** A script that stands between a person and the server passes on signals and the exit code. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { expect, onTestFinished, test } from 'vitest';

const MODULE = join(import.meta.dirname, '../../scripts/setup/foreground.mjs');

/** Says its process id, then each SIGTERM that it gets, and ends with 7 on the first. */
const SERVER = `
  process.on('SIGTERM', () => { console.log('SIGTERM'); setTimeout(() => process.exit(7), 50); });
  setInterval(() => {}, 1000);
  console.log(process.pid);
`;

function wrap(call: string): ChildProcess {
  const script = `import { runInForeground, becomeNode } from ${JSON.stringify(MODULE)}; process.exitCode = await ${call};`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  return child;
}

async function linesOf(child: ChildProcess): Promise<AsyncIterator<string>> {
  return createInterface({ input: child.stdout! })[Symbol.asyncIterator]();
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

test('a signal reaches the child once, though it comes twice, and the exit code is the child’s', async () => {
  const wrapper = wrap(`runInForeground(process.execPath, ['-e', ${JSON.stringify(SERVER)}])`);
  const ended = once(wrapper, 'exit');
  const lines = await linesOf(wrapper);
  const pid = Number((await lines.next()).value);
  expect(pid).not.toBe(wrapper.pid);
  wrapper.kill('SIGTERM');
  wrapper.kill('SIGTERM');
  expect((await lines.next()).value).toBe('SIGTERM');
  expect((await lines.next()).done).toBe(true);
  expect(await ended).toEqual([7, null]);
  expect(isAlive(pid)).toBe(false);
});

test('a child that is killed by a signal is reported as a shell would', async () => {
  const wrapper = wrap(`runInForeground(process.execPath, ['-e', 'process.kill(process.pid, "SIGKILL")'])`);
  expect(await once(wrapper, 'exit')).toEqual([137, null]);
});

test('under a recent Node the server takes the place of the script', async () => {
  const wrapper = wrap(`becomeNode(['-e', ${JSON.stringify(SERVER)}])`);
  const ended = once(wrapper, 'exit');
  const lines = await linesOf(wrapper);
  expect(Number((await lines.next()).value)).toBe(wrapper.pid);
  wrapper.kill('SIGTERM');
  expect(await ended).toEqual([7, null]);
});
