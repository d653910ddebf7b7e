/** What a benchmark asks of its fake services: start, with these latencies. The answer is the environment of a core. */
import type { Quantiles } from './stacks.ts';

export interface ServiceFakesAsk {
  stt: Quantiles;
  llm: Quantiles;
  tts: Quantiles;
  seed: number;
}
