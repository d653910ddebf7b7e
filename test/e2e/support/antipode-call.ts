/** `antipode call` as a process of its own, with its JSON. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { CallReport } from '../../../src/call/index.ts';
import { ROOT } from './server.ts';

const run = promisify(execFile);

export const COUNT = join(ROOT, 'test/audio/count.wav');
export const STOP = join(ROOT, 'test/audio/stop.wav');
export const WHAT_TIME = join(ROOT, 'test/audio/what-time.wav');

/** Call the front desk. Rejects when the exit code is not 0. */
export async function antipodeCall(url: string, ...options: string[]): Promise<CallReport> {
  const { stdout } = await run(
    process.execPath,
    ['src/main.ts', 'call', '--url', url, '--agent', 'front-desk', '--json', ...options],
    { cwd: ROOT, timeout: 90_000 },
  );
  return JSON.parse(stdout) as CallReport;
}
