/**
 * Keeps the context within a budget: once a turn is over and the context is longer than that, a model is asked for a
 * summary of its oldest part, in the background. Owns the asking; no turn ever waits for it, and a summary that fails
 * leaves every entry where it is.
 */
import type { Timer } from '../../clock.ts';
import { AntipodeError, asAntipodeError } from '../../errors.ts';
import { estimateTokens, SUMMARY_INSTRUCTIONS, summarizable, transcriptOf } from '../context/index.ts';
import type { Conversation, ConversationEntry } from '../conversation.ts';
import { watchFor } from '../observe/index.ts';
import type { Llm } from '../services/llm.ts';
import type { Stage } from '../stage.ts';
import type { AgentCall } from '../types.ts';
import { askModel } from './ask-model.ts';

export interface SummarizeOptions {
  call: Pick<AgentCall, 'clock' | 'log' | 'observe'>;
  llm: Llm;
  conversation: Conversation;
  /** The context is shortened beyond this, in estimated tokens: a quarter of its characters. */
  maxTokens?: number;
  /** The last entries stay as they are, at least so many. */
  keepEntries?: number;
  /** After a failure it is not tried again for this long. */
  retryAfterMs?: number;
  /** A summary that takes longer is given up. */
  timeoutMs?: number;
}

export const SUMMARIZE_DEFAULTS = {
  maxTokens: 6_000,
  keepEntries: 12,
  retryAfterMs: 30_000,
  timeoutMs: 30_000,
} as const satisfies Partial<SummarizeOptions>;

/** A model that does not stop is cut here, characters. */
const MAX_SUMMARY_LENGTH = 8_000;

export function summarize(options: SummarizeOptions): Stage {
  return new Summarize({ ...SUMMARIZE_DEFAULTS, ...options });
}

class Summarize implements Stage {
  readonly name = 'summarize';
  readonly #options: Required<SummarizeOptions>;
  #asking: AbortController | null = null;
  #notBeforeMs = 0;
  #closed = false;

  constructor(options: Required<SummarizeOptions>) {
    this.#options = options;
  }

  process(...[frame, emit]: Parameters<Stage['process']>): void {
    emit(frame);
    if (frame.kind === 'turn-ended') frame.turn.onSettled(() => this.#look());
  }

  #look(): void {
    const { call, conversation, maxTokens, keepEntries } = this.#options;
    if (this.#closed || this.#asking !== null || call.clock.now() < this.#notBeforeMs) return;
    if (estimateTokens(conversation.entries) <= maxTokens) return;
    const oldest = summarizable(conversation.entries, keepEntries);
    // Not awaited: the call goes on meanwhile.
    if (oldest.length > 0) void this.#shorten(oldest);
  }

  async #shorten(oldest: readonly ConversationEntry[]): Promise<void> {
    const { call, conversation, timeoutMs, retryAfterMs, llm } = this.#options;
    const controller = new AbortController();
    this.#asking = controller;
    const timer: Timer = call.clock.setTimeout(() => {
      controller.abort(new AntipodeError('ERR_SERVICE_TIMEOUT', `No summary within ${timeoutMs} ms.`));
    }, timeoutMs);
    try {
      const text = await this.#ask(oldest, controller.signal);
      if (text.length >= transcriptOf(oldest).length) {
        throw new AntipodeError('ERR_SERVICE_FAILED', 'The summary is no shorter than what it sums up.');
      }
      if (conversation.summarized(oldest, text)) {
        call.observe({ type: 'context-summarized', entries: oldest.length, atMs: call.clock.now() });
      } else {
        call.log.info({ entries: oldest.length }, 'a summary was dropped: the context has changed under it');
      }
    } catch (error) {
      if (this.#closed) return;
      const failure = asAntipodeError(error, 'ERR_SERVICE_FAILED', 'The context could not be summarized.');
      const atMs = call.clock.now();
      this.#notBeforeMs = atMs + retryAfterMs;
      const { code } = failure;
      call.observe({ type: 'service-failed', turn: null, kind: 'llm', service: llm.name, code, atMs });
      call.log.warn({ err: failure, service: llm.name, entries: oldest.length }, 'the context was not summarized');
    } finally {
      timer.cancel();
      this.#asking = null;
    }
  }

  async #ask(oldest: readonly ConversationEntry[], signal: AbortSignal): Promise<string> {
    const { call, llm, timeoutMs } = this.#options;
    const request = {
      instructions: SUMMARY_INSTRUCTIONS,
      entries: [{ role: 'caller', turn: 0, text: transcriptOf(oldest) }],
      said: '',
      tools: [],
      signal,
      watch: watchFor(call.observe, null),
    } as const;
    let text = '';
    for await (const event of askModel(llm, request, { clock: call.clock, silenceTimeoutMs: timeoutMs })) {
      if (event.type === 'text') text += event.text;
      if (text.length > MAX_SUMMARY_LENGTH) break;
    }
    text = text.trim().slice(0, MAX_SUMMARY_LENGTH);
    if (text === '') throw new AntipodeError('ERR_SERVICE_FAILED', 'The summary is empty.');
    return text;
  }

  close(): void {
    this.#closed = true;
    this.#asking?.abort(new AntipodeError('ERR_SERVICE_FAILED', 'The call is over.'));
  }
}
