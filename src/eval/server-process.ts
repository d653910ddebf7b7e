/**
 * The process of the server that spoken evals call when none is named: told its configuration by its parent, it answers
 * with its address, and ends when the parent says so or is gone. A process of its own, for a caller's microphone must not
 * wait while the server works.
 */
import { rm } from 'node:fs/promises';
import { systemClock } from '../clock.ts';
import type { Config } from '../config/index.ts';
import { startDev } from '../dev.ts';
import { AntipodeError } from '../errors.ts';
import { silentLogger } from '../telemetry/index.ts';

export interface ServerOrder {
  readonly config: Config;
  readonly workerBin: string | null;
}

export type ServerAnswer = { readonly url: string } | { readonly code: string; readonly message: string };

const answer = (message: ServerAnswer) =>
  new Promise<void>((resolve) => {
    // A parent that is gone needs no answer; `disconnect` ends us.
    process.send?.(message, undefined, {}, () => resolve());
  });

process.once('message', async ({ config, workerBin }: ServerOrder) => {
  try {
    const options = { config, clock: systemClock, log: silentLogger, pageDir: config.stateDir };
    const server = await startDev({ ...options, ...(workerBin !== null && { workerBin }) });
    const close = async () => {
      await server.close({ code: 'node-shutdown', reason: 'The evals are over.' });
      // A parent that was killed does not do it.
      await rm(config.stateDir, { recursive: true, force: true });
      process.exit(0);
    };
    process.once('disconnect', close);
    // A Ctrl-C reaches the parent too, which ends its call first and then us.
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => {});
    if (!process.connected) return await close();
    await answer({ url: server.url });
  } catch (error) {
    const code = error instanceof AntipodeError ? error.code : 'ERR_INTERNAL';
    await answer({ code, message: error instanceof Error ? error.message : String(error) });
    process.exit(1);
  }
});
