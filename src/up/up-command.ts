/**
 * `antipode up` as a person meets it: the steps of the start, the URLs to open, the nodes as a table, and what happens
 * until Ctrl-C. Owns the words.
 */
import { resolve } from 'node:path';
import type { Clock } from '../clock.ts';
import { loadConfig } from '../config/index.ts';
import { AntipodeError } from '../errors.ts';
import { clusterView, statusLines } from '../operate/index.ts';
import { openRegistry, type Registry } from '../registry/index.ts';
import { createMetrics, silentLogger } from '../telemetry/index.ts';
import { readTopology } from './topology.ts';
import { startUp, type Up } from './up.ts';

export interface UpCommandOptions {
  topology: string;
  only?: string | undefined;
  restart: boolean;
  listen?: string | undefined;
  stateDir: string;
  root: string;
  environment: Readonly<Record<string, string | undefined>>;
  clock: Clock;
  out: { write(text: string): unknown; readonly isTTY?: boolean; readonly columns?: number };
  /** Ends it. */
  signal: AbortSignal;
}

/** Nodes that were started a moment ago announce themselves within half a second, over a long way. */
const SETTLE_MS = 10_000;

/**
 * Resolves when all is ended: with 0 by the signal, with 1 because nothing was left that runs.
 * @throws as readTopology and startUp
 */
export async function upCommand(options: UpCommandOptions): Promise<0 | 1> {
  const { out, clock, signal } = options;
  const read = readTopology(options.topology);
  const only = options.only?.split(',').map((name) => name.trim()) ?? null;
  const startedMs = clock.now();
  const tell = (words: string) => out.write(`  ${words}\n`);
  out.write(`${read.topology.title ?? options.topology}\n`);
  const common = { ...options, ...read, stateDir: resolve(options.stateDir), only, tell };
  await using up = await startUp(common);
  const seconds = ((clock.now() - startedMs) / 1_000).toFixed(1);
  out.write(`\nIt runs (ready in ${seconds} s). Ctrl-C ends all of it.\n`);
  if (only === null) await present(up, options);
  const waiting = new AbortController();
  const until = AbortSignal.any([signal, waiting.signal]);
  const isOver = await Promise.race([ended(until).then(() => false), up.over.then(() => true)]);
  waiting.abort();
  out.write(isOver ? '\nNothing of it runs any more.\n' : '\nEnding all of it.\n');
  return isOver ? 1 : 0;
}

async function present(up: Up, { out, clock, signal, stateDir }: UpCommandOptions): Promise<void> {
  const pops = up.parts.nodes.filter(({ role }) => role === 'edge');
  const [first] = pops;
  for (const { id, region, port } of pops) out.write(`  http://localhost:${port}  ${id}, for callers in ${region}\n`);
  const config = up.configOf(first!.id);
  out.write('In another terminal:\n');
  out.write(
    `  npx antipode call --url http://localhost:${first!.port} --agent front-desk --say test/audio/what-time.wav\n`,
  );
  out.write(`  npx antipode status --config ${config}\n`);
  out.write(`  npx antipode sessions --config ${config}\n`);
  out.write(`  kill -9 a node: its process id is below; logs are in ${stateDir}/up/logs\n\n`);
  const registry = await openRegistry({
    config: loadConfig({ file: config, fileRequired: true, environment: {} }),
    ...{ clock, log: silentLogger, metrics: createMetrics({ processMetrics: false }) },
  });
  await using _ = registry;
  await allPresent(registry, up, { clock, signal });
  const layout = { width: out.isTTY === true ? (out.columns ?? 80) : null, colors: out.isTTY === true };
  const view = await clusterView({ registry, at: clock.date(), by: null });
  const pids = up.parts.nodes.map(({ id }) => `${id} ${up.pidOf(id) ?? '-'}`);
  out.write(`${statusLines(view, layout).join('\n')}\n\nprocesses: ${pids.join(', ')}\n\n`);
  const shown = new Set(view.nodes.map(({ nodeId }) => nodeId));
  using _watching = registry.watch(({ kind, node }) => {
    if (kind === 'joined' && shown.delete(node.nodeId)) return;
    if (kind !== 'changed')
      out.write(`  ${node.nodeId} ${kind === 'joined' ? 'is' : 'is no longer'} in the registry\n`);
  });
  await ended(signal);
}

/** Resolves when every node is in the registry, or after ten seconds: then the table shows which is not. */
async function allPresent(
  registry: Registry,
  { parts }: Up,
  { clock, signal }: Pick<UpCommandOptions, 'clock' | 'signal'>,
): Promise<void> {
  const missing = new Set(parts.nodes.filter(({ role }) => role !== 'placement').map(({ id }) => id));
  const done = Promise.withResolvers<void>();
  using _watching = registry.watch(({ kind, node }) => {
    if (kind === 'joined') missing.delete(node.nodeId);
    if (missing.size === 0) done.resolve();
  });
  const timer = clock.setTimeout(done.resolve, SETTLE_MS);
  const onAbort = () => done.resolve();
  signal.addEventListener('abort', onAbort, { once: true });
  await done.promise;
  timer.cancel();
  signal.removeEventListener('abort', onAbort);
}

/** Keeps the process alive until then. */
async function ended(signal: AbortSignal): Promise<void> {
  const alive = setInterval(() => undefined, 60_000);
  await new Promise<void>((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
  clearInterval(alive);
}

/** @throws ERR_REQUEST_MALFORMED */
export function topologyFile(file: string | undefined): string {
  if (file !== undefined) return file;
  const words = '--topology FILE is needed, such as infra/topologies/australia.yaml.';
  throw new AntipodeError('ERR_REQUEST_MALFORMED', words, { path: 'topology' });
}
