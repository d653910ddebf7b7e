/**
 * Runs the tools that a model calls: validated arguments in, words for the model out, within a time. A failure of any
 * kind is an answer too, which the model can put in words. Owns no context and no order: calls of one round run side by
 * side.
 */
import type { LlmEvent, Tool } from '../services/llm.ts';
import type { AgentCall } from '../types.ts';

export type ToolCall = Extract<LlmEvent, { type: 'tool-call' }>;

export interface ToolRunnerOptions {
  call: Pick<AgentCall, 'clock' | 'log'>;
  tools: readonly Tool[];
  /** A tool wants the call to end once the reply has been played. */
  hangUp(reason: string): void;
}

export const DEFAULT_TOOL_TIMEOUT_MS = 10_000;
/** Longest answer that a model is given, characters. */
const MAX_RESULT_LENGTH = 16_000;

export class ToolRunner {
  readonly #options: ToolRunnerOptions;

  constructor(options: ToolRunnerOptions) {
    this.#options = options;
  }

  /** Never rejects; an interrupted turn (`signal`) answers as soon as it is interrupted. */
  async run(toolCall: ToolCall, signal: AbortSignal): Promise<string> {
    const { tools, call } = this.#options;
    const tool = tools.find(({ name }) => name === toolCall.name);
    if (tool === undefined) return failed(`there is no tool "${toolCall.name}"`);
    try {
      const input = tool.parameters.safeParse(JSON.parse(toolCall.arguments === '' ? '{}' : toolCall.arguments));
      if (!input.success) {
        return failed(input.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`).join('; '));
      }
      const result = await this.#inTime(tool, input.data, signal);
      return result.length > MAX_RESULT_LENGTH ? `${result.slice(0, MAX_RESULT_LENGTH)} [cut]` : result;
    } catch (error) {
      if (error instanceof SyntaxError) return failed('the arguments are not JSON');
      if (error instanceof TookTooLong) {
        call.log.warn({ tool: tool.name, timeoutMs: error.timeoutMs }, 'a tool took too long');
        return failed('it took too long');
      }
      if (!signal.aborted) call.log.warn({ err: error, tool: toolCall.name }, 'a tool failed');
      return failed('it failed');
    }
  }

  #inTime(tool: Tool, input: unknown, turnSignal: AbortSignal): Promise<string> {
    const timeoutMs = tool.timeoutMs ?? DEFAULT_TOOL_TIMEOUT_MS;
    const stop = new AbortController();
    return new Promise((resolve, reject) => {
      const end = (reason: unknown) => {
        stop.abort(reason);
        reject(reason);
      };
      const onAbort = () => end(turnSignal.reason);
      const timer = this.#options.call.clock.setTimeout(() => end(new TookTooLong(timeoutMs)), timeoutMs);
      const settle = () => {
        timer.cancel();
        turnSignal.removeEventListener('abort', onAbort);
      };
      stop.signal.addEventListener('abort', settle, { once: true });
      if (turnSignal.aborted) {
        onAbort();
        return;
      }
      turnSignal.addEventListener('abort', onAbort, { once: true });
      const context = { signal: stop.signal, hangUpAfterReply: (reason: string) => this.#options.hangUp(reason) };
      // In a promise, so that a tool that throws at once is one that rejects.
      Promise.resolve()
        .then(() => tool.run(input, context))
        .then(resolve, reject)
        .finally(settle);
    });
  }
}

class TookTooLong extends Error {
  readonly timeoutMs: number;

  constructor(timeoutMs: number) {
    super(`no answer within ${timeoutMs} ms`);
    this.timeoutMs = timeoutMs;
  }
}

function failed(reason: string): string {
  return JSON.stringify({ error: reason });
}
