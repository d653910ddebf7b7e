import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { runSimulate } from '../../../src/placement/simulate/index.ts';

const page = readFileSync(new URL('../../../docs/simulate.md', import.meta.url), 'utf8');

test('docs/simulate.md names every option of the command and no other', async () => {
  let help = '';
  const out = { write: (text: string) => (help += text) };
  expect(await runSimulate(['--help'], { out, err: out })).toBe(0);
  const optionsIn = (text: string) => new Set(text.match(/--[a-z]+(-[a-z]+)*/g));
  const told = optionsIn(page);
  expect([...optionsIn(help)].filter((option) => !told.has(option))).toEqual([]);
  expect([...told].filter((option) => !optionsIn(help).has(option))).toEqual([]);
});
