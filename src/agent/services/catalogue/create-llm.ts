/** From an entry of the catalogue to a language model that a pipeline can ask. Owns no protocol. */
import type { Clock } from '../../../clock.ts';
import { OpenAiCompatibleLlm, type OpenAiCompatibleOptions } from '../llm/openai-compatible.ts';
import { type Adapters, modelOf } from './adapter.ts';
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

export const LLM_ADAPTERS: Adapters = { 'openai-chat': { model: null } };

/** The model that is used when `wanted` is. @throws ERR_CONFIG_INVALID when one must be named, or nothing speaks it */
export function llmModel(entry: LlmEntry, wanted: string | undefined): string {
  return modelOf(entry, wanted, LLM_ADAPTERS);
}

/** @throws ERR_SERVICE_UNAVAILABLE when a key is missing; ERR_CONFIG_INVALID for what the entry has not */
export function createLlm(entry: LlmEntry, options: CreateLlmOptions): OpenAiCompatibleLlm {
  const model = llmModel(entry, options.model);
  const { baseUrl, apiKey } = resolveService(entry, options.environment, options.region);
  return new OpenAiCompatibleLlm({
    name: entry.id,
    label: entry.name,
    baseUrl,
    apiKey,
    model,
    clock: options.clock,
    timeoutMs: options.timeoutMs ?? CREATE_LLM_DEFAULTS.timeoutMs,
    quirks: entry.quirks,
    sampling: options.sampling,
    instructionsRole: options.instructionsRole,
  });
}
