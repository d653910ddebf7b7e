/** `antipode eval` in this process, with files of its own in a folder that goes away after the test. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { systemClock } from '../../../src/clock.ts';
import { runEvalCommand } from '../../../src/eval/command.ts';
import { silentLogger } from '../../../src/telemetry/index.ts';

export interface EvalAnswer {
  code: number;
  out: string;
  err: string;
  /** Text of a file that was written, by its name. */
  read(name: string): Promise<string>;
  path(name: string): string;
}

export interface EvalFiles {
  /** By name; `{dir}` in an argument is their folder. */
  files?: Record<string, string>;
  environment?: Record<string, string>;
  signal?: AbortSignal;
}

export async function evalCommand(argv: readonly string[], options: EvalFiles = {}): Promise<EvalAnswer> {
  const dir = await mkdtemp(join(tmpdir(), 'antipode-eval-test-'));
  onTestFinished(() => rm(dir, { recursive: true, force: true }));
  for (const [name, text] of Object.entries(options.files ?? {})) await writeFile(join(dir, name), text);
  const out: string[] = [];
  const err: string[] = [];
  const code = await runEvalCommand(
    argv.map((argument) => argument.replace('{dir}', dir)),
    {
      out: { write: (text) => void out.push(text) },
      err: { write: (text) => void err.push(text) },
      environment: { PATH: process.env.PATH, ...options.environment },
      clock: systemClock,
      log: silentLogger,
      signal: options.signal ?? new AbortController().signal,
    },
  );
  const path = (name: string) => join(dir, name);
  return { code, out: out.join(''), err: err.join(''), path, read: (name) => readFile(path(name), 'utf8') };
}
