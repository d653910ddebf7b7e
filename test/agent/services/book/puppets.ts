/** A language model that says what a test tells it, request by request, and a line of them on a fake clock. */

import type { ServiceRun } from '../../../../src/agent/index.ts';
import {
  CircuitBreaker,
  type Endpoint,
  MeteredLlm,
  ResilientLlm,
  serviceMetrics,
} from '../../../../src/agent/services/book/index.ts';
import type { Llm, LlmEvent, LlmRequest } from '../../../../src/agent/services/llm.ts';
import { AntipodeError } from '../../../../src/errors.ts';
import { createMetrics, silentLogger } from '../../../../src/telemetry/index.ts';
import { FakeClock } from '../../../support/fake-clock.ts';

type Act = { readonly event: LlmEvent } | { readonly error: unknown } | 'end';

/** One request, from the service's side. */
export class PuppetRequest {
  readonly request: LlmRequest;
  readonly #acts: Act[] = [];
  #wake: () => void = () => {};

  constructor(request: LlmRequest) {
    this.request = request;
    request.signal.addEventListener('abort', () => this.#do({ error: request.signal.reason }));
  }

  get isAborted(): boolean {
    return this.request.signal.aborted;
  }

  say(...words: string[]): void {
    for (const text of words) this.#do({ event: { type: 'text', text } });
  }

  call(name: string): void {
    this.#do({ event: { type: 'tool-call', callId: `${name}-1`, name, arguments: '{}' } });
  }

  count(inputTokens: number, outputTokens: number): void {
    this.#do({ event: { type: 'usage', usage: { inputTokens, outputTokens } } });
  }

  end(): void {
    this.#do('end');
  }

  fail(message: string): void {
    this.#do({ error: new AntipodeError('ERR_SERVICE_FAILED', message) });
  }

  #do(act: Act): void {
    this.#acts.push(act);
    this.#wake();
  }

  async *events(): AsyncGenerator<LlmEvent> {
    for (;;) {
      const act = this.#acts.shift();
      if (act === undefined) await new Promise<void>((resolve) => (this.#wake = resolve));
      else if (act === 'end') return;
      else if ('error' in act) throw act.error;
      else yield act.event;
    }
  }
}

export class PuppetLlm implements Llm {
  readonly name: string;
  readonly requests: PuppetRequest[] = [];
  warmings = 0;

  constructor(name: string) {
    this.name = name;
  }

  respond(request: LlmRequest): AsyncIterable<LlmEvent> {
    const puppet = new PuppetRequest(request);
    this.requests.push(puppet);
    return puppet.events();
  }
}

export const FIRST_RESPONSE_MS = 1_000;

/** A model made of puppets of these names, and everything that is told of it. */
export function puppetLine(names: readonly string[], hedgeAfterMs: number | null) {
  const clock = new FakeClock();
  const registry = createMetrics({ processMetrics: false });
  const { failovers, hedges } = serviceMetrics(registry);
  const puppets = names.map((name) => new PuppetLlm(name));
  const endpoints = puppets.map(
    (puppet): Endpoint<Llm> => ({
      label: puppet.name,
      service: new MeteredLlm(puppet, { service: puppet.name, model: null, region: null, clock }),
      breaker: new CircuitBreaker({ clock, random: () => 0.5 }),
      firstResponseMs: FIRST_RESPONSE_MS,
      warm: () => void puppet.warmings++,
    }),
  );
  const llm = new ResilientLlm({ clock, endpoints, log: silentLogger, failovers, hedges, hedgeAfterMs });
  const runs: ServiceRun[] = [];
  const changes: string[] = [];
  return {
    llm,
    clock,
    puppets,
    breakers: endpoints.map(({ breaker }) => breaker),
    changes,
    outcomes: () => runs.map(({ service, outcome }) => `${service} ${outcome}`),
    runs,
    /** What is begun here is said here, as it comes, with how it ended. */
    ask(signal = new AbortController().signal) {
      const asked = { words: '', calls: [] as string[], usages: 0, end: null as unknown };
      const request: LlmRequest = {
        instructions: 'Be brief.',
        entries: [],
        said: '',
        tools: [],
        signal,
        watch: {
          ran: (run) => runs.push(run),
          failedOver: ({ from, to, code }) => changes.push(`${from} > ${to}: ${code}`),
        },
      };
      const reading = (async () => {
        for await (const event of llm.respond(request)) {
          if (event.type === 'text') asked.words += event.text;
          else if (event.type === 'tool-call') asked.calls.push(event.name);
          else asked.usages += 1;
        }
      })();
      reading.then(
        () => (asked.end = 'whole'),
        (error: unknown) => (asked.end = error),
      );
      return asked;
    },
    /** `from>to outcome`: how often. */
    async hedges(): Promise<Record<string, number>> {
      const metric = await hedges.get();
      return Object.fromEntries(
        metric.values.map(({ labels, value }) => [`${labels.from}>${labels.to} ${labels.outcome}`, value]),
      );
    },
  };
}

/** Let promises settle: nothing here waits for anything outside. */
export function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
