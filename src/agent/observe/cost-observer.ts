/**
 * What a call used and what that costs: sums by kind, service and model. Tells the client when a turn is over and
 * something has changed, and the log once, at the call's end. Prices are price.ts's.
 */
import type { Logger } from '../../telemetry/index.ts';
import type { CallUsage, ClientEvent } from '../client-events.ts';
import type { CallObserver } from './call-observers.ts';
import type { Observation, ServiceKind, ServiceRun, ServiceUsage } from './observation.ts';
import type { PriceRun, UnpricedReason } from './price.ts';

export interface CostObserverOptions {
  price: PriceRun;
  send: (event: ClientEvent) => void;
  log: Logger;
}

interface Sum {
  readonly kind: ServiceKind;
  readonly service: string;
  readonly model: string | null;
  requests: number;
  readonly units: Partial<Record<keyof ServiceUsage, number>>;
  usd: number;
  /** Requests that were priced, or cost nothing. */
  pricedRequests: number;
  readonly unpriced: Map<UnpricedReason, number>;
}

/** What the client's schema takes. */
const MAX_SERVICES = 32;
const MAX_SERVICE_CHARACTERS = 64;
const MAX_MODEL_CHARACTERS = 120;

export class CostObserver implements CallObserver {
  readonly name = 'costs';
  readonly #options: CostObserverOptions;
  readonly #sums = new Map<string, Sum>();
  #changed = false;
  #startedAtMs: number | null = null;
  #ended = false;

  constructor(options: CostObserverOptions) {
    this.#options = options;
  }

  observed(seen: Observation): void {
    switch (seen.type) {
      case 'call-started':
        this.#startedAtMs = seen.atMs;
        return;
      case 'service-run':
        this.#add(seen.run);
        return;
      case 'turn-settled':
        this.#tell();
        return;
      case 'call-ended':
        this.#end(seen.atMs);
        return;
      default:
    }
  }

  /** So far, US dollars. */
  usage(): CallUsage {
    const sums = [...this.#sums.values()];
    return {
      services: sums.slice(0, MAX_SERVICES).map((each) => ({
        kind: each.kind,
        service: each.service.slice(0, MAX_SERVICE_CHARACTERS),
        model: each.model?.slice(0, MAX_MODEL_CHARACTERS) ?? null,
        requests: each.requests,
        units: { ...each.units },
        costUsd: each.pricedRequests > 0 || each.usd > 0 ? each.usd : null,
      })),
      costUsd: sums.reduce((total, each) => total + each.usd, 0),
      unpriced: sums.flatMap(unpricedWords).slice(0, MAX_SERVICES),
    };
  }

  #add(run: ServiceRun): void {
    const key = `${run.kind}/${run.service}/${run.model}`;
    let sum = this.#sums.get(key);
    if (sum === undefined) {
      const { kind, service, model } = run;
      sum = { kind, service, model, requests: 0, units: {}, usd: 0, pricedRequests: 0, unpriced: new Map() };
      this.#sums.set(key, sum);
    }
    sum.requests += 1;
    for (const [unit, count] of Object.entries(run.usage) as [keyof ServiceUsage, number | undefined][]) {
      if (count !== undefined) sum.units[unit] = (sum.units[unit] ?? 0) + count;
    }
    const price = this.#options.price(run);
    if (price.type !== 'free') sum.usd += price.usd;
    if (price.type === 'unpriced') sum.unpriced.set(price.why, (sum.unpriced.get(price.why) ?? 0) + 1);
    else sum.pricedRequests += 1;
    this.#changed = true;
  }

  #tell(): void {
    if (!this.#changed) return;
    this.#changed = false;
    this.#options.send({ type: 'usage', usage: this.usage() });
  }

  #end(atMs: number): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#tell();
    const { services, costUsd, unpriced } = this.usage();
    const seconds = this.#startedAtMs === null ? null : Math.round((atMs - this.#startedAtMs) / 100) / 10;
    this.#options.log.info({ seconds, costUsd, services, unpriced }, 'what the call used');
  }
}

/** `stt openai whisper-1: no price`, with the number of requests when others of it were priced. */
function unpricedWords(sum: Sum): string[] {
  const model = sum.model === null ? '' : ` ${sum.model.slice(0, MAX_MODEL_CHARACTERS)}`;
  const name = `${sum.kind} ${sum.service.slice(0, 24)}${model}`;
  return [...sum.unpriced].map(([why, requests]) =>
    requests === sum.requests ? `${name}: ${why}` : `${name}: ${why} for ${requests} of ${sum.requests} requests`,
  );
}
