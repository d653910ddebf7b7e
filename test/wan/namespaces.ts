/**
 * Hosts of their own on one Linux machine: a network namespace for each, a pair of veth to this process's namespace,
 * which is their router. What is between two hosts can be cut, each way by itself, for all protocols and without a word
 * to either end: the router drops the packets (a `blackhole` rule of the kernel). Needs root, iproute2 and util-linux, and
 * that this process is in a namespace of its own (`enterNamespace`): then nothing outlives it.
 */
import { type ChildProcess, execFile, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { promisify } from 'node:util';

const run = promisify(execFile);
const ENTERED = 'ANTIPODE_TEST_NAMESPACE';
/** Rules of the kernel before the main table, after the local one. */
const RULE_PRIORITY = '100';

export interface NamespaceHost {
  readonly name: string;
  /** Of the host; reached from all others and from this process. */
  readonly ip: string;
  /** Of this process, as the host sees it. */
  readonly routerIp: string;
  /** Put before a program's path, it runs there, under its own process id. */
  readonly command: readonly string[];
}

/** Why namespaces can't be used here; null when they can. */
export function namespacesMissing(): string | null {
  if (process.platform !== 'linux') return 'network namespaces are Linux’s';
  if (process.getuid?.() !== 0) return 'network namespaces need root';
  const script = 'ip link add near0 type veth peer name far0 && ip rule add from 10.0.0.1 to 10.0.0.2 blackhole';
  const { status, stderr, error } = spawnSync('unshare', ['--net', 'sh', '-c', script], { encoding: 'utf8' });
  if (error) return `unshare can not be run: ${error.message}`;
  if (status !== 0) return `network namespaces are not allowed here: ${stderr.trim().split('\n')[0]}`;
  return spawnSync('nsenter', ['--version']).status === 0 ? null : 'nsenter is not installed';
}

/** Whether this process was started by `enterNamespace` of another. */
export function isInNamespace(): boolean {
  return process.env[ENTERED] === '1';
}

/**
 * Run this program again in a namespace of its own, for the network and for mounts, with the same arguments and streams.
 * @returns its exit code
 */
export async function enterNamespace(): Promise<number> {
  const program = [process.execPath, ...process.execArgv, ...process.argv.slice(1)];
  const child = spawn('unshare', ['--net', '--mount', ...program], {
    stdio: 'inherit',
    env: { ...process.env, [ENTERED]: '1' },
  });
  const hand = (signal: NodeJS.Signals) => child.kill(signal);
  // A terminal's Ctrl-C reaches both, which does no harm; the other one ends what it has started.
  process.on('SIGINT', hand);
  process.on('SIGTERM', hand);
  const [code] = (await once(child, 'exit')) as [number | null];
  return code ?? 1;
}

export class NamespaceNetwork implements AsyncDisposable {
  readonly #holders: ChildProcess[] = [];
  readonly #cuts = new Set<string>();

  private constructor() {}

  /** @throws Error when this process is in the machine's own namespace, which is not to be changed */
  static async open(): Promise<NamespaceNetwork> {
    if (!isInNamespace()) throw new Error('a router needs a network namespace of its own');
    await ip('link', 'set', 'lo', 'up');
    // What is under /proc/sys/net is the namespace's own.
    writeFileSync('/proc/sys/net/ipv4/ip_forward', '1');
    return new NamespaceNetwork();
  }

  async host(name: string): Promise<NamespaceHost> {
    const number = this.#holders.length + 1;
    // The namespace lives as long as this process's end of the pipe.
    const holder = spawn('unshare', ['--net', 'cat'], { stdio: ['pipe', 'ignore', 'inherit'] });
    this.#holders.push(holder);
    const pid = holder.pid ?? 0;
    await untilUnshared(pid);
    const [near, far] = [`near${number}`, `far${number}`];
    const [routerIp, hostIp] = [`10.77.${number}.1`, `10.77.${number}.2`];
    await ip('link', 'add', near, 'type', 'veth', 'peer', 'name', far, 'netns', String(pid));
    await ip('addr', 'add', `${routerIp}/24`, 'dev', near);
    await ip('link', 'set', near, 'up');
    const command = ['nsenter', '-t', String(pid), '-n', '--'];
    const script = [
      'ip link set lo up',
      `ip addr add ${hostIp}/24 dev ${far}`,
      `ip link set ${far} up`,
      `ip route add default via ${routerIp}`,
    ];
    await run('nsenter', ['-t', String(pid), '-n', '--', 'sh', '-ec', script.join('\n')]);
    return { name, ip: hostIp, routerIp, command };
  }

  /** An address of this process that stands for a host: what listens there carries on to it. Once for each host. */
  async face({ ip: hostIp }: NamespaceHost): Promise<string> {
    const face = hostIp.replace('10.77.', '10.78.');
    await ip('addr', 'add', `${face}/32`, 'dev', 'lo');
    return face;
  }

  /** Packets from one host to the other arrive no more, until it is mended. Idempotent. */
  async cut(from: NamespaceHost, to: NamespaceHost, isCut: boolean): Promise<void> {
    const key = `${from.ip} ${to.ip}`;
    if (this.#cuts.has(key) === isCut) return;
    const verb = isCut ? 'add' : 'del';
    await ip('rule', verb, 'from', from.ip, 'to', to.ip, 'priority', RULE_PRIORITY, 'blackhole');
    if (isCut) this.#cuts.add(key);
    else this.#cuts.delete(key);
  }

  /** The hosts go, and with them what they were connected by. Programs that run there are their starter's. */
  async [Symbol.asyncDispose](): Promise<void> {
    const gone = this.#holders.map(async (holder) => {
      if (holder.exitCode !== null) return;
      const exited = once(holder, 'exit');
      holder.stdin?.end();
      await exited;
    });
    await Promise.all(gone);
  }
}

async function ip(...args: string[]): Promise<void> {
  await run('ip', args);
}

/** `unshare` has become `cat` in a namespace of its own. */
async function untilUnshared(pid: number): Promise<void> {
  const own = readlinkSync('/proc/self/ns/net');
  for (let tries = 0; tries < 500; tries++) {
    const isThere = readlinkSync(`/proc/${pid}/ns/net`) !== own;
    if (isThere && readFileSync(`/proc/${pid}/comm`, 'utf8').trim() === 'cat') return;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  throw new Error('a network namespace was not made in time');
}
