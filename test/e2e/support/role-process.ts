/** `antipode edge`, `core` and `placement` as an operator's processes, on one machine, with one Redis and one CA. */
import { type ChildProcess, spawn } from 'node:child_process';
import type { RoleName } from '../../../src/role-command.ts';
import { ROOT } from './server.ts';

export interface RoleProcess extends AsyncDisposable {
  readonly role: RoleName;
  readonly nodeId: string;
  /** Base URL of its HTTP port. */
  readonly url: string;
  readonly process: ChildProcess;
  /** All that it printed so far. */
  output(): string;
  /** Answers with the exit code, or null after a signal that nothing can handle. */
  exited: Promise<number | null>;
}

/** Resolves when it is listening. @throws Error with its output when it ends before */
export async function startRole(
  role: RoleName,
  nodeId: string,
  environment: Readonly<Record<string, string>>,
): Promise<RoleProcess> {
  const child = spawn(process.execPath, ['src/main.ts', role], {
    cwd: ROOT,
    env: { ...process.env, OPENAI_API_KEY: '', PORT: '0', ANTIPODE_NODE_ID: nodeId, ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  const exited = new Promise<number | null>((resolve) => child.once('exit', resolve));
  const { promise: listening, resolve, reject } = Promise.withResolvers<string>();
  const read = (chunk: Buffer) => {
    output += chunk.toString();
    const url = /is listening on (http:\/\/\S+)/.exec(output)?.[1];
    if (url !== undefined) resolve(url);
  };
  child.stdout.on('data', read);
  child.stderr.on('data', read);
  void exited.then((code) => reject(new Error(`${role} ${nodeId} ended with ${code} before listening:\n${output}`)));
  return {
    role,
    nodeId,
    url: await listening,
    process: child,
    output: () => output,
    exited,
    async [Symbol.asyncDispose]() {
      // SIGINT ends it at once: what a test leaves is not to be waited for.
      if (child.exitCode === null && child.signalCode === null) child.kill('SIGINT');
      await exited;
    },
  };
}
