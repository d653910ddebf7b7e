import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { PolicyFile } from '../../src/placement/policy-file.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { recordingLog } from '../support/recording-log.ts';

let folder = '';
let path = '';
let clock: FakeClock;
let files: PolicyFile[];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'antipode-policy-'));
  path = join(folder, 'placement.yaml');
  clock = new FakeClock();
  files = [];
});
afterEach(() => {
  for (const file of files) file.close();
  rmSync(folder, { recursive: true });
});

function open(text: string) {
  writeFileSync(path, text);
  const { log, messages } = recordingLog();
  const file = PolicyFile.open({ path, clock, log });
  files.push(file);
  return { file, messages };
}

/** Until the change was seen and read; the test's own timeout is the limit. */
async function until(holds: () => boolean): Promise<void> {
  while (!holds()) {
    clock.advance(50);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

const loadWeight = (ms: number) => `version: 1\nobjective: { loadWeightMs: ${ms} }\n`;

test('a changed file comes into force without a restart', async () => {
  const { file } = open(loadWeight(10));
  expect(file.current.objective.loadWeightMs).toBe(10);
  writeFileSync(path, loadWeight(20));
  await until(() => file.current.objective.loadWeightMs === 20);
  expect(file.status).toMatchObject({ revision: 2, refused: null, refusals: 0, watching: true });
});

test('a file that is put in the place of the old one, as editors do, is noticed too', async () => {
  const { file } = open(loadWeight(10));
  writeFileSync(join(folder, 'next'), loadWeight(30));
  renameSync(join(folder, 'next'), path);
  await until(() => file.current.objective.loadWeightMs === 30);
});

test('a refused version leaves the old one in force, is logged, counted and shown; a good one takes it away', async () => {
  const { file, messages } = open(loadWeight(10));
  writeFileSync(path, 'version: 1\nobjectiv: {}\n');
  await until(() => file.status.refusals === 1);
  expect(file.current.objective.loadWeightMs).toBe(10);
  expect(file.status.refused).toEqual({
    at: expect.any(String),
    problems: [expect.stringContaining('objectiv: there is no such key')],
  });
  expect(messages()).toEqual(['the placement policy was refused: the old one stays in force']);
  // The very text that is in force already.
  writeFileSync(path, loadWeight(10));
  await until(() => file.status.refused === null);
  expect(file.status.refusals).toBe(1);
});

test('a file that is gone is refused like a wrong one', async () => {
  const { file } = open(loadWeight(10));
  rmSync(path);
  await until(() => file.status.refused !== null);
  expect(file.status.refused!.problems[0]).toContain('ENOENT');
  expect(file.current.objective.loadWeightMs).toBe(10);
});

test('a first file that is missing or wrong is an error: there is no old one to keep', () => {
  const { log } = recordingLog();
  expect(() => PolicyFile.open({ path: join(folder, 'none.yaml'), clock, log })).toThrowError(/Cannot read the policy/);
  writeFileSync(path, 'version: 3\n');
  expect(() => PolicyFile.open({ path, clock, log })).toThrowError(/version: must be 1, not 3/);
});

test('closes twice, and reads no more', async () => {
  const { file } = open(loadWeight(10));
  file.close();
  file.close();
  writeFileSync(path, loadWeight(20));
  clock.advance(1_000);
  await file.settled;
  expect(file.current.objective.loadWeightMs).toBe(10);
  expect(clock.pendingCount).toBe(0);
});
