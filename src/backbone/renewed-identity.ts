/**
 * What brings a running node a new certificate: the operator's files, followed as they change, or the development CA,
 * asked again before what it issued ends. Owns the watch and the timers; what is in force is live-identity.ts.
 */
import { type FSWatcher, watch } from 'node:fs';
import { basename, dirname, resolve } from 'node:path';
import type { Clock, Timer } from '../clock.ts';
import { asAntipodeError } from '../errors.ts';
import type { Logger, Registry } from '../telemetry/index.ts';
import { type IdentityFiles, identityFromFiles } from './identity-files.ts';
import { LiveIdentity } from './live-identity.ts';
import type { NodeIdentity, NodeRole } from './node-identity.ts';
import { ensureDevelopmentCa } from './pki.ts';

export interface RenewedIdentityOptions {
  node: { nodeId: string; role: NodeRole };
  clock: Clock;
  log: Logger;
  metrics: Registry;
}

/** Certificate, key and CA change one after the other: they are read this long after the last change. */
const SETTLE_MS = 500;
/** Of the time that is left, when the next look is due; a change on a file system without events is found then too. */
const LOOK_SHARE = 1 / 3;
const LOOK_LEAST_MS = 60_000;
const LOOK_MOST_MS = 24 * 60 * 60 * 1_000;

export interface RenewedIdentity extends Disposable {
  readonly identity: LiveIdentity;
  /** Resolves when what was announced up to now has been read. */
  readonly settled: Promise<void>;
  /** Ends the watch; the identity stays as it is. Idempotent. */
  close(): void;
}

/** @throws ERR_CONFIG_INVALID as identityFromFiles: there is no older pair to keep */
export async function identityOfFiles(files: IdentityFiles, options: RenewedIdentityOptions): Promise<RenewedIdentity> {
  const read = () => identityFromFiles(files, options.node, options.clock);
  const renewed = new Renewed(options, await read(), read, 'always');
  renewed.follow([files.caFile, files.certFile, files.keyFile]);
  return renewed;
}

/** @throws ERR_CONFIG_INVALID | ERR_STATE_DIR */
export async function identityOfDevelopment(
  stateDir: string,
  options: RenewedIdentityOptions,
): Promise<RenewedIdentity> {
  const { node, clock, log } = options;
  const issue = async () => (await ensureDevelopmentCa(stateDir, { log, clock })).issue(node);
  return new Renewed(options, await issue(), issue, 'when-due');
}

class Renewed implements RenewedIdentity {
  readonly identity: LiveIdentity;
  readonly #options: RenewedIdentityOptions;
  readonly #read: () => Promise<NodeIdentity>;
  readonly #lifeMs: number;
  readonly #reads: 'always' | 'when-due';
  readonly #watchers: FSWatcher[] = [];
  #settleTimer: Timer | null = null;
  #lookTimer: Timer | null = null;
  #reading: Promise<void> = Promise.resolve();
  #closed = false;

  constructor(
    options: RenewedIdentityOptions,
    first: NodeIdentity,
    read: () => Promise<NodeIdentity>,
    reads: 'always' | 'when-due',
  ) {
    const { clock, log, metrics } = options;
    this.#options = options;
    this.#read = read;
    this.#reads = reads;
    this.identity = new LiveIdentity({ first, clock, log, metrics });
    this.#lifeMs = this.identity.secondsLeft * 1_000;
    this.#lookLater();
  }

  get settled(): Promise<void> {
    return this.#reading;
  }

  /** The folders, not the files: a Secret's files are links that stay while their target, `..data`, is replaced. */
  follow(files: readonly string[]): void {
    const byFolder = Map.groupBy(
      files.map((file) => resolve(file)),
      (file) => dirname(file),
    );
    for (const [folder, inside] of byFolder) {
      const names = new Set(inside.map((file) => basename(file)));
      const watcher = watch(folder, { persistent: false });
      watcher.on('change', (_event, name) => {
        if (name === null || names.has(String(name)) || String(name).startsWith('..')) this.#settle();
      });
      watcher.on('error', (error) => {
        this.#options.log.error(
          { err: error, folder },
          'certificates in this folder are no longer followed as they change',
        );
      });
      this.#watchers.push(watcher);
    }
  }

  close(): void {
    this.#closed = true;
    this.#settleTimer?.cancel();
    this.#lookTimer?.cancel();
    for (const watcher of this.#watchers) watcher.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #settle(): void {
    if (this.#closed) return;
    this.#settleTimer?.cancel();
    this.#settleTimer = this.#options.clock.setTimeout(() => this.#readAgain(), SETTLE_MS);
  }

  #lookLater(): void {
    this.#lookTimer?.cancel();
    if (this.#closed) return;
    const delayMs = Math.min(LOOK_MOST_MS, Math.max(LOOK_LEAST_MS, this.identity.secondsLeft * 1_000 * LOOK_SHARE));
    this.#lookTimer = this.#options.clock.setTimeout(() => {
      const isDue = this.identity.secondsLeft * 1_000 <= this.#lifeMs * LOOK_SHARE;
      if (this.#reads === 'always' || isDue) this.#readAgain();
      this.#lookLater();
    }, delayMs);
  }

  #readAgain(): void {
    this.#reading = this.#reading.then(async () => {
      if (this.#closed) return;
      try {
        const next = await this.#read();
        if (this.#closed) return;
        this.identity.renew(next);
      } catch (error) {
        if (!this.#closed) this.identity.refuse(asAntipodeError(error));
      }
      this.#lookLater();
    });
  }
}
