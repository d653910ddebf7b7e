/** The chaos command's own words: what it lists, and what it refuses. */
import { expect, test } from 'vitest';
import { chaosCommand } from './runs/chaos-cli.ts';
import { SCENARIOS } from './scenarios/index.ts';

test('every scenario is listed with what happens in it', async () => {
  const { code, stdout } = await chaosCommand(['--list']);
  expect(code).toBe(0);
  const names = stdout
    .trim()
    .split('\n')
    .map((line) => line.split(/ {2,}/)[0]);
  expect(names).toEqual([...SCENARIOS.keys()]);
  expect(names).toContain('kill-core');
});

test('a scenario that there is not, and a number that can not be, are refused in words', async () => {
  const unknown = await chaosCommand(['--scenario', 'kill-cores']);
  expect(unknown).toMatchObject({ code: 2, stderr: expect.stringMatching(/^Which scenario\? One of: kill-core, /) });
  const calls = await chaosCommand(['--scenario', 'kill-core', '--calls', 'many']);
  expect(calls).toMatchObject({ code: 2, stderr: expect.stringContaining('--calls must be a whole number') });
});
