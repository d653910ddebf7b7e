/** A stack of services as a node makes it from its configuration, with what it told of its requests. */

import type { ServiceRun, ServiceWatch, Tts } from '../../../../src/agent/index.ts';
import {
  chooseServices,
  HEDGE_DEFAULTS,
  type HedgeOptions,
  ServiceStack,
  serviceMetrics,
  servicesEnvironment,
} from '../../../../src/agent/services/book/index.ts';
import { loadCatalogue } from '../../../../src/agent/services/catalogue/index.ts';
import type { LlmEvent, LlmRequest } from '../../../../src/agent/services/llm.ts';
import type { SpeechChunk } from '../../../../src/agent/services/tts.ts';
import { configSchema } from '../../../../src/config/index.ts';
import { createMetrics, type Logger, silentLogger } from '../../../../src/telemetry/index.ts';
import { FakeClock } from '../../../support/fake-clock.ts';

export interface BookOptions {
  stt?: unknown[];
  llm?: unknown[];
  tts?: unknown[];
  openai?: { apiKey?: string; baseUrl?: string };
  environment?: Record<string, string>;
  hedge?: Partial<HedgeOptions>;
  flite?: Tts;
  log?: Logger;
}

/** Choices that need no server until they are asked. */
const ANYTHING = { stt: ['deepgram'], llm: ['ollama/any'], tts: ['kokoro#any'] };

export function openBook({ environment = {}, flite, hedge, log = silentLogger, ...lists }: BookOptions) {
  const clock = new FakeClock();
  const registry = createMetrics({ processMetrics: false });
  const { services } = configSchema.parse({ services: { ...ANYTHING, ...lists } });
  const stack = new ServiceStack({
    chosen: chooseServices(services, loadCatalogue()),
    environment: servicesEnvironment(services, { DEEPGRAM_API_KEY: 'dg', ...environment }),
    flite: flite ?? { missing: 'There is no flite here.' },
    clock,
    log,
    metrics: serviceMetrics(registry),
    hedge: { ...HEDGE_DEFAULTS, ...hedge },
    random: () => 0.5,
  });
  const runs: ServiceRun[] = [];
  const changes: string[] = [];
  const watch: ServiceWatch = {
    ran: (run) => runs.push(run),
    failedOver: ({ kind, from, to, code }) => changes.push(`${kind} ${from} > ${to}: ${code}`),
  };
  const metric = async (line: string) => (await registry.metrics()).split('\n').find((each) => each.startsWith(line));
  return {
    stack,
    clock,
    watch,
    runs,
    changes,
    /** Service and outcome of each request. */
    outcomes: () => runs.map(({ service, outcome }) => `${service} ${outcome}`),
    isOpen: (kind: string, service: string) =>
      metric(`antipode_service_breaker_open{kind="${kind}",service="${service}"}`).then((line) => line?.endsWith(' 1')),
    failovers: () => metric('antipode_service_failovers_total{'),
    /** Labels and count of each kind of second request. */
    hedges: async () =>
      (await registry.getSingleMetricAsString('antipode_service_hedges_total'))
        .split('\n')
        .filter((line) => line.startsWith('antipode_service_hedges_total{'))
        .map((line) =>
          line.slice('antipode_service_hedges_total'.length).replaceAll(/[{}"]|kind=|from=|to=|outcome=/g, ''),
        ),
  };
}

export type Book = ReturnType<typeof openBook>;

const NEVER = new AbortController().signal;

export function request(book: Book, more: Partial<LlmRequest> = {}): LlmRequest {
  return {
    instructions: 'Be brief.',
    entries: [{ role: 'caller', turn: 1, text: 'Hello?' } as LlmRequest['entries'][number]],
    said: '',
    tools: [],
    signal: NEVER,
    watch: book.watch,
    ...more,
  };
}

export async function answer(book: Book, more: Partial<LlmRequest> = {}): Promise<LlmEvent[]> {
  const events: LlmEvent[] = [];
  for await (const event of book.stack.llm.respond(request(book, more))) events.push(event);
  return events;
}

export function textOf(events: readonly LlmEvent[]): string {
  return events.map((event) => (event.type === 'text' ? event.text : '')).join('');
}

export async function speech(book: Book, text: string, signal = NEVER): Promise<SpeechChunk[]> {
  const chunks: SpeechChunk[] = [];
  for await (const chunk of book.stack.tts.synthesize(text, { signal, watch: book.watch })) chunks.push(chunk);
  return chunks;
}

export function msOf(chunks: readonly SpeechChunk[]): number {
  return chunks.reduce((sum, { pcm, sampleRate }) => sum + (pcm.length * 1_000) / sampleRate, 0);
}
