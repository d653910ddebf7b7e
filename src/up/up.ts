/**
 * `antipode up`: a whole topology as processes on this machine, with the ways between them as long as they would be. Owns
 * the order of start and end; each part's doing is its own.
 */
import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { findProgram } from '../agent/services/find-program.ts';
import type { Clock } from '../clock.ts';
import { ENVIRONMENT } from '../config/index.ts';
import { AntipodeError } from '../errors.ts';
import { readPolicy } from '../placement/index.ts';
import { type NodePart, nodeSettings, type Parts, partsOf } from './parts.ts';
import { Supervised } from './supervised.ts';
import { RESERVED, type ReadTopology, type Topology } from './topology.ts';
import { WideArea } from './wide-area.ts';

export interface UpOptions extends ReadTopology {
  /** Folder of the program. */
  root: string;
  /** Certificates, secrets, configurations and logs. */
  stateDir: string;
  /** Names of the parts to run; null: all. */
  only: readonly string[] | null;
  restart: boolean;
  /** Address that doors for callers listen on. @defaultValue localhost */
  listen?: string;
  environment: Readonly<Record<string, string | undefined>>;
  clock: Clock;
  /** A step that is done, or something that happened. */
  tell(words: string): void;
}

/** A topology that runs. */
export interface Up extends AsyncDisposable {
  readonly parts: Parts;
  readonly apiKey: string;
  /** The configuration of some node, by which `antipode status --config` finds the registry. */
  readonly configOf: (id: string) => string;
  /** Resolves when every process died and none is started again; never where the ways between nodes are open here. */
  readonly over: Promise<void>;
  /** Process id of a part; undefined while it has none. */
  pidOf(name: string): number | undefined;
}

interface Running extends UpOptions {
  readonly folder: string;
  readonly parts: Parts;
  readonly apiKey: string;
  readonly processes: Map<string, Supervised>;
}

/**
 * Leaves nothing behind when it fails.
 * @throws ERR_CONFIG_INVALID for a part that there is not, a program that is not installed, a policy that does not fit;
 * ERR_SERVICE_FAILED for a part that does not start, with the end of what it said
 */
export async function startUp(options: UpOptions): Promise<Up> {
  const { topology, only, tell } = options;
  const parts = partsOf(topology);
  const isWanted = wantedOf(only, parts);
  demandPolicy(options);
  await demandPrograms(options, isWanted);
  const folder = join(options.stateDir, 'up');
  mkdirSync(join(folder, 'logs'), { recursive: true, mode: 0o700 });
  const running: Running = { ...options, folder, parts, apiKey: apiKeyIn(folder), processes: new Map() };
  for (const node of parts.nodes) writeConfig(running, node);
  await using stack = new AsyncDisposableStack();
  const killAll = () => {
    for (const supervised of running.processes.values()) supervised.killGroup();
  };
  process.once('exit', killAll);
  stack.defer(() => void process.off('exit', killAll));
  if (isWanted('wan')) {
    stack.use(await openWideArea(topology, parts, options.clock));
    tell(`wan: the ways between ${regionsOf(parts).join(', ')} are open`);
  }
  if (isWanted('redis')) await startRedis(stack, running);
  if (isWanted('stand-ins') && topology.standIn !== undefined) await startStandIn(stack, running, topology.standIn);
  const nodes = parts.nodes.filter(({ id }) => isWanted(id));
  // Cores first: a POP without one is not ready. Two at a time, for the sake of small machines.
  const ordered = nodes.toSorted((a, b) => ORDER.indexOf(a.role) - ORDER.indexOf(b.role));
  for (let at = 0; at < ordered.length; at += 2) {
    const started = await Promise.allSettled(ordered.slice(at, at + 2).map((node) => startNode(stack, running, node)));
    for (const one of started) if (one.status === 'rejected') throw one.reason;
  }
  const deaths = [...running.processes.values()].map(({ dead }) => dead);
  const over = isWanted('wan') ? new Promise<void>(() => undefined) : Promise.all(deaths).then(() => undefined);
  const owned = stack.move();
  let ending: Promise<void> | null = null;
  return {
    parts,
    ...{ apiKey: running.apiKey, over },
    configOf: (id) => configFile(folder, id),
    pidOf: (name) => running.processes.get(name)?.pid,
    [Symbol.asyncDispose]() {
      ending ??= owned.disposeAsync();
      return ending;
    },
  };
}

/** @throws ERR_PORT_IN_USE */
async function openWideArea(topology: Topology, parts: Parts, clock: Clock): Promise<WideArea> {
  try {
    return await WideArea.open(topology, parts, clock);
  } catch (cause) {
    const { code, address, port } = cause as NodeJS.ErrnoException & { address?: string; port?: number };
    if (code !== 'EADDRINUSE' && code !== 'EADDRNOTAVAIL') throw cause;
    const where = `The ways between the nodes can't be opened at ${address}:${port} (${code}).`;
    const what =
      code === 'EADDRINUSE'
        ? 'Does this topology run already? Another one beside it needs another "network" and other ports.'
        : 'This system gives loopback addresses beside 127.0.0.1 only when they are added to lo.';
    throw new AntipodeError('ERR_PORT_IN_USE', `${where} ${what}`, { cause });
  }
}

const ORDER: readonly NodePart['role'][] = ['core', 'edge', 'placement'];
const REDIS_READY = /[Rr]eady to accept connections/;
const LISTENING = /is listening on http/;

