/** A server for spoken evals alone: on this machine, on free ports, and in no registry that others use. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { type Config, configSchema } from '../config/index.ts';
import { AntipodeError, ERROR_CODES, type ErrorCode } from '../errors.ts';
import type { ServerOrder } from './server-process.ts';

export interface OwnServer extends AsyncDisposable {
  readonly url: string;
}

export interface OwnServerOptions {
  readonly config: Config;
  readonly environment: NodeJS.ProcessEnv;
}

const answerSchema = z.union([z.object({ url: z.string() }), z.object({ code: z.string(), message: z.string() })]);

/** @throws AntipodeError with the code of what hindered it from starting */
export async function startOwnServer({ config, environment }: OwnServerOptions): Promise<OwnServer> {
  await using stack = new AsyncDisposableStack();
  const stateDir = await mkdtemp(join(tmpdir(), 'antipode-eval-'));
  stack.defer(() => rm(stateDir, { recursive: true, force: true }));
  const child = fork(join(import.meta.dirname, 'server-process.ts'), {
    env: environment,
    serialization: 'advanced',
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
  });
  const exited = once(child, 'exit');
  stack.defer(async () => {
    if (child.connected) child.disconnect();
    await exited;
  });
  const order: ServerOrder = {
    config: onThisMachine(config, stateDir),
    workerBin: environment.MEDIASOUP_WORKER_BIN || null,
  };
  child.send(order);
  const url = await Promise.race([
    once(child, 'message').then(([message]) => urlOf(message)),
    exited.then(([code]) => {
      throw new AntipodeError('ERR_CALL_FAILED', `the server for spoken calls ended with ${code} before it listened`);
    }),
  ]);
  const running = stack.move();
  return { url, [Symbol.asyncDispose]: () => running.disposeAsync() };
}

function urlOf(message: unknown): string {
  const answer = answerSchema.parse(message);
  if ('url' in answer) return answer.url;
  const code = Object.hasOwn(ERROR_CODES, answer.code) ? (answer.code as ErrorCode) : 'ERR_CALL_FAILED';
  throw new AntipodeError(code, `the server for spoken calls cannot start: ${answer.message}`);
}

function onThisMachine(config: Config, stateDir: string): Config {
  const { http, backbone, registry } = configSchema.parse({});
  return {
    ...config,
    ...{ backbone, registry, stateDir },
    http: { ...http, port: 0 },
    auth: { ...config.auth, openAgents: ['*'] },
    edge: { ...config.edge, mediaPort: 0, listenIp: '127.0.0.1', announcedAddress: null },
  };
}
