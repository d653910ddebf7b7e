/**
 * The connection to Redis: whether it answers, every command with a time-out, and the way back after an outage. Owns
 * the clients; knows nothing of what is kept there. Errors of ioredis stay inside: they carry commands, and with them
 * passwords and records, so nothing but their message ever leaves.
 */
import { EventEmitter } from 'node:events';
import type { Clock, Timer } from '../../clock.ts';
import { AntipodeError } from '../../errors.ts';
import type { Logger } from '../../telemetry/index.ts';
import type { RegistryMetrics } from '../registry-metrics.ts';
import { createRedisClient, type RedisClient, reconnectDelayMs, serversOf } from './client.ts';
import { inspectServers } from './inspect.ts';
import type { ScriptName } from './scripts.ts';
import { placeText, type RedisSettings } from './settings.ts';
import { CommandTimeout, isConnectionError, isRefusal, messageOf } from './trouble.ts';

export interface RedisLinkOptions {
  settings: RedisSettings;
  clock: Clock;
  log: Logger;
  metrics: RegistryMetrics;
  /** In [0, 1). */
  random: () => number;
  /** Where changes are published. */
  channel: string;
}

type RedisLinkEvents = {
  up: [];
  down: [reason: string];
  refused: [error: AntipodeError];
  /** Something was published, or may have been. */
  told: [];
};

type ScriptCall = (...args: string[]) => Promise<unknown>;

export class RedisLink extends EventEmitter<RedisLinkEvents> {
  readonly #options: RedisLinkOptions;
  readonly #client: RedisClient;
  readonly #events: RedisClient;
  #up = false;
  #closed = false;
  #answeredAtMs: number | null = null;
  #lastTrouble: string | null = null;
  #refused: AntipodeError | null = null;
  #probe: Timer | null = null;
  #probes = 0;
  #probing = false;

  private constructor(options: RedisLinkOptions) {
    super();
    this.#options = options;
    const { settings, random } = options;
    this.#client = createRedisClient({ settings, random });
    this.#events = createRedisClient({ settings, random, forEvents: true });
    this.#client.on('ready', () => this.#startProbing());
    this.#client.on('error', (error) => this.#onClientError(error));
    this.#client.on('node error', (error) => this.#onClientError(error));
    this.#client.on('close', () => this.#goDown('the connection was closed'));
    this.#events.on('ready', () => void this.#subscribe());
    this.#events.on('error', (error) => this.#options.log.debug({ reason: messageOf(error) }, 'registry events'));
    this.#events.on('message', () => this.emit('told'));
  }