async function startRedis(stack: AsyncDisposableStack, running: Running): Promise<void> {
  const { port } = running.topology.redis;
  const settings = ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no'];
  const args = [...settings, '--maxmemory-policy', 'noeviction'];
  await supervise(stack, running, { name: 'redis', command: 'redis-server', args, ready: REDIS_READY });
  running.tell(`redis: on port ${port}, in ${running.topology.redis.region}`);
}

async function startStandIn(
  stack: AsyncDisposableStack,
  running: Running,
  { port, region, hearMs, thinkMs }: NonNullable<Topology['standIn']>,
): Promise<void> {
  const file = join(running.root, 'src/up/stand-in/process.ts');
  const args = [file, ...[port, hearMs, thinkMs].map(String)];
  await supervise(stack, running, { name: 'stand-ins', command: process.execPath, args, ready: LISTENING });
  running.tell(`stand-ins: on port ${port}, in ${region}. No AI service: a script and a recognizer of fixed sentences`);
}

async function startNode(stack: AsyncDisposableStack, running: Running, node: NodePart): Promise<void> {
  const { id, role, region, port } = node;
  const args = [join(running.root, 'src/main.ts'), role, '--config', configFile(running.folder, id)];
  await supervise(stack, running, { name: id, command: process.execPath, args, ready: LISTENING });
  running.tell(
    `${id}: ${role === 'edge' ? 'a POP' : role === 'core' ? 'a core' : 'placement'} in ${region}, port ${port}`,
  );
}

async function supervise(
  stack: AsyncDisposableStack,
  { folder, root, environment, restart, clock, tell, processes }: Running,
  part: { name: string; command: string; args: readonly string[]; ready: RegExp },
): Promise<void> {
  const logFile = join(folder, 'logs', `${part.name}.log`);
  const own = { cwd: root, environment: withoutSettings(environment), logFile, restart, clock, tell };
  const supervised = stack.use(await Supervised.start({ ...part, ...own }));
  processes.set(part.name, supervised);
}

/** What our own environment says of one node is not for all of them: theirs is in their files. */
function withoutSettings(environment: UpOptions['environment']): Record<string, string | undefined> {
  return Object.fromEntries(Object.entries(environment).filter(([name]) => !(name in ENVIRONMENT)));
}

function writeConfig(running: Running, node: NodePart): void {
  const { topology, stateDir, policyFile, apiKey, folder, root, listen = 'localhost' } = running;
  const agentsDir = join(root, 'agents');
  const settings = nodeSettings({ ...{ topology, node, stateDir, agentsDir, policyFile, apiKey, listen } });
  const head = `# Written by antipode up. By hand: npx antipode ${node.role} --config ${configFile(folder, node.id)}\n`;
  writeFileSync(configFile(folder, node.id), `${head}${stringify(settings)}`, { mode: 0o600 });
}

function configFile(folder: string, id: string): string {
  return join(folder, `${id}.yaml`);
}

/** The same for parts that are started apart, and the next time. */
function apiKeyIn(folder: string): string {
  const file = join(folder, 'api-key');
  try {
    writeFileSync(file, randomBytes(24).toString('base64url'), { mode: 0o600, flag: 'wx' });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
  return readFileSync(file, 'utf8').trim();
}

/** @throws ERR_CONFIG_INVALID */
function wantedOf(only: readonly string[] | null, { nodes }: Parts): (name: string) => boolean {
  if (only === null) return () => true;
  const known = [...RESERVED, ...nodes.map(({ id }) => id)];
  const stranger = only.find((name) => !known.includes(name));
  if (stranger === undefined) return (name) => only.includes(name);
  const words = `--only: the topology has no part "${stranger}". It has ${[...new Set(known)].join(', ')}.`;
  throw new AntipodeError('ERR_CONFIG_INVALID', words, { path: 'only' });
}

/** A policy that puts the stand-in elsewhere would have placement count with a world that is not there. */
function demandPolicy({ topology, policyFile }: UpOptions): void {
  const { standIn } = topology;
  if (standIn === undefined) return;
  const policy = policyFile === null ? null : readPolicy(readFileSync(policyFile, 'utf8'));
  for (const id of ['openai@own', 'openai-transcriptions@own']) {
    const place = policy?.endpoints.places[id];
    if (place === standIn.region) continue;
    const words =
      `placement.policy: the stand-in is to stand in ${standIn.region}, so the policy must say ` +
      `endpoints.places: { "${id}": ${standIn.region} }${place === undefined ? '' : `, not ${place}`}.`;
    throw new AntipodeError('ERR_CONFIG_INVALID', words, { path: 'placement.policy' });
  }
}

async function demandPrograms(
  { topology, environment }: UpOptions,
  isWanted: (name: string) => boolean,
): Promise<void> {
  const needed: [program: string, packages: string][] = [];
  if (isWanted('redis')) needed.push(['redis-server', 'redis-server']);
  const hasCores = Object.keys(topology.cores).some(isWanted);
  // Without a stand-in the cores hear for themselves.
  if (topology.standIn === undefined ? hasCores : isWanted('stand-ins')) {
    needed.push(['pocketsphinx_continuous', 'pocketsphinx pocketsphinx-en-us']);
  }
  if (hasCores) needed.push(['flite', 'flite']);
  const missing: string[] = [];
  for (const [program, packages] of needed) {
    if ((await findProgram(program, environment.PATH ?? '')) === null)
      missing.push(`${program} (apt-get install ${packages})`);
  }
  if (missing.length === 0) return;
  throw new AntipodeError('ERR_CONFIG_INVALID', `Programs that are not installed: ${missing.join(', ')}.`);
}

function regionsOf({ nodes }: Parts): string[] {
  return [...new Set(nodes.map(({ region }) => region))];
}
