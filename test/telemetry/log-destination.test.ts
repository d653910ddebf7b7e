/** A log that can't be written: a process that logs to Linux's /dev/full, or to a reader that takes its time. */
import { spawn } from 'node:child_process';
import { closeSync, existsSync, openSync } from 'node:fs';
import { expect, test } from 'vitest';

const LINES = `
  const { createLogger } = await import('./src/telemetry/index.ts');
  const log = createLogger({ level: 'info', pretty: false });
  for (let line = 1; line <= 50; line++) {
    log.info({ line, pad: 'x'.repeat(100_000) }, 'a line');
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  process.stderr.write('still here\\n');
  process.exit(0);
`;

function run(stdout: number | 'pipe') {
  const args = ['--input-type=module-typescript', '-e', LINES];
  const child = spawn(process.execPath, args, {
    stdio: ['ignore', stdout, 'pipe'],
    timeout: 20_000,
    killSignal: 'SIGKILL',
  });
  let [said, errors] = ['', ''];
  child.stdout?.on('data', (chunk) => {
    said += chunk;
  });
  child.stderr?.on('data', (chunk) => {
    errors += chunk;
  });
  return new Promise<{ code: number | null; said: string; errors: string }>((resolve) => {
    child.once('close', (code) => resolve({ code, said, errors }));
  });
}

test.skipIf(!existsSync('/dev/full'))(
  'a full disk costs the lines, and neither ends the process nor keeps it',
  async () => {
    const full = openSync('/dev/full', 'w');
    try {
      const { code, errors } = await run(full);
      expect({ code, errors }).toEqual({
        code: 0,
        errors: expect.stringMatching(/^The log can't be written: ENOSPC: .*\nstill here\n$/),
      });
    } finally {
      closeSync(full);
    }
  },
);

test('every line is there that the process wrote before it ended', async () => {
  const { code, said } = await run('pipe');
  const lines = said
    .trim()
    .split('\n')
    .map((line) => (JSON.parse(line) as { line: number }).line);
  expect(code).toBe(0);
  expect(lines).toEqual(Array.from({ length: 50 }, (_, index) => index + 1));
});
