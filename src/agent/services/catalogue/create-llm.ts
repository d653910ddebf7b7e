/** From an entry of the catalogue to a language model that a pipeline can ask. Owns no protocol. */
import type { Clock } from '../../../clock.ts';
import { AnthropicLlm } from '../llm/anthropic.ts';
import { GeminiLlm } from '../llm/gemini.ts';
import { OpenAiCompatibleLlm, type OpenAiCompatibleOptions } from '../llm/openai-compatible.ts';
import { ResponsesLlm } from '../llm/responses.ts';
import type { Llm } from '../llm.ts';
import { modelOf } from './adapter.ts';
import { type Environment, resolveService } from './resolve.ts';
import type { LlmEntry } from './schema.ts';

export interface CreateLlmOptions extends Pick<OpenAiCompatibleOptions, 'sampling' | 'instructionsRole'> {
  /** One of the entry's; without it the entry's `urlVariable`, else its first. */
  readonly region?: string;
  /** Without it the first one of the entry. */
  readonly model?: string;
  /** Where keys are read from, once. */
  readonly environment: Environment;
  readonly clock: Clock;
  /** @defaultValue 8000 */
  readonly timeoutMs?: number;
}

export const CREATE_LLM_DEFAULTS = { timeoutMs: 8_000 } as const satisfies Partial<CreateLlmOptions>;

/** What an adapter is made with: all of it resolved and checked. */
export interface LlmMaking extends Pick<CreateLlmOptions, 'clock' | 'instructionsRole' | 'sampling'> {
  readonly entry: LlmEntry;
  readonly baseUrl: string;
  readonly apiKey: string | null;
  /** Of the region that was chosen; null for an address of the operator's own. */
  readonly region: string | null;
  readonly model: string;
  readonly timeoutMs: number;
}

/** A language model that was made from the catalogue: it tells where it asks, and can be warmed and closed. */
export type CatalogueLlm = Llm & Pick<OpenAiCompatibleLlm, 'baseUrl' | 'close' | 'connectMs' | 'model' | 'warm'>;

export interface LlmAdapter {
  /** Its own choice; null: one must be named, here or in the catalogue. */
  readonly model: string | null;
  make(making: LlmMaking): CatalogueLlm;
}

/** By dialect. The one place where an adapter is made known. */
export const LLM_ADAPTERS: Readonly<Record<string, LlmAdapter>> = {
  'openai-chat': {
    model: null,
    make: ({ entry, region: _, ...making }) =>
      new OpenAiCompatibleLlm({ ...making, name: entry.id, label: entry.name, quirks: entry.quirks }),
  },
  'openai-responses': {
    model: null,
    make: ({ entry, region: _, ...making }) => {
      const { refusesSampling } = entry.quirks;
      return new ResponsesLlm({ ...making, name: entry.id, label: entry.name, refusesSampling });
    },
  },
  'anthropic-messages': {
    model: null,
    // The entry's regions are where the service is told to run the model; `global` is what it does anyway.
    make: ({ entry, region, ...making }) => {
      const inferenceGeo = region === 'global' ? null : region;
      return new AnthropicLlm({ ...making, name: entry.id, label: entry.name, inferenceGeo });
    },
  },
  'google-generate-content': {
    model: null,
    make: ({ entry, region: _, ...making }) => new GeminiLlm({ ...making, name: entry.id, label: entry.name }),
  },
};

/** The model that is used when `wanted` is. @throws ERR_CONFIG_INVALID when one must be named, or nothing speaks it */
export function llmModel(entry: LlmEntry, wanted: string | undefined): string {
  return modelOf(entry, wanted, LLM_ADAPTERS);
}

/** @throws ERR_SERVICE_UNAVAILABLE when a key is missing; ERR_CONFIG_INVALID for what the entry has not */
export function createLlm(entry: LlmEntry, options: CreateLlmOptions): CatalogueLlm {
  const model = llmModel(entry, options.model);
  const { environment, clock, sampling, instructionsRole, timeoutMs = CREATE_LLM_DEFAULTS.timeoutMs } = options;
  const { baseUrl, apiKey, region } = resolveService(entry, environment, options.region);
  return LLM_ADAPTERS[entry.dialect]!.make({
    ...{ entry, baseUrl, apiKey, model, clock, timeoutMs, sampling, instructionsRole },
    region: region === 'own' ? null : region,
  });
}
