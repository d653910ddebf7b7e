/** Tokens as a server of OpenAI's dialect counts them, in our words. Pure. */
import { z } from 'zod';
import type { ServiceUsage } from '../../observe/observation.ts';

const count = z.number().int().min(0).nullish();

const usageSchema = z.object({
  prompt_tokens: count,
  completion_tokens: count,
  prompt_tokens_details: z.object({ cached_tokens: count }).nullish(),
  /** DeepSeek's name for the cached ones (api-docs.deepseek.com). */
  prompt_cache_hit_tokens: count,
});

/** Null for what is no count of tokens: servers that send none send null, or leave it out. */
export function usageOf(value: unknown): ServiceUsage | null {
  const parsed = usageSchema.safeParse(value);
  if (!parsed.success) return null;
  const { prompt_tokens: input, completion_tokens: output } = parsed.data;
  const cached = parsed.data.prompt_tokens_details?.cached_tokens ?? parsed.data.prompt_cache_hit_tokens;
  if (input == null && output == null) return null;
  return {
    ...(input != null && { inputTokens: input }),
    ...(cached != null && { cachedInputTokens: cached }),
    ...(output != null && { outputTokens: output }),
  };
}