  /**
   * Resolves when Redis answers and is fit.
   * @throws ERR_REGISTRY_UNAVAILABLE when it doesn't within `connectTimeoutMs`; ERR_REGISTRY_REFUSED for a wrong
   * password or rights that are missing; ERR_REGISTRY_UNSUPPORTED for a server that is too old
   */
  static async open(options: RedisLinkOptions): Promise<RedisLink> {
    const link = new RedisLink(options);
    const { settings, clock } = options;
    const opened = Promise.withResolvers<void>();
    link.once('up', opened.resolve);
    link.once('refused', opened.reject);
    const timer = clock.setTimeout(() => opened.reject(link.#unavailable()), settings.connectTimeoutMs);
    try {
      for (const client of [link.#client, link.#events]) client.connect().catch(() => undefined); // told as events
      await opened.promise;
      return link;
    } catch (error) {
      await link.close();
      throw error;
    } finally {
      timer.cancel();
    }
  }

  get up(): boolean {
    return this.#up;
  }

  /** Milliseconds since Redis last answered; 0 while it does. */
  get staleMs(): number {
    if (this.#up) return 0;
    return this.#answeredAtMs === null ? Number.POSITIVE_INFINITY : this.#options.clock.now() - this.#answeredAtMs;
  }

  /** @throws ERR_REGISTRY_UNAVAILABLE at once while the link is down, and when no answer comes in time */
  async script(name: ScriptName, keys: readonly string[], args: readonly string[]): Promise<unknown> {
    // ioredis defines the scripts as methods at run time.
    const scripts = this.#client as unknown as Record<ScriptName, ScriptCall>;
    return this.command(
      name.replace(/^antipode/, '').replace(/^./, (first) => first.toLowerCase()),
      () => scripts[name](...keys, ...args),
    );
  }

  /** @param name for the metrics @throws as `script` */
  async command<T>(name: string, work: (client: RedisClient) => Promise<T>): Promise<T> {
    if (!this.#up) {
      this.#options.metrics.commandFailures.inc({ command: name, reason: 'connection' });
      throw this.#unavailable();
    }
    return this.#timed(name, work);
  }

  /** Every key that begins with `prefix`, on every master. Each step has the time of a command. */
  async keys(prefix: string): Promise<string[]> {
    const found = new Set<string>();
    for (const master of serversOf(this.#client)) {
      let cursor = '0';
      do {
        const [next, some] = await this.command('scan', () =>
          master.scan(cursor, 'MATCH', `${prefix}*`, 'COUNT', 1_000),
        );
        for (const key of some) found.add(key);
        cursor = next;
      } while (cursor !== '0');
    }
    return [...found];
  }

  /** About `count` keys of one master, and where the next step begins: there, at the next master, or nowhere. */
  async scanStep(at: { server: number; cursor: string; prefix: string; count: number }) {
    const servers = serversOf(this.#client);
    const server = servers[at.server];
    if (server === undefined) return { found: [], next: null };
    const [cursor, found] = await this.command('scan', () =>
      server.scan(at.cursor, 'MATCH', `${at.prefix}*`, 'COUNT', at.count),
    );
    if (cursor !== '0') return { found, next: { server: at.server, cursor } };
    return { found, next: at.server + 1 < servers.length ? { server: at.server + 1, cursor: '0' } : null };
  }

  /** Idempotent. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#up = false;
    this.#probe?.cancel();
    this.#options.metrics.connected.set(0);
    this.removeAllListeners();
    this.#client.disconnect();
    this.#events.disconnect();
  }

  async #timed<T>(command: string, work: (client: RedisClient) => Promise<T>): Promise<T> {
    const { clock, settings, metrics } = this.#options;
    const startedMs = clock.now();
    const late = Promise.withResolvers<never>();
    const timer = clock.setTimeout(() => late.reject(new CommandTimeout()), settings.commandTimeoutMs);
    const answer = work(this.#client);
    answer.catch(() => undefined); // it may fail after the time-out was told
    try {
      const result = await Promise.race([answer, late.promise]);
      this.#answeredAtMs = clock.now();
      metrics.commandSeconds.observe({ command }, (clock.now() - startedMs) / 1_000);
      return result;
    } catch (error) {
      const lost = error instanceof CommandTimeout || isConnectionError(error);
      const reason = error instanceof CommandTimeout ? 'timeout' : lost ? 'connection' : 'refused';
      metrics.commandFailures.inc({ command, reason });
      this.#lastTrouble = messageOf(error);
      if (lost) this.#goDown(messageOf(error));
      if (isRefusal(error)) {
        const refusal = refused(settings, messageOf(error));
        this.#onRefused(refusal);
        throw refusal;
      }
      throw this.#unavailable();
    } finally {
      timer.cancel();
    }
  }

  #goDown(reason: string): void {
    if (this.#closed) return;
    if (this.#up) {
      this.#up = false;
      this.#answeredAtMs ??= this.#options.clock.now();
      this.#options.metrics.connected.set(0);
      this.#options.log.error({ reason, redis: placeText(this.#options.settings) }, 'the registry is out of reach');
      this.emit('down', reason);
    }
    if (this.#client.status === 'ready') this.#startProbing();
  }

  /** The connection stands, but does it answer? Asks until it does, or until the connection goes. */
  #startProbing(): void {
    if (this.#closed || this.#up || this.#probing || this.#probe !== null) return;
    void this.#probeOnce();
  }

  async #probeOnce(): Promise<void> {
    const { settings, clock, log, metrics, random } = this.#options;
    this.#probing = true;
    try {
      const servers = await this.#timed('info', (client) => inspectServers(client));
      servers.demandFit();
      if (this.#closed) return;
      this.#probes = 0;
      this.#up = true;
      metrics.connected.set(1);
      for (const warning of servers.warnings) log.warn({ redis: placeText(settings) }, warning);
      log.info({ redis: placeText(settings), version: servers.version }, 'the registry answers');
      this.emit('up');
      this.emit('told');
    } catch (error) {
      if (error instanceof AntipodeError && !error.retryable) this.#onRefused(error);
      if (this.#closed || this.#client.status !== 'ready') return; // the next connection begins anew
      this.#probes += 1;
      this.#probe = clock.setTimeout(
        () => {
          this.#probe = null;
          this.#startProbing();
        },
        reconnectDelayMs(this.#probes, random),
      );
    } finally {
      this.#probing = false;
    }
  }

  #onClientError(error: unknown): void {
    const reason = messageOf(error);
    if (this.#lastTrouble !== reason) this.#options.log.debug({ reason }, 'the connection to the registry failed');
    this.#lastTrouble = reason;
    if (isRefusal(error)) this.#onRefused(refused(this.#options.settings, reason));
  }

  /** It would not be better the next time, but an operator may mend it: told once, and tried on. */
  #onRefused(error: AntipodeError): void {
    if (this.#closed) return;
    if (this.#refused?.message !== error.message) {
      this.#options.log.error({ reason: error.message, code: error.code }, 'the registry refuses this node');
    }
    this.#refused = error;
    this.emit('refused', error);
  }

  async #subscribe(): Promise<void> {
    try {
      await this.#events.subscribe(this.#options.channel);
      this.emit('told'); // what was published before
    } catch (error) {
      if (!this.#closed) {
        this.#options.log.warn({ reason: messageOf(error) }, 'the registry tells no changes; leases are watched still');
      }
    }
  }

  #unavailable(): AntipodeError {
    const why = this.#lastTrouble === null ? '' : ` (${this.#lastTrouble})`;
    return new AntipodeError(
      'ERR_REGISTRY_UNAVAILABLE',
      `The registry, Redis at ${placeText(this.#options.settings)}, does not answer${why}.`,
    );
  }
}

function refused(settings: RedisSettings, reason: string): AntipodeError {
  return new AntipodeError(
    'ERR_REGISTRY_REFUSED',
    `The registry, Redis at ${placeText(settings)}, refuses this node: ${reason}`,
  );
}
