/**
 * `antipode edge | core | placement`: one role in a process of its own, from start to exit. Owns what each role's
 * command has as its own defaults and what a person sees; the roles are in roles/.
 */
import { systemClock } from './clock.ts';
import type { Config } from './config/index.ts';
import { endOnSignal } from './end-on-signal.ts';
import type { NodeOptions } from './roles/node-parts.ts';
import type { RunningNode } from './roles/running-node.ts';
import { createLogger } from './telemetry/index.ts';

export type RoleName = 'edge' | 'core' | 'placement';

/** Below the file and the environment: several roles on one machine listen apart. */
export const ROLE_DEFAULTS: Readonly<Record<RoleName, Readonly<Record<string, unknown>>>> = {
  edge: {},
  core: { 'http.port': 8081 },
  placement: { 'http.port': 8082 },
};

export interface RoleCommandOptions {
  role: RoleName;
  config: Config;
  /** Folder of the built page, for an edge. */
  pageDir: string;
  /** `performance.now()` when the command began. */
  startedMs: number;
}

/** Resolves when the node runs; a signal ends the process. @throws as the role's start */
export async function runRole({ role, config, pageDir, startedMs }: RoleCommandOptions): Promise<void> {
  const pretty = config.log.pretty ?? process.stdout.isTTY === true;
  const log = createLogger({ level: config.log.level, pretty });
  const workerBin = process.env.MEDIASOUP_WORKER_BIN || undefined;
  const node = await start(role, { config, clock: systemClock, log, workerBin }, pageDir);
  endOnSignal({
    log,
    drain: (signal) => node.drain(signal),
    close: () => node.close({ code: 'node-shutdown', reason: `This ${role} is shutting down.` }),
  });
  const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
  const { region } = config.node;
  process.stdout.write(
    `\nAntipode ${role} ${node.nodeId} (${region}) is listening on ${node.url} (ready in ${seconds} s)\n`,
  );
  for (const note of node.notes) process.stdout.write(`  ${note}\n`);
  process.stdout.write('  SIGTERM drains and ends it, Ctrl-C ends it at once.\n\n');
}

async function start(role: RoleName, options: NodeOptions, pageDir: string): Promise<RunningNode> {
  switch (role) {
    case 'edge':
      return (await import('./roles/edge-node.ts')).startEdgeNode({ ...options, pageDir });
    case 'core':
      return (await import('./roles/core-node.ts')).startCoreNode(options);
    case 'placement':
      return (await import('./roles/placement-node.ts')).startPlacementNode(options);
  }
}
