/**
 * The nodes that are alive, as last told by the registry: read regularly and on demand, never waited for longer than
 * the timeout, kept when the registry is out of reach. Owns the readings and what is shown of them; decides nothing.
 */
import type { Clock, Timer } from '../clock.ts';
import { AntipodeError, asAntipodeError } from '../errors.ts';
import type { NodeRecord, Registry } from '../registry/index.ts';
import type { Logger } from '../telemetry/index.ts';
import type { PlacementMetrics } from './placement-metrics.ts';

export interface NodeWatchOptions {
  registry: Pick<Registry, 'nodes'> & Partial<Pick<Registry, 'state'>>;
  clock: Clock;
  log: Logger;
  metrics: PlacementMetrics;
  /** Readings come this far apart. @defaultValue 1000 */
  intervalMs?: number;
  /** Readings on demand come this far apart: many who are refused at once share one. @defaultValue 100 */
  demandIntervalMs?: number;
  /** Longest that a session request waits for a reading. @defaultValue 250 */
  timeoutMs?: number;
}

export const NODE_WATCH_DEFAULTS = { intervalMs: 1_000, demandIntervalMs: 100, timeoutMs: 250 } as const;

export interface RegistryState {
  readonly reachable: boolean;
  /** Since the last reading that worked; null before the first. */
  readonly ageMs: number | null;
  /** Readings that failed since the start. */
  readonly failures: number;
}

export class NodeWatch {
  readonly #options: NodeWatchOptions;
  readonly #intervalMs: number;
  #nodes: readonly NodeRecord[] = [];
  #readAtMs: number | null = null;
  #reachable = true;
  #failures = 0;
  #reading: Promise<void> | null = null;
  #timer: Timer | null = null;
  #closed = false;

  constructor(options: NodeWatchOptions) {
    this.#options = options;
    this.#intervalMs = options.intervalMs ?? NODE_WATCH_DEFAULTS.intervalMs;
    this.#schedule();
  }

  /** As last read. */
  get nodes(): readonly NodeRecord[] {
    return this.#nodes;
  }

  get state(): RegistryState {
    const ageMs = this.#readAtMs === null ? null : Math.max(0, this.#options.clock.now() - this.#readAtMs);
    return { reachable: this.#reachable, ageMs, failures: this.#failures };
  }

  /**
   * Nodes that are no older than the interval; with `now` than the shorter one. While the registry is out of reach, the
   * last ones, at once.
   * @throws what the registry throws when there never was a reading
   */
  async fresh(how: { now?: boolean } = {}): Promise<void> {
    const { ageMs } = this.state;
    const demandMs = this.#options.demandIntervalMs ?? NODE_WATCH_DEFAULTS.demandIntervalMs;
    const oldestMs = how.now === true ? demandMs : this.#intervalMs;
    if (ageMs !== null && (!this.#reachable || ageMs < oldestMs)) return;
    await this.#read();
  }

  /** Idempotent. */
  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
  }

  #schedule(): void {
    if (this.#closed) return;
    this.#timer = this.#options.clock.setTimeout(() => {
      void this.#read()
        .catch(() => undefined) // told already, by #failed
        .then(() => this.#schedule());
    }, this.#intervalMs);
  }

  /** One reading at a time: who comes later waits for the one under way. */
  #read(): Promise<void> {
    this.#reading ??= this.#readOnce().finally(() => {
      this.#reading = null;
    });
    return this.#reading;
  }

  async #readOnce(): Promise<void> {
    const { registry, clock, log, metrics } = this.#options;
    const timeoutMs = this.#options.timeoutMs ?? NODE_WATCH_DEFAULTS.timeoutMs;
    const late = Promise.withResolvers<never>();
    const timer = clock.setTimeout(() => {
      late.reject(new AntipodeError('ERR_BACKBONE_TIMEOUT', `The registry did not answer within ${timeoutMs} ms.`));
    }, timeoutMs);
    try {
      this.#nodes = await Promise.race([registry.nodes(), late.promise]);
      const { connected, staleMs } = registry.state ?? { connected: true, staleMs: 0 };
      this.#readAtMs = clock.now() - staleMs;
      if (!connected) {
        throw new AntipodeError('ERR_REGISTRY_UNAVAILABLE', 'The registry told the nodes that it last knew.');
      }
      if (!this.#reachable) log.info('the registry answers placement again');
      this.#reachable = true;
    } catch (error) {
      this.#failures += 1;
      metrics.registryFailed();
      if (this.#reachable) log.error({ err: error }, 'the registry is out of reach: placing by the last world');
      this.#reachable = false;
      if (this.#readAtMs === null) throw asAntipodeError(error);
    } finally {
      timer.cancel();
      metrics.registryReachable(this.#reachable);
    }
  }
}
