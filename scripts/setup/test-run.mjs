/**
 * Runs every check of the repository one after the other: formatting and linting, types, unit tests, end-to-end tests.
 * Owns their order, the summary and the exit code; what a test proves is the test's.
 */

import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { run } from './command.mjs';
import { runInForeground } from './foreground.mjs';
import { ROOT } from './paths.mjs';
import { formatDuration } from './steps.mjs';
import { REDIS_PACKAGES } from './system-packages.mjs';
import { addUp, countTests, formatCounts } from './test-report.mjs';

/** Unit tests that lack theirs skip themselves, and fail in a continuous integration run. */
const UNIT_TEST_PACKAGES = REDIS_PACKAGES.map(({ name }) => name);

/**
 * @typedef {object} TestRunOptions
 * @property {import('./steps.mjs').Steps} steps
 * @property {NodeJS.ProcessEnv} env
 * @property {string[]} filters parts of test file names; all tests when empty
 * @property {string[]} missingPackages system packages that tests need and that aren't there
 * @property {string} [installCommand]
 *
 * @typedef {{ name: string, counts: import('./test-report.mjs').Counts, elapsedMs: number, note?: string }} CheckResult
 */

/**
 * @param {TestRunOptions} options
 * @returns {Promise<number>} exit code: 0 only when tests ran and nothing failed
 */
export async function runTests({ steps, env, filters, missingPackages, installCommand }) {
  /** @type {CheckResult[]} */
  const results = [];
  /**
   * @param {string} name
   * @param {(step: import('./steps.mjs').StepHandle) => Promise<{ counts: import('./test-report.mjs').Counts, note?: string }>} work
   */
  const check = async (name, work) => {
    const startedMs = performance.now();
    const { counts, note } = await steps.run(name, work);
    results.push({ name, counts, note, elapsedMs: performance.now() - startedMs });
  };

  await check('lint', (step) => runProgram(step, env, 'node_modules/@biomejs/biome/bin/biome', ['ci', '--colors=off']));
  await check('types', (step) => runProgram(step, env, 'node_modules/typescript/bin/tsc', ['--noEmit', '-p', '.']));
  await check('unit tests', (step) => runVitest(step, env, 'unit', filters));
  await check('end-to-end tests', async (step) => {
    const needed = missingPackages.filter((name) => !UNIT_TEST_PACKAGES.includes(name));
    if (needed.length === 0) return runVitest(step, env, 'e2e', filters);
    const reason = `${needed.join(' ')} missing; type: ${installCommand}`;
    // A continuous integration run must not pass by leaving out what it is there for.
    const status = env.CI ? 'failed' : 'skipped';
    if (env.CI) step.fail(reason);
    else step.skip(reason);
    return { counts: { passed: 0, failed: 0, skipped: 0, [status]: 1 }, note: reason };
  });

  console.log('\nSummary');
  for (const { name, counts, elapsedMs, note } of results) {
    const figures = `${name.padEnd(17)} ${formatCounts(counts)}  (${formatDuration(elapsedMs)})`;
    console.log(`  ${figures}${note ? `  ${note}` : ''}`);
  }
  const total = addUp(results.map(({ counts }) => counts));
  const tests = addUp(results.filter(({ name }) => name.endsWith('tests')).map(({ counts }) => counts));
  const noTestRan = tests.passed + tests.failed === 0;
  if (noTestRan) console.log('  No test ran.');
  console.log(formatCounts(total));
  return total.failed > 0 || noTestRan ? 1 : 0;
}

/**
 * @param {import('./steps.mjs').StepHandle} step
 * @param {NodeJS.ProcessEnv} env
 * @param {string} program relative to the root
 * @param {string[]} args
 */
async function runProgram(step, env, program, args) {
  const { status, output } = await run(process.execPath, [join(ROOT, program), ...args], { cwd: ROOT, env });
  if (status === 0) return { counts: { passed: 1, failed: 0, skipped: 0 } };
  step.handOver();
  console.log(output.trimEnd());
  step.fail(`exit code ${status}`);
  return { counts: { passed: 0, failed: 1, skipped: 0 } };
}

/**
 * @param {import('./steps.mjs').StepHandle} step
 * @param {NodeJS.ProcessEnv} env
 * @param {'unit' | 'e2e'} project of vitest.config.ts
 * @param {string[]} filters
 */
async function runVitest(step, env, project, filters) {
  step.handOver();
  const directory = await mkdtemp(join(tmpdir(), 'antipode-test-'));
  try {
    const report = join(directory, 'report.json');
    const status = await runInForeground(
      process.execPath,
      [
        join(ROOT, 'node_modules/vitest/vitest.mjs'),
        ...['run', '--project', project, '--passWithNoTests'],
        ...['--reporter=default', '--reporter=json', `--outputFile.json=${report}`],
        ...filters,
      ],
      { cwd: ROOT, env },
    );
    const text = await readFile(report, 'utf8').catch(() => undefined);
    const counts = countTests(text === undefined ? undefined : JSON.parse(text), status);
    if (counts.failed > 0) step.fail(formatCounts(counts));
    else if (counts.passed + counts.skipped === 0) step.skip('no test file matches');
    else step.detail(formatCounts(counts));
    return { counts, note: counts.passed + counts.failed + counts.skipped === 0 ? 'no test file matches' : undefined };
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}
