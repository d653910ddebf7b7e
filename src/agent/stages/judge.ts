/**
 * A second model that listens: it is asked for a verdict on each thing the caller says, beside the model that answers
 * and without holding it up. Owns the asking; what a verdict means and whom it steers is the agent's.
 */
import { z } from 'zod';
import { asAntipodeError } from '../../errors.ts';
import type { Conversation } from '../conversation.ts';
import { watchFor } from '../observe/index.ts';
import type { Llm, Tool } from '../services/llm.ts';
import type { Stage } from '../stage.ts';
import type { AgentCall } from '../types.ts';

export interface JudgeOptions<V> {
  call: Pick<AgentCall, 'send' | 'clock' | 'log' | 'observe'>;
  llm: Llm;
  conversation: Conversation;
  /** What is to be judged and by which rules. */
  instructions: string;
  /** The shape of a verdict; the model fills it in. */
  verdict: z.ZodType<V>;
  /** Told of each verdict; one that the caller's next words overtook is never told. */
  onVerdict(verdict: V): void;
}

const TOOL_NAME = 'give_verdict';

export function judge<V>(options: JudgeOptions<V>): Stage {
  const { call, conversation, llm } = options;
  const tool: Tool = {
    name: TOOL_NAME,
    description: 'Give your verdict. Call it once, and say nothing.',
    parameters: options.verdict,
    run: () => '',
  };
  let asking: AbortController | null = null;

  const ask = async (controller: AbortController): Promise<void> => {
    const { signal } = controller;
    try {
      for await (const event of llm.respond({
        instructions: options.instructions,
        entries: [...conversation.entries],
        said: '',
        tools: [tool],
        signal,
        watch: watchFor(call.observe, null),
      })) {
        if (event.type !== 'tool-call' || event.name !== TOOL_NAME || signal.aborted) continue;
        const verdict = options.verdict.parse(JSON.parse(event.arguments));
        options.onVerdict(verdict);
        call.send({ type: 'custom', name: 'verdict', data: verdict });
        return;
      }
    } catch (error) {
      if (signal.aborted) return;
      const unfit = error instanceof SyntaxError || error instanceof z.ZodError;
      const failure = asAntipodeError(
        error,
        'ERR_SERVICE_FAILED',
        unfit ? 'The verdict is malformed.' : 'The judge failed.',
      );
      call.observe({
        type: 'service-failed',
        turn: null,
        kind: 'llm',
        service: llm.name,
        code: failure.code,
        atMs: call.clock.now(),
      });
      call.log.warn({ err: failure, service: llm.name }, 'the judge gave no verdict');
    } finally {
      if (asking === controller) asking = null;
    }
  };

  return {
    name: 'judge',
    process(frame, emit) {
      emit(frame);
      if (frame.kind !== 'transcript' || !frame.final || frame.text === '') return;
      asking?.abort();
      asking = new AbortController();
      // Not awaited: a verdict may outlive the turn that it is about.
      void ask(asking);
    },
    close() {
      asking?.abort();
      asking = null;
    },
  };
}
