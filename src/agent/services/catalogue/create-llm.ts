/** From an entry of the catalogue to a language model that a pipeline can ask. Owns no protocol. */
import type { Clock } from '../../../clock.ts';
import { AntipodeError } from '../../../errors.ts';
import { OpenAiCompatibleLlm, type OpenAiCompatibleOptions } from '../llm/openai-compatible.ts';
import { type Environment, resolveService } from './resolve.ts';
import type { LlmEntry } from './schema.ts';

export interface CreateLlmOptions extends Pick<OpenAiCompatibleOptions, 'sampling' | 'instructionsRole'> {
  /** One of the entry's; without it the entry's `urlVariable`, else its first. */
  readonly region?: string;
  readonly model: string;
  /** Where keys are read from, once. */
  readonly environment: Environment;
  readonly clock: Clock;
  /** @defaultValue 8000 */
  readonly timeoutMs?: number;
}

export const CREATE_LLM_DEFAULTS = { timeoutMs: 8_000 } as const satisfies Partial<CreateLlmOptions>;

/** @throws ERR_SERVICE_UNAVAILABLE when a key is missing; ERR_CONFIG_INVALID for a region or an address that is not */
export function createLlm(entry: LlmEntry, options: CreateLlmOptions): OpenAiCompatibleLlm {
  if (entry.dialect !== 'openai-chat') {
    throw new AntipodeError('ERR_CONFIG_INVALID', `Service ${entry.id}: nothing here speaks "${entry.dialect}".`, {
      path: entry.id,
    });
  }
  const { baseUrl, keys } = resolveService(entry, options.environment, options.region);
  return new OpenAiCompatibleLlm({
    name: entry.id,
    label: entry.name,
    baseUrl,
    apiKey: entry.keys[0] === undefined ? null : keys[entry.keys[0]]!,
    model: options.model,
    clock: options.clock,
    timeoutMs: options.timeoutMs ?? CREATE_LLM_DEFAULTS.timeoutMs,
    quirks: entry.quirks,
    sampling: options.sampling,
    instructionsRole: options.instructionsRole,
  });
}
