import { execFileSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { runtimeFlags } from '../../scripts/setup/runtime-flags.mjs';

test('the flags of a server are flags of this Node', () => {
  for (const cpus of [1, 8]) {
    const output = execFileSync(process.execPath, [...runtimeFlags(cpus), '--eval', 'console.log("started")']);
    expect(output.toString()).toBe('started\n');
  }
});

test('the collector has threads of its own only where there is more than one CPU', () => {
  expect(runtimeFlags(1)).toContain('--single-threaded-gc');
  expect(runtimeFlags(2)).not.toContain('--single-threaded-gc');
});

test('a Node of another major version is not given a flag that it may not know', () => {
  expect(runtimeFlags(2, '26.1.0')).toEqual(['--initial-heap-size=600']);
  expect(runtimeFlags(2, '20.19.2')).toContain('--external-memory-accounted-in-global-limit');
});
