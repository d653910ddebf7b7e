/** Language models as a pipeline sees them: one interface for every service, the context in, words and calls out. */
import type { z } from 'zod';
import type { ConversationEntry } from '../conversation.ts';
import type { ServiceUsage, ServiceWatch } from '../observe/observation.ts';

/** What a model may call. */
export interface Tool {
  readonly name: string;
  /** What it does and when to call it, for the model. */
  readonly description: string;
  /** A run that takes longer is told to the model as failed, and its signal is aborted. @defaultValue 10000 */
  readonly timeoutMs?: number;
  /**
   * Runs to its end when the caller interrupts, and the model is told what it answered: for what must not be cut in the
   * middle, such as a booking. Otherwise its signal is aborted. @defaultValue false
   */
  readonly keepOnInterruption?: boolean;
  /**
   * May be run on the probable end of a turn, before it is certain, and run again: it changes nothing in the world.
   * Also what a taking-over core may run twice. @defaultValue false
   */
  readonly idempotent?: boolean;
  /** Said while it runs, when it takes longer than `fillerAfterMs`: a sentence, or one of several in turn. */
  readonly filler?: string | readonly string[];
  /** @defaultValue 700 */
  readonly fillerAfterMs?: number;
  /** Arguments; what a model writes is validated by it before `run` sees it. */
  readonly parameters: z.ZodType;
  /** Answers with words or JSON for the model. A thrown error is told to the model as a failed call. */
  run(input: unknown, context: ToolContext): Promise<string> | string;
}

export interface ToolContext {
  /** Aborted when the caller interrupts, and when the tool's time is over. */
  readonly signal: AbortSignal;
  /** End the call once the reply has been played. */
  hangUpAfterReply(reason: string): void;
}

export interface LlmRequest {
  /** Who the agent is and how it speaks. */
  readonly instructions: string;
  readonly entries: readonly ConversationEntry[];
  /** Words of this turn that were already said before a tool was called. */
  readonly said: string;
  readonly tools: readonly Tool[];
  readonly signal: AbortSignal;
  /** Told of each request that this one led to, once it is over. */
  readonly watch?: ServiceWatch;
}

export type LlmEvent =
  | { readonly type: 'text'; readonly text: string }
  | { readonly type: 'tool-call'; readonly callId: string; readonly name: string; readonly arguments: string }
  /** Once, at the end, by services that tell what they counted. */
  | { readonly type: 'usage'; readonly usage: ServiceUsage };

export interface Llm {
  /** Name in metrics and the catalogue, such as `openai`. */
  readonly name: string;
  /**
   * One round trip. Tool calls come whole, after the words.
   * @throws ERR_SERVICE_UNAVAILABLE | ERR_SERVICE_FAILED | ERR_SERVICE_TIMEOUT, or the signal's reason when aborted
   */
  respond(request: LlmRequest): AsyncIterable<LlmEvent>;
  /**
   * Have a connection open for a request that is about to come, as at the start of a call. Asks nothing that is billed;
   * should it fail, the request tells.
   */
  warm?(): void;
  /** End what is under way (ERR_SHUTTING_DOWN), and every connection; later requests fail. Idempotent. */
  close?(): void | Promise<void>;
}
