/** Results as JUnit XML, which build servers read: a suite for each file and configuration, a case for each eval. */
import { type ConfigResult, checkProblems, type EvalResult, problemsOf } from './results.ts';

export function junitXml(configs: readonly ConfigResult[]): string {
  const lines = ['<?xml version="1.0" encoding="UTF-8"?>', '<testsuites>'];
  for (const { config, results } of configs) {
    const files = Map.groupBy(results, (result) => result.eval.file);
    for (const [file, ofFile] of files) {
      const failures = ofFile.filter(({ passed }) => !passed).length;
      const name = configs.length === 1 ? file : `${file} (${config})`;
      const counts = `tests="${ofFile.length}" failures="${failures}" time="${seconds(ofFile)}"`;
      lines.push(`  <testsuite name="${escaped(name)}" ${counts}>`);
      for (const result of ofFile) lines.push(...caseLines(result, name));
      lines.push('  </testsuite>');
    }
  }
  lines.push('</testsuites>', '');
  return lines.join('\n');
}

function caseLines(result: EvalResult, suite: string): string[] {
  const open = `    <testcase name="${escaped(result.eval.name)}" classname="${escaped(suite)}" time="${seconds([result])}"`;
  if (result.passed) return [`${open}/>`];
  const problems = [
    ...result.runs.flatMap((run, index) => problemsOf(run).map((problem) => `run ${index + 1}: ${problem}`)),
    ...checkProblems(result.checks),
  ];
  const message = escaped(problems[0] ?? 'failed');
  return [
    `${open}>`,
    `      <failure message="${message}">${escaped(problems.join('\n'))}</failure>`,
    '    </testcase>',
  ];
}

function seconds(results: readonly EvalResult[]): string {
  const ms = results.flatMap(({ runs }) => runs).reduce((sum, { record }) => sum + record.durationMs, 0);
  return (ms / 1_000).toFixed(3);
}

/** What XML takes as text or as an attribute: characters that it does not know at all are left out. */
function escaped(text: string): string {
  return text
    .replace(/[^\t\n\r\u{20}-\u{D7FF}\u{E000}-\u{FFFD}\u{10000}-\u{10FFFF}]/gu, '')
    .replace(/[&<>"\n]/g, (character) => `&#${character.codePointAt(0)};`);
}
