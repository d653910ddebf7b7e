/** The last line of `npm test`. */
import { expect, test } from 'vitest';
import { addUp, countTests, formatCounts } from '../../scripts/setup/test-report.mjs';

const file = (status: string, ...results: string[]) => ({
  name: 'a.test.ts',
  status,
  assertionResults: results.map((result) => ({ status: result })),
});

test('each test counts once, whatever its file', () => {
  const report = {
    testResults: [file('passed', 'passed', 'passed', 'skipped', 'todo'), file('failed', 'failed', 'passed')],
  };
  expect(countTests(report, 1)).toEqual({ passed: 3, failed: 1, skipped: 2 });
});

test('a file that could not be loaded is a failure', () => {
  expect(countTests({ testResults: [file('passed', 'passed'), file('failed')] }, 1)).toMatchObject({ failed: 1 });
});

test('an error outside every test is a failure, though every test has passed', () => {
  expect(countTests({ testResults: [file('passed', 'passed')] }, 1)).toEqual({ passed: 1, failed: 1, skipped: 0 });
});

test('a vitest that died without a report is a failure', () => {
  expect(countTests(undefined, 134)).toEqual({ passed: 0, failed: 1, skipped: 0 });
});

test('no test file is no failure by itself', () => {
  expect(countTests({ testResults: [] }, 0)).toEqual({ passed: 0, failed: 0, skipped: 0 });
});

test('the line says what was skipped only if something was', () => {
  const lint = { passed: 1, failed: 0, skipped: 0 };
  const unit = { passed: 118, failed: 0, skipped: 0 };
  expect(formatCounts(addUp([lint, lint, unit]))).toBe('120 passed, 0 failed');
  expect(formatCounts(addUp([unit, { passed: 0, failed: 2, skipped: 3 }]))).toBe('118 passed, 2 failed, 3 skipped');
});
