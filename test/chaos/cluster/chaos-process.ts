/**
 * One process of a chaos cluster, on its host: started, signalled, ended, its output kept. Owns the process and the file
 * of its output; what it is is its starter's.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, createWriteStream, existsSync, openSync, readFileSync, statSync, type WriteStream } from 'node:fs';
import { join } from 'node:path';
import { descendants, ROOT } from '../../e2e/support/server.ts';
import type { ChaosHost } from './chaos-network.ts';

/** A process that is asked to end and does not is killed after this. */
const END_TIMEOUT_MS = 10_000;
const READY_WITHIN_MS = 60_000;
/** How often a file is looked at that the process writes itself. */
const LOOK_MS = 50;

/** So that nothing outlives a run that is killed: the kernel ends what its starter can't (util-linux). */
const ENDS_WITH_US = spawnSync('setpriv', ['--version']).status === 0 ? ['setpriv', '--pdeathsig', 'KILL', '--'] : [];

export interface ChaosProcessOptions {
  name: string;
  host: ChaosHost;
  /** Program and arguments. */
  command: readonly string[];
  environment?: Readonly<Record<string, string>>;
  /** Where its output goes, `NAME.log`. */
  logDir: string;
  /** The process writes there itself, as an operator's `>> FILE` lets it, and not through us. */
  writesItself?: boolean;
  /** In its output when it is ready. */
  ready: RegExp;
  readyWithinMs?: number;
}

export class ChaosProcess implements AsyncDisposable {
  readonly name: string;
  /** What `ready` found. */
  readonly ready: Promise<RegExpExecArray>;
  readonly exited: Promise<number | null>;
  readonly #child: ChildProcess;
  readonly #file: WriteStream | null;
  readonly #found = Promise.withResolvers<RegExpExecArray>();
  readonly #ready: RegExp;
  #isReady = false;
  #output = '';

  constructor(options: ChaosProcessOptions) {
    const { name, host, command, environment = {}, logDir, writesItself = false } = options;
    this.name = name;
    this.#ready = options.ready;
    const [program, ...args] = [...host.command, ...ENDS_WITH_US, ...command];
    const path = join(logDir, `${name}.log`);
    // A node that is started again goes on in the same file.
    const from = writesItself && existsSync(path) ? statSync(path).size : 0;
    const file = writesItself ? openSync(path, 'a') : null;
    const output = file ?? 'pipe';
    this.#child = spawn(program!, args, {
      cwd: ROOT,
      env: { ...process.env, ...environment },
      stdio: ['pipe', output, output],
    });
    this.#file = writesItself ? null : createWriteStream(path, { flags: 'a' });
    this.ready = this.#found.promise;
    this.ready.catch(() => {});
    const read = (chunk: Buffer) => {
      this.#file?.write(chunk);
      this.#read(chunk.toString());
    };
    this.#child.stdout?.on('data', read);
    this.#child.stderr?.on('data', read);
    this.#child.stdin!.on('error', () => {});
    const looking = file === null ? null : setInterval(() => this.#readAnew(path, from), LOOK_MS);
    const timer = setTimeout(
      () => this.#found.reject(this.#unready('not ready in time')),
      options.readyWithinMs ?? READY_WITHIN_MS,
    );
    const decided = () => {
      clearTimeout(timer);
      if (looking) clearInterval(looking);
      if (file !== null) closeSync(file);
    };
    this.ready.then(decided, decided);
    this.#child.once('error', (error) => this.#found.reject(error));
    this.exited = new Promise((resolve) => this.#child.once('exit', resolve));
    void this.exited.then((code) => this.#found.reject(this.#unready(`it ended with ${code}`)));
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  get isRunning(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  signal(name: NodeJS.Signals): void {
    this.#child.kill(name);
  }

  /** The process and all that it started, as when their machine stands still. */
  async signalAll(name: NodeJS.Signals): Promise<void> {
    for (const pid of [this.pid, ...(await descendants(this.pid))]) process.kill(pid, name);
  }

  /** Of what it started, those whose program has `name` in its path. */
  async children(name: string): Promise<number[]> {
    const { readlink } = await import('node:fs/promises');
    const found: number[] = [];
    for (const pid of await descendants(this.pid)) {
      const path = await readlink(`/proc/${pid}/exe`).catch(() => '');
      if (path.includes(name)) found.push(pid);
    }
    return found;
  }

  /** SIGINT ends every one of them at once; SIGKILL what does not heed it. Idempotent. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.isRunning) {
      this.signal('SIGCONT');
      this.#child.stdin?.end();
      this.signal('SIGINT');
      const timer = setTimeout(() => this.signal('SIGKILL'), END_TIMEOUT_MS);
      await this.exited;
      clearTimeout(timer);
    }
    this.#file?.end();
    if (this.#file?.closed === false) await once(this.#file, 'close');
  }

  #readAnew(path: string, from: number): void {
    this.#output = '';
    this.#read(readFileSync(path).subarray(from).toString());
  }

  #read(text: string): void {
    if (this.#isReady) return;
    this.#output += text;
    const match = this.#ready.exec(this.#output);
    if (match === null) return;
    this.#isReady = true;
    this.#found.resolve(match);
  }

  #unready(why: string): Error {
    return new Error(`${this.name}: ${why}:\n${this.#output.slice(-4_000)}`);
  }
}
