/**
 * The speech-to-speech services that are chosen, each with its breaker and its address. They tell of their runs
 * themselves, and keep a conversation over lost connections. Those of the OpenAI Realtime dialect take over from each
 * other; one of another dialect stands alone.
 */
import type { Clock } from '../../../clock.ts';
import { AntipodeError } from '../../../errors.ts';
import type { Logger } from '../../../telemetry/index.ts';
import { createS2s, type Environment, resolveService, s2sModel } from '../catalogue/index.ts';
import { OpenAiRealtime } from '../s2s/openai-realtime.ts';
import type { S2s } from '../s2s.ts';
import type { ChosenService } from './chosen-services.ts';
import { refusedWithPath } from './refused-with-path.ts';
import { ResilientS2s } from './resilient-s2s.ts';
import { serviceBreaker } from './service-breaker.ts';
import type { Endpoint } from './service-line.ts';
import type { ServiceMetrics } from './service-metrics.ts';
import type { StackAddress } from './service-stack.ts';

/** Longest wait for a connection while another service could take over, ms. */
export const S2S_FIRST_RESPONSE_MS = 2_500;

export interface ChosenS2sOptions {
  environment: Environment;
  clock: Clock;
  log: Logger;
  metrics: ServiceMetrics;
  /** 0..1, for the jitter of breakers. */
  random?: () => number;
}

interface FoundS2s {
  readonly address: StackAddress;
  /** With a breaker where others may take over from it, else the service alone. */
  readonly endpoint: Endpoint<OpenAiRealtime> | S2s;
}

/** The breakers are those of the node, whichever of the services a session may use. */
export class ChosenS2s {
  readonly #options: ChosenS2sOptions;
  readonly #found: readonly FoundS2s[];

  /** @throws ERR_CONFIG_INVALID with the path of a choice that cannot work here */
  constructor(chosen: readonly ChosenService<'s2s'>[], options: ChosenS2sOptions) {
    this.#options = options;
    const { environment, clock, log, metrics, random } = options;
    this.#found = chosen.map(({ path, choice, entry }) => {
      const { region, baseUrl } = refusedWithPath(path, () => resolveService(entry!, environment, choice.region));
      const { id } = entry!;
      const service = refusedWithPath(path, () =>
        createS2s(entry!, {
          ...{ ...choice, environment, clock, log },
          onUnknownEvent: () => metrics.unknownEvents.inc({ kind: 's2s', service: id }),
        }),
      );
      const address = { id: `${id}@${region}`, region, host: new URL(baseUrl).hostname };
      if (!(service instanceof OpenAiRealtime)) {
        if (chosen.length === 1) return { address, endpoint: service };
        const message = `${entry!.name} cannot share a call with other services: choose it alone.`;
        throw new AntipodeError('ERR_CONFIG_INVALID', message, { path });
      }
      const isAlone = chosen.filter((other) => other.entry!.id === id).length === 1;
      const label = isAlone ? id : `${id}/${s2sModel(entry!, choice.model)}@${region}`;
      const breaker = serviceBreaker({ kind: 's2s', service: label, clock, log, metrics, random });
      return {
        address,
        endpoint: { label, service, breaker, firstResponseMs: choice.firstResponseMs ?? S2S_FIRST_RESPONSE_MS },
      };
    });
  }

  /** All of them, the preferred first; null when there is none. */
  get all(): S2s | null {
    return this.#line(this.#found);
  }

  get addresses(): readonly StackAddress[] {
    return this.#found.map(({ address }) => address);
  }

  /** Those at some endpoints, `service@region`, in the order of these; no other takes over from them. */
  within(endpoints: readonly string[]): { readonly s2s: S2s | null; readonly addresses: readonly StackAddress[] } {
    const allowed = endpoints.flatMap((id) => this.#found.filter(({ address }) => address.id === id));
    return { s2s: this.#line(allowed), addresses: allowed.map(({ address }) => address) };
  }

  #line(found: readonly FoundS2s[]): S2s | null {
    const [first] = found;
    if (first === undefined) return null;
    if ('open' in first.endpoint) return first.endpoint;
    const { clock, log, metrics } = this.#options;
    const { failovers, hedges } = metrics;
    const endpoints = found.flatMap(({ endpoint }) => ('open' in endpoint ? [] : [endpoint]));
    return new ResilientS2s({ endpoints, clock, log, failovers, hedges });
  }
}
