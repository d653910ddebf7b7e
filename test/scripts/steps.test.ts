/** What a person sees of the set-up. */
import { expect, test } from 'vitest';
import { formatDuration, Steps } from '../../scripts/setup/steps.mjs';

function screen() {
  let nowMs = 0;
  const lines: string[] = [];
  const steps = new Steps({ output: { write: (text) => lines.push(text) }, now: () => nowMs, env: {} });
  return { steps, lines, pass: (ms: number) => (nowMs += ms) };
}

test('durations are read as a person would say them', () => {
  expect([40, 1_250, 99_900, 151_400].map(formatDuration)).toEqual(['0.0 s', '1.3 s', '99.9 s', '2 min 31 s']);
});

test('a step is one line with its result and its time, and gives back what it found', async () => {
  const { steps, lines, pass } = screen();
  const found = await steps.run('page', (step) => {
    pass(2_300);
    step.detail('built');
    return 7;
  });
  expect(found).toBe(7);
  expect(lines).toEqual(['ok   page: built  (2.3 s)\n']);
});

test('away from a terminal a long step reports its progress now and then', async () => {
  const { steps, lines, pass } = screen();
  await steps.run('worker', (step) => {
    for (let done = 1; done <= 10; done++) {
      pass(5_000);
      step.progress(`${done}/10`);
    }
  });
  expect(lines).toEqual(['...  worker: 4/10  20.0 s\n', '...  worker: 8/10  40.0 s\n', 'ok   worker  (50.0 s)\n']);
});

test('a step that throws is marked and the error goes on', async () => {
  const { steps, lines } = screen();
  const broken = steps.run('worker', () => Promise.reject(new Error('no compiler')));
  await expect(broken).rejects.toThrow('no compiler');
  expect(lines).toEqual(['FAIL worker  (0.0 s)\n']);
});

test('a warning and a skip say their reason', async () => {
  const { steps, lines } = screen();
  await steps.run('packages', (step) => step.warn('without flite'));
  await steps.run('e2e', (step) => step.skip('no chromium'));
  expect(lines).toEqual(['warn packages: without flite  (0.0 s)\n', 'skip e2e: no chromium  (0.0 s)\n']);
});
