/**
 * The tools of a speech-to-speech service: run as those of any model, with one thing more. A service waits for the result
 * of each call of its own, so a tool that is kept on an interruption is answered when it has really ended.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import type { Conversation } from '../conversation.ts';
import type { Tool } from '../services/llm.ts';
import type { Turn } from '../turn.ts';
import type { AgentCall } from '../types.ts';
import { type ToolCall, type ToolReply, ToolRunner } from './tool-runner.ts';

export interface ConverseToolsOptions {
  call: Pick<AgentCall, 'clock' | 'log' | 'observe'>;
  tools: readonly Tool[];
  conversation: Conversation;
  /** Tell the service what a call answered, once. */
  answer(callId: string, result: string): void;
}

/** What a call's tool will answer, when it is kept on an interruption. */
interface Kept {
  result: Promise<string> | null;
}

/** Characters, as of any other result. */
const MAX_KEPT_LENGTH = 16_000;

export class ConverseTools {
  readonly #options: ConverseToolsOptions;
  readonly #runner: ToolRunner;
  /** The runner hands a tool no name of its call; this tells which one it runs for. */
  readonly #running = new AsyncLocalStorage<Kept>();

  constructor(options: ConverseToolsOptions) {
    this.#options = options;
    const { call, conversation } = options;
    this.#runner = new ToolRunner({ call, conversation, tools: options.tools.map((tool) => this.#watched(tool)) });
  }

  #watched(tool: Tool): Tool {
    if (!tool.keepOnInterruption) return tool;
    return {
      ...tool,
      run: (input, context) => {
        const result = Promise.resolve(tool.run(input, context));
        const kept = this.#running.getStore();
        if (kept) kept.result = result;
        return result;
      },
    };
  }

  /** The agent said something else for this turn just now. */
  spoke(turn: Turn): void {
    this.#runner.spoke(turn);
  }

  /** Never rejects. */
  async run(toolCall: ToolCall, turn: Turn, reply: ToolReply): Promise<void> {
    const kept: Kept = { result: null };
    let result = await this.#running.run(kept, () => this.#runner.run(toolCall, turn, reply));
    if (turn.signal.aborted && kept.result !== null) {
      result = await kept.result.then(
        (text) => text.slice(0, MAX_KEPT_LENGTH),
        () => JSON.stringify({ error: 'it failed' }),
      );
    }
    this.#options.answer(toolCall.callId, result);
  }
}
