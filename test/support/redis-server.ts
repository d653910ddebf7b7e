/**
 * A real redis-server for tests: its own folder, a port of its own, on loopback, gone with the test. Owns the process
 * and the commands that an operator would type at it; knows nothing of the registry.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

export interface RedisServerOptions {
  /** Lines of redis.conf, besides those that make it small and private. */
  config?: readonly string[];
  sentinel?: boolean;
  /** Files of its folder, by name; `%d` in `config` is that folder. */
  files?: Readonly<Record<string, string>>;
  /** Nothing listens without TLS. `config` names the certificates. */
  tlsOnly?: boolean;
}

/**
 * Why tests with a real Redis cannot run here; null when they can.
 * @throws Error in a continuous integration run, which must not pass by leaving them out
 */
export function redisMissing(): string | null {
  const { status } = spawnSync('redis-server', ['--version'], { stdio: 'ignore' });
  if (status === 0) return null;
  const reason = 'redis-server is not installed (Debian: redis-server)';
  if (process.env.CI) throw new Error(reason);
  return reason;
}

export async function freePort(): Promise<number> {
  for (;;) {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as { port: number };
    await new Promise((resolve) => server.close(resolve));
    if (port < 55_000) return port; // a Cluster's bus is at port + 10000
  }
}

export class RedisServer {
  readonly port: number;
  readonly #dir: string;
  readonly #options: RedisServerOptions;
  #process: ChildProcess | null = null;

  private constructor(options: RedisServerOptions, port: number, dir: string) {
    this.port = port;
    this.#options = options;
    this.#dir = dir;
  }

  /** Resolves when it takes connections. */
  static async start(options: RedisServerOptions = {}): Promise<RedisServer> {
    const dir = await mkdtemp(join(tmpdir(), 'antipode-redis-'));
    const server = new RedisServer(options, await freePort(), dir);
    for (const [name, text] of Object.entries(options.files ?? {})) await writeFile(join(dir, name), text);
    const lines = [
      'bind 127.0.0.1',
      options.tlsOnly === true ? `port 0\ntls-port ${server.port}` : `port ${server.port}`,
      `dir ${dir}`,
      'daemonize no',
      ...(options.sentinel === true ? [] : ['save ""', 'appendonly no']),
      ...(options.config ?? []),
    ];
    await writeFile(join(dir, 'redis.conf'), `${lines.join('\n').replaceAll('%d', dir)}\n`);
    await server.run();
    return server;
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  /** Runs it again, at the same port, with what it kept on disk: nothing, unless `config` says otherwise. */
  async run(): Promise<void> {
    const args = [join(this.#dir, 'redis.conf'), ...(this.#options.sentinel === true ? ['--sentinel'] : [])];
    const child = spawn('redis-server', args, { stdio: ['ignore', 'pipe', 'inherit'] });
    this.#process = child;
    const ready = this.#options.sentinel === true ? 'Sentinel ID is' : 'eady to accept connections';
    const said: string[] = [];
    await new Promise<void>((resolve, reject) => {
      createInterface({ input: child.stdout }).on('line', (line) => {
        said.push(line);
        if (line.includes(ready)) resolve();
      });
      child.once('error', reject);
      child.once('exit', () => reject(new Error(`redis-server ended:\n${said.slice(-5).join('\n')}`)));
    });
  }

  /** As the machine would take it: at once, without a word to anybody. */
  async kill(): Promise<void> {
    const child = this.#process;
    this.#process = null;
    if (child === null || child.exitCode !== null || child.signalCode !== null) return;
    const exited = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGCONT');
    child.kill('SIGKILL');
    await exited;
  }

  /** It takes connections and answers nothing. */
  freeze(): void {
    this.#process?.kill('SIGSTOP');
  }

  thaw(): void {
    this.#process?.kill('SIGCONT');
  }

  /** What redis-cli prints. @throws Error with it when the command failed */
  cli(...args: string[]): string {
    const { stdout, status } = spawnSync('redis-cli', ['-p', String(this.port), '-e', ...args], { encoding: 'utf8' });
    if (status !== 0) throw new Error(`redis-cli ${args.join(' ')}: ${stdout}`);
    return stdout.trim();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    await rm(this.#dir, { recursive: true, force: true });
  }
}
