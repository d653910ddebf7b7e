/**
 * A second model that listens: it is asked for a verdict on each thing the caller says, beside the model that answers
 * and without holding it up. Owns the asking; what a verdict means and whom it steers is the agent's.
 */
import { z } from 'zod';
import { AntipodeError, asAntipodeError } from '../../errors.ts';
import type { Conversation } from '../conversation.ts';
import { watchFor } from '../observe/index.ts';
import type { Llm, Tool } from '../services/llm.ts';
import type { Stage } from '../stage.ts';
import type { Turn } from '../turn.ts';
import type { AgentCall } from '../types.ts';
import { askModel } from './ask-model.ts';

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
const SILENCE_TIMEOUT_MS = 20_000;

export function judge<V>(options: JudgeOptions<V>): Stage {
  const { call, conversation, llm } = options;
  const tool: Tool = {
    name: TOOL_NAME,
    description: 'Give your verdict. Call it once, and say nothing.',
    parameters: options.verdict,
    run: () => '',
  };
  let asking: AbortController | null = null;

  const ask = async (controller: AbortController, turn: Turn): Promise<void> => {
    const { signal } = controller;
    try {
      const request = {
        instructions: options.instructions,
        entries: conversation.entries,
        said: '',
        tools: [tool],
        signal,
        watch: watchFor(call.observe, null),
      };
      const given: V[] = [];
      // To its end, for what the service counts comes last.
      for await (const event of askModel(llm, request, { clock: call.clock, silenceTimeoutMs: SILENCE_TIMEOUT_MS })) {
        if (event.type !== 'tool-call' || event.name !== TOOL_NAME) continue;
        given.push(options.verdict.parse(JSON.parse(event.arguments)));
      }
      if (given.length === 0) throw new AntipodeError('ERR_SERVICE_FAILED', 'The judge gave no verdict.');
      // Words that may go on are no last words yet.
      await turn.whenCertain();
      if (turn.certain && !signal.aborted) tell(given[0]!, turn);
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

  const tell = (verdict: V, turn: Turn): void => {
    try {
      options.onVerdict(verdict);
    } catch (cause) {
      const failure = new AntipodeError('ERR_AGENT_FAILED', 'The agent failed at a verdict.', { cause });
      call.log.error({ err: failure, turn: turn.number }, 'a verdict could not be taken');
      return;
    }
    call.send({ type: 'custom', name: 'verdict', data: verdict });
  };

  return {
    name: 'judge',
    process(frame, emit) {
      emit(frame);
      if (frame.kind !== 'transcript' || !frame.final || frame.text === '') return;
      asking?.abort();
      asking = new AbortController();
      // Not awaited: a verdict may outlive the turn that it is about.
      void ask(asking, frame.turn);
    },
    close() {
      asking?.abort();
      asking = null;
    },
  };
}
