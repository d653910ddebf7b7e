/** A process of a topology: its start, its death, and that nothing of it is left. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Supervised, type SupervisedOptions } from '../../src/up/supervised.ts';
import { FakeClock } from '../support/fake-clock.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'antipode-supervised-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const told: string[] = [];
const RUNS = "console.log('is ready'); setInterval(() => {}, 1e6);";

function start(script: string, options: Partial<SupervisedOptions> = {}) {
  told.length = 0;
  return Supervised.start({
    ...{ name: 'part', command: process.execPath, args: ['-e', script], cwd: folder, environment: process.env },
    ...{ logFile: join(folder, 'part.log'), ready: /is ready/, restart: true, clock: new FakeClock() },
    tell: (words) => void told.push(words),
    ...options,
  });
}

async function has(words: string): Promise<void> {
  while (!told.some((line) => line.includes(words))) await new Promise((resolve) => setTimeout(resolve, 2));
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

test('one that dies is started again, each time after a longer wait', async () => {
  const clock = new FakeClock();
  await using part = await start(RUNS, { clock });
  for (const waitMs of [1_000, 2_000]) {
    const pid = part.pid!;
    process.kill(pid, 'SIGKILL');
    await has(`part ended by SIGKILL; it is started again in ${waitMs / 1_000} s`);
    clock.advance(waitMs - 1);
    await new Promise((resolve) => setTimeout(resolve, 10));
    expect(part.pid).toBe(pid);
    told.length = 0;
    clock.advance(1);
    await has('part runs again');
    expect(part.pid).not.toBe(pid);
  }
});

test('one that is to stay dead is told once', async () => {
  await using part = await start(RUNS, { restart: false });
  process.kill(part.pid!, 'SIGKILL');
  await part.dead;
  expect(told).toEqual(['part ended by SIGKILL']);
});

test('one that ends before it is ready says why, and is not tried again', async () => {
  await expect(start("console.error('no such port'); process.exit(3)")).rejects.toMatchObject({
    code: 'ERR_SERVICE_FAILED',
    message: 'part ended with 3\n  no such port',
  });
  await expect(start('', { command: join(folder, 'nothing') })).rejects.toThrow('could not be started');
});

test('it is ended by SIGINT, with its output in its log', async () => {
  const part = await start(`process.on('SIGINT', () => { console.log('bye'); process.exit(0); }); ${RUNS}`);
  const pid = part.pid!;
  await Promise.all([part[Symbol.asyncDispose](), part[Symbol.asyncDispose]()]);
  expect(isAlive(pid)).toBe(false);
  expect(await readFile(join(folder, 'part.log'), 'utf8')).toBe('is ready\nbye\n');
  expect(told).toEqual([]);
});

test('what it started goes with it when all is killed', async () => {
  const child = "const { pid } = require('node:child_process').spawn('sleep', ['100']); console.log('child', pid);";
  await using part = await start(`${child} ${RUNS}`, { restart: false });
  const log = async () => /child (\d+)/.exec(await readFile(join(folder, 'part.log'), 'utf8'))?.[1];
  while ((await log()) === undefined) await new Promise((resolve) => setTimeout(resolve, 5));
  const pid = Number(await log());
  expect(isAlive(pid)).toBe(true);
  part.killGroup();
  await part.dead;
  while (isAlive(pid)) await new Promise((resolve) => setTimeout(resolve, 5));
});
