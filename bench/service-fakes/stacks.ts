/**
 * Stacks of services by the catalogue's published latencies, and what of those figures a fake has to wait. Owns the
 * choice and its arithmetic; every figure is read from the catalogue.
 */
import { loadCatalogue } from '../../src/agent/services/catalogue/index.ts';

export const STACKS = {
  fast: { stt: 'deepgram/nova-3', llm: 'groq/openai/gpt-oss-120b', tts: 'cartesia/sonic-3' },
  /**
   * What Pipecat's quickstart (examples/quickstart/bot.py: Deepgram, OpenAI with gpt-4.1 as its default, Cartesia) and
   * LiveKit's starter (agent-starter-python: deepgram/nova-3, a model of OpenAI's, cartesia/sonic-3) have in common.
   */
  common: { stt: 'deepgram/nova-3', llm: 'openai/gpt-4.1', tts: 'cartesia/sonic-3' },
  /** The same with another voice. */
  elevenLabs: { stt: 'deepgram/nova-3', llm: 'openai/gpt-4.1', tts: 'elevenlabs/eleven_flash_v2_5' },
} as const;
export type StackName = keyof typeof STACKS;

export interface Quantiles {
  p50Ms: number;
  p95Ms: number;
}

export interface StackLatencies {
  /** From being asked for the final words to having them. */
  stt: Quantiles;
  /** From the request to the first word. */
  llm: Quantiles;
  /** From the text to the first sound. */
  tts: Quantiles;
  /** What the figures are and where they come from, for people. */
  sources: string[];
}

/**
 * The published figure of speech to text counts from the end of speech, and its benchmark asks for the words after this
 * much silence (voice activity's `stop_secs` of pipecat-ai/stt-benchmark): what is left is what the service took.
 */
const STT_ASKED_AFTER_MS = 200;
/** Text to speech has a published median only: its p95 is taken to be this much of it. An assumption, and named as one. */
const ASSUMED_P95_OF_P50 = 1.5;

/** @throws when the catalogue has no such model, or no figure for it */
export function latenciesOf(stack: StackName): StackLatencies {
  const { stt, llm, tts } = STACKS[stack];
  const catalogue = loadCatalogue();
  const heard = published(stt, named(catalogue.list('stt'), stt)?.finalMs);
  const thought = published(llm, named(catalogue.list('llm'), llm)?.ttftMs);
  const spoken = published(tts, named(catalogue.list('tts'), tts)?.firstAudioMs);
  const title = (kind: 'stt' | 'llm' | 'tts', source: string) => catalogue.source(kind, source)?.title ?? source;
  const quantiles = (p50Ms: number, p95Ms: number): Quantiles => ({ p50Ms, p95Ms });
  return {
    stt: quantiles(heard.p50 - STT_ASKED_AFTER_MS, (heard.p95 ?? assumed(heard.p50)) - STT_ASKED_AFTER_MS),
    llm: quantiles(thought.p50, thought.p95 ?? assumed(thought.p50)),
    tts: quantiles(spoken.p50, spoken.p95 ?? assumed(spoken.p50)),
    sources: [
      `${stack}: ${stt} ${words(heard)} (${title('stt', heard.source)}), of which ${STT_ASKED_AFTER_MS} ms are silence before it is asked;`,
      `  ${llm} ${words(thought)} (${title('llm', thought.source)}); ${tts} ${words(spoken)} (${title('tts', spoken.source)}).`,
    ],
  };
}

interface Published {
  p50: number;
  p95?: number;
  source: string;
}

interface Service<Model> {
  id: string;
  models: readonly (Model & { id: string })[];
}

function named<Model>(services: readonly Service<Model>[], name: string): Model | undefined {
  const service = name.slice(0, name.indexOf('/'));
  const model = name.slice(name.indexOf('/') + 1);
  return services.find(({ id }) => id === service)?.models.find(({ id }) => id === model);
}

function published(name: string, latency: Published | undefined): Published {
  if (latency === undefined) throw new Error(`the catalogue has no latency of ${name}`);
  return latency;
}

function assumed(p50: number): number {
  return p50 * ASSUMED_P95_OF_P50;
}

function words({ p50, p95 }: Published): string {
  return p95 === undefined ? `p50 ${p50} ms (p95 unpublished, taken as ${assumed(p50)})` : `p50 ${p50}, p95 ${p95} ms`;
}
