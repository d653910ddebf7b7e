/**
 * One-time ids in Redis. Owns the claims of this process: while Redis is out of reach they decide alone, and they are
 * written when it answers again.
 */
import type { Clock } from '../../clock.ts';
import { AntipodeError } from '../../errors.ts';
import { OnceLedger } from '../once-ledger.ts';
import type { RegistryMetrics } from '../registry-metrics.ts';
import type { RegistryKeys } from './keys.ts';
import type { RedisLink } from './link.ts';

export interface RedisOnceOptions {
  link: RedisLink;
  keys: RegistryKeys;
  clock: Clock;
  metrics: RegistryMetrics;
}

/** Ids outlive their tokens by this much, as clocks differ. */
const SKEW_MS = 60_000;

export class RedisOnce {
  readonly #options: RedisOnceOptions;
  readonly #claimed = new OnceLedger();
  readonly #pending = new Set<string>();

  constructor(options: RedisOnceOptions) {
    this.#options = options;
  }

  async claim(id: string, expiresAtMs: number): Promise<boolean> {
    const { clock, metrics } = this.#options;
    const nowMs = clock.date().getTime();
    if (this.#claimed.has(id, nowMs)) return false;
    try {
      const isFirst = await this.#write(id, expiresAtMs, nowMs);
      if (isFirst) this.#claimed.claim(id, expiresAtMs, nowMs);
      return isFirst;
    } catch (error) {
      if (!(error instanceof AntipodeError) || error.code !== 'ERR_REGISTRY_UNAVAILABLE') throw error;
      metrics.deferred.inc({ kind: 'once' });
      const isFirst = this.#claimed.claim(id, expiresAtMs, nowMs);
      if (isFirst) this.#pending.add(id);
      return isFirst;
    }
  }

  /** @param how `all` after a loss of data: also those that were written once. @throws what the link throws */
  async restore(how: { all: boolean }): Promise<void> {
    const nowMs = this.#options.clock.date().getTime();
    for (const [id, expiresAtMs] of this.#claimed.entries(nowMs)) {
      if (!how.all && !this.#pending.has(id)) continue;
      await this.#write(id, expiresAtMs, nowMs);
      this.#pending.delete(id);
    }
    for (const id of this.#pending) if (!this.#claimed.has(id, nowMs)) this.#pending.delete(id);
  }

  async #write(id: string, expiresAtMs: number, nowMs: number): Promise<boolean> {
    const { link, keys } = this.#options;
    const ttlMs = Math.max(1, Math.ceil(expiresAtMs - nowMs)) + SKEW_MS;
    const answer = await link.command('claimOnce', (client) => client.set(keys.once(id), '1', 'PX', ttlMs, 'NX'));
    return answer === 'OK';
  }
}
