/**
 * The policy in force, from a file that is watched: a changed file that reads well replaces it, one that is refused
 * leaves the old one in force and is told (logged, counted, shown). Owns the file and its watch; readers are
 * read-policy.ts, what follows from a policy is the service's.
 */
import { type FSWatcher, readFileSync, watch } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { basename, dirname, resolve } from 'node:path';
import type { Clock, Timer } from '../clock.ts';
import { AntipodeError } from '../errors.ts';
import type { Logger } from '../telemetry/index.ts';
import type { Policy } from './policy.ts';
import { checkPolicy, type PolicyProblem, problemInWords, type ReadPolicyOptions, readPolicy } from './read-policy.ts';

/** What is in force, and what was refused. */
export interface PolicyStatus {
  /** Null when no file is set: the defaults hold. */
  readonly file: string | null;
  /** When what is in force was read. */
  readonly loadedAt: string;
  /** Grows by one with each policy that came into force. */
  readonly revision: number;
  /** The newest version of the file, when it was not taken. */
  readonly refused: { readonly at: string; readonly problems: readonly string[] } | null;
  /** Versions that were refused since the start. */
  readonly refusals: number;
  /** False when the file's folder can no longer be watched: changes go unnoticed until a restart. */
  readonly watching: boolean;
}

export interface PolicySource {
  readonly current: Policy;
  readonly status: PolicyStatus;
}

export interface PolicyFileOptions extends ReadPolicyOptions {
  path: string;
  clock: Clock;
  log: Logger;
  /** Events come in bursts: the file is read this long after the first. @defaultValue 50 */
  settleMs?: number;
}

export const POLICY_FILE_DEFAULTS = { settleMs: 50 } as const;

/** A policy that never changes. */
export function fixedPolicy(policy: Policy, clock: Clock): PolicySource {
  const loadedAt = clock.date().toISOString();
  const status = { file: null, loadedAt, revision: 1, refused: null, refusals: 0, watching: false };
  return { current: policy, status };
}

export class PolicyFile implements PolicySource {
  readonly #options: PolicyFileOptions;
  readonly #path: string;
  readonly #watcher: FSWatcher;
  #current: Policy;
  #text: string;
  #status: PolicyStatus;
  #timer: Timer | null = null;
  #reading: Promise<void> = Promise.resolve();
  #closed = false;

  private constructor(options: PolicyFileOptions, text: string, policy: Policy) {
    this.#options = options;
    this.#path = resolve(options.path);
    this.#text = text;
    this.#current = policy;
    const loadedAt = options.clock.date().toISOString();
    this.#status = { file: options.path, loadedAt, revision: 1, refused: null, refusals: 0, watching: true };
    // The folder, not the file: editors and ConfigMaps put a new file in the old one's place.
    this.#watcher = watch(dirname(this.#path), { persistent: false });
    this.#watcher.on('change', (_event, name) => {
      // A ConfigMap's file is a link that stays the same while its target, `..data`, is replaced.
      if (name === null || name === basename(this.#path) || String(name).startsWith('..')) this.#schedule();
    });
    this.#watcher.on('error', (error) => {
      this.#status = { ...this.#status, watching: false };
      options.log.error({ err: error, file: options.path }, 'the policy file is no longer watched');
    });
  }

  /** @throws ERR_CONFIG_INVALID when the file cannot be read or is refused: there is no old one to keep */
  static open(options: PolicyFileOptions): PolicyFile {
    let text: string;
    try {
      text = readFileSync(options.path, 'utf8');
    } catch (cause) {
      const words = `Cannot read the policy ${options.path}: ${(cause as Error).message}`;
      throw new AntipodeError('ERR_CONFIG_INVALID', words, { cause, path: 'placement.policyFile' });
    }
    return new PolicyFile(options, text, readPolicy(text, options));
  }

  get current(): Policy {
    return this.#current;
  }

  get status(): PolicyStatus {
    return this.#status;
  }

  /** Resolves when what the newest event announced has been read. */
  get settled(): Promise<void> {
    return this.#reading;
  }

  /** Idempotent. */
  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
    this.#watcher.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #schedule(): void {
    if (this.#closed || this.#timer !== null) return;
    this.#timer = this.#options.clock.setTimeout(() => {
      this.#timer = null;
      this.#reading = this.#reading.then(() => this.#read());
    }, this.#options.settleMs ?? POLICY_FILE_DEFAULTS.settleMs);
  }

  async #read(): Promise<void> {
    const { clock, log } = this.#options;
    let text: string;
    try {
      text = await readFile(this.#path, 'utf8');
    } catch (error) {
      if (!this.#closed) this.#refuse([{ path: '', reason: (error as Error).message, nearest: null }]);
      return;
    }
    if (this.#closed || (text === this.#text && this.#status.refused === null)) return;
    const { policy, problems } = checkPolicy(text, this.#options);
    if (policy === null) return this.#refuse(problems);
    this.#text = text;
    this.#current = policy;
    const revision = this.#status.revision + 1;
    this.#status = { ...this.#status, loadedAt: clock.date().toISOString(), revision, refused: null };
    log.info({ file: this.#options.path, revision }, 'a new placement policy is in force');
  }

  #refuse(problems: readonly PolicyProblem[]): void {
    const { clock, log, path } = this.#options;
    const words = problems.map(problemInWords);
    const refused = { at: clock.date().toISOString(), problems: words };
    this.#status = { ...this.#status, refused, refusals: this.#status.refusals + 1 };
    log.error({ file: path, problems: words }, 'the placement policy was refused: the old one stays in force');
  }
}
