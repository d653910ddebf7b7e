/** What a benchmark asks of its fake services over the process's IPC channel. */
import type { Quantiles } from './stacks.ts';

export type ServiceFakesAsk =
  /** Start, with these latencies. The answer is the environment of a core. */
  | { type?: 'start'; stt: Quantiles; llm: Quantiles; tts: Quantiles; seed: number }
  /** The answer is LlmRequests, since this was asked before. */
  | { type: 'llm-requests' };

/** How often the language model was asked, by the instructions that it was asked with. */
export type LlmRequests = Record<string, number>;
