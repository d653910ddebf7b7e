/** Reads vitest's JSON report and adds up what passed and failed. Pure; runs nothing. */

/**
 * @typedef {{ passed: number, failed: number, skipped: number }} Counts
 *
 * @typedef {object} VitestReport the part of vitest's JSON report that is read here
 * @property {{ name: string, status: string, message?: string, assertionResults: { status: string }[] }[]} testResults
 */

/**
 * @param {VitestReport | undefined} report undefined when vitest wrote none
 * @param {number} exitCode of vitest
 * @returns {Counts} one for each test; a file that could not be loaded, and an error outside every test, count as one
 *   failure each
 */
export function countTests(report, exitCode) {
  const counts = { passed: 0, failed: 0, skipped: 0 };
  for (const file of report?.testResults ?? []) {
    let failed = 0;
    for (const { status } of file.assertionResults) {
      if (status === 'passed') counts.passed++;
      else if (status === 'failed') failed++;
      else counts.skipped++;
    }
    if (file.status === 'failed' && failed === 0) failed = 1;
    counts.failed += failed;
  }
  if (exitCode !== 0 && counts.failed === 0) counts.failed = 1;
  return counts;
}

/**
 * @param {Counts[]} all
 * @returns {Counts}
 */
export function addUp(all) {
  const sum = { passed: 0, failed: 0, skipped: 0 };
  for (const { passed, failed, skipped } of all) {
    sum.passed += passed;
    sum.failed += failed;
    sum.skipped += skipped;
  }
  return sum;
}

/**
 * @param {Counts} counts
 * @returns {string} such as "120 passed, 0 failed", with what was skipped only if something was
 */
export function formatCounts({ passed, failed, skipped }) {
  return `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`;
}
