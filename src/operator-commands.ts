/**
 * The commands of operators, `antipode status | sessions | drain | move`. Owns their arguments and exit codes; each one's
 * work is in operate/ and is loaded when it is asked for.
 */
import type { Command } from 'commander';
import type { OperatorOptions } from './operate/operator-source.ts';

interface OperatorFlags {
  config?: string;
  url?: string;
  key?: string;
}

interface SessionsFlags {
  node?: string;
  room?: string;
  agent?: string;
  ended?: boolean;
  limit?: number;
  full?: boolean;
  json?: boolean;
}

/** @param read the configuration of a file, or of the default one; @throws ERR_CONFIG_INVALID */
export function operatorCommands(
  program: Command,
  read: (file: string | undefined) => Pick<OperatorOptions, 'config' | 'clock'>,
): void {
  const source = ({ config, url, key }: OperatorFlags): OperatorOptions => ({ ...read(config), url, key });

  program
    .command('status')
    .description('show the nodes, the paths between them and what is not well; follows them in a terminal')
    .option('-c, --config <file>', 'where the registry is (default: antipode.yaml and the environment)')
    .option('--url <url>', 'ask this node instead of the registry (default without a registry: http://localhost:8080)')
    .option('--key <key>', 'its API key, needed from another machine (default: the first of auth.apiKeys)')
    .option('--watch', 'follow them')
    .option('--once', 'show them once and end')
    .option('--json', 'print JSON; with --watch a line each second')
    .action(async (options: OperatorFlags & { watch?: boolean; once?: boolean; json?: boolean }) => {
      const { statusCommand } = await import('./operate/status-command.ts');
      const watch = options.once ? false : options.watch;
      await statusCommand({
        ...source(options),
        json: options.json,
        watch,
        out: process.stdout,
        signal: endedBySignal(),
      });
    });

  program
    .command('sessions')
    .description('list the sessions that run: where, since when')
    .option('-c, --config <file>', 'where the registry is (default: antipode.yaml and the environment)')
    .option('--url <url>', 'ask this POP instead of the registry; needs an API key')
    .option('--key <key>', 'its API key (default: the first of auth.apiKeys)')
    .option('--node <id>', 'at this POP or core')
    .option('--room <room>', 'in this room')
    .option('--agent <name>', 'with this agent')
    .option('--ended', 'also those that have ended')
    .option('--limit <number>', 'most that are shown (default: 50)', Number)
    .option('--full', 'with metadata; by --url and an API key only')
    .option('--json', 'print JSON')
    .action(async (options: OperatorFlags & SessionsFlags) => {
      const { sessionsCommand } = await import('./operate/sessions-command.ts');
      await sessionsCommand({ ...options, ...source(options), out: process.stdout });
    });

  program
    .command('drain <node>')
    .description('order a node to take nothing new and to hand over what it has; calls go on')
    .option('-c, --config <file>', 'where the registry is (default: antipode.yaml and the environment)')
    .option('--url <url>', "the node's own HTTP address, instead of the registry")
    .option('--key <key>', 'its API key (default: the first of auth.apiKeys)')
    .option('--undo', 'order it to take sessions again')
    .option('--wait', 'until no session is left')
    .option('--timeout <seconds>', 'longest that is waited (default: 900)', Number)
    .action(async (node: string, options: OperatorFlags & { undo?: boolean; wait?: boolean; timeout?: number }) => {
      const { drainCommand } = await import('./operate/drain-command.ts');
      const { undo, wait, timeout: timeoutSeconds } = options;
      const order = { node, undo, wait, timeoutSeconds, out: process.stdout, signal: endedBySignal() };
      process.exitCode = await drainCommand({ ...source(options), ...order });
    });

  program
    .command('move <session>')
    .description('have a living session go to another core, between turns')
    .option('-c, --config <file>', 'where the registry is (default: antipode.yaml and the environment)')
    .option('--url <url>', 'the POP that has the session, instead of looking it up in the registry')
    .option('--key <key>', 'its API key (default: the first of auth.apiKeys)')
    .option('--to <core>', 'node id of the core (default: the best other one)')
    .option('--within <ms>', 'a pause between turns is waited for so long', Number)
    .option('--json', 'print JSON')
    .action(async (sessionId: string, options: OperatorFlags & { to?: string; within?: number; json?: boolean }) => {
      const { moveCommand } = await import('./operate/move-command.ts');
      const { popBaseUrl } = await import('./signaling/index.ts');
      const { to, within: withinMs, json } = options;
      await moveCommand({
        ...source(options),
        ...{ sessionId, to, withinMs, json, popBaseUrl, out: process.stdout },
      });
    });
}

/** Aborted by Ctrl-C and SIGTERM, for commands that go on until then. */
export function endedBySignal(): AbortSignal {
  const ending = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => ending.abort());
  return ending.signal;
}
