/** `antipode dev` as a newcomer's process: a child with its own state directory and free ports, ended after the test. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export const ROOT = join(import.meta.dirname, '..', '..', '..');

export interface RunningServer extends AsyncDisposable {
  url: string;
  process: ChildProcess;
  environment: Readonly<Record<string, string>>;
  /** All that it printed so far. */
  output(): string;
  /** SIGTERM and wait; answers with the exit code. */
  stop(): Promise<number | null>;
}

export interface ServerOptions {
  /** After `dev`. */
  arguments?: readonly string[];
  environment?: Record<string, string>;
}

export async function startServer(options: ServerOptions = {}): Promise<RunningServer> {
  const stateDir = await mkdtemp(join(tmpdir(), 'antipode-e2e-'));
  const environment = {
    OPENAI_API_KEY: '',
    PORT: String(await freePort()),
    ANTIPODE_MEDIA_PORT: String(await freePort()),
    ANTIPODE_STATE_DIR: stateDir,
    ...options.environment,
  };
  const child = spawn(process.execPath, ['src/main.ts', 'dev', ...(options.arguments ?? [])], {
    cwd: ROOT,
    env: { ...process.env, ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  const exited = new Promise<number | null>((resolve) => child.once('exit', resolve));
  const url = await new Promise<string>((resolve, reject) => {
    const limit = setTimeout(() => reject(new Error(`not listening within 30 s:\n${output}`)), 30_000);
    const read = (chunk: Buffer) => {
      output += chunk.toString();
      const found = /listening on (http:\/\/\S+)/.exec(output);
      if (!found) return;
      clearTimeout(limit);
      resolve(found[1] as string);
    };
    child.stdout.on('data', read);
    child.stderr.on('data', read);
    child.once('exit', (code) => {
      clearTimeout(limit);
      reject(new Error(`ended with ${code} before listening:\n${output}`));
    });
  });

  const stop = async () => {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM');
    const code = await exited;
    await rm(stateDir, { recursive: true, force: true });
    return code;
  };
  return {
    url: url.replace(/\/$/, ''),
    process: child,
    environment,
    output: () => output,
    stop,
    [Symbol.asyncDispose]: async () => void (await stop()),
  };
}

export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Process ids of `pid`'s descendants, by Linux's /proc. */
export async function descendants(pid: number): Promise<number[]> {
  const { readdir, readFile } = await import('node:fs/promises');
  const parents = new Map<number, number>();
  for (const entry of await readdir('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    const stat = await readFile(`/proc/${entry}/stat`, 'utf8').catch(() => null);
    if (stat) parents.set(Number(entry), Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]));
  }
  const found: number[] = [];
  const visit = (of: number) => {
    for (const [child, parent] of parents) {
      if (parent !== of) continue;
      found.push(child);
      visit(child);
    }
  };
  visit(pid);
  return found;
}
