/**
 * Answers from a language model: the context goes out, words come back as they are made, tools are run and the model
 * is asked again. Owns the rounds of one turn; the wire is the service's.
 */
import { type AntipodeError, asAntipodeError } from '../../errors.ts';
import type { Conversation } from '../conversation.ts';
import { watchFor } from '../observe/index.ts';
import type { Llm, Tool } from '../services/llm.ts';
import type { Stage } from '../stage.ts';
import type { AgentCall } from '../types.ts';
import { answering } from './answer.ts';
import { type ToolCall, ToolRunner } from './tool-runner.ts';

export interface AnswerByModelOptions {
  call: Pick<AgentCall, 'send' | 'clock' | 'log' | 'observe'>;
  llm: Llm;
  conversation: Conversation;
  instructions(now: Date): string;
  /** Said first, without asking the model. */
  greeting: string;
  /** Said when speech was heard and no words were understood. */
  notUnderstood: string;
  tools: readonly Tool[];
  apology(error: AntipodeError): string;
  /** Round trips in one turn. */
  maxRounds?: number;
}

export const ANSWER_BY_MODEL_DEFAULTS = { maxRounds: 5 } as const;

export function answerByModel(options: AnswerByModelOptions): Stage {
  const { call, conversation, llm } = options;
  const maxRounds = options.maxRounds ?? ANSWER_BY_MODEL_DEFAULTS.maxRounds;
  return answering({
    name: 'answer-by-model',
    call,
    async answer({ turn, text }, reply) {
      if (text === null || text === '') {
        reply.say(text === null ? options.greeting : options.notUnderstood);
        return;
      }
      const runner = new ToolRunner({ call, tools: options.tools, hangUp: (reason) => reply.hangUp(reason) });
      let said = '';
      for (let round = 0; round < maxRounds; round++) {
        const calls: ToolCall[] = [];
        for await (const event of llm.respond({
          instructions: options.instructions(call.clock.date()),
          entries: conversation.entries,
          said,
          // The last round has to end in words.
          tools: round + 1 < maxRounds ? options.tools : [],
          signal: turn.signal,
          watch: watchFor(call.observe, turn.number),
        })) {
          if (event.type === 'usage') continue;
          if (event.type === 'tool-call') {
            calls.push(event);
            continue;
          }
          said += event.text;
          reply.say(event.text);
        }
        if (calls.length === 0) return;
        const results = await Promise.all(calls.map((toolCall) => runner.run(toolCall, turn.signal)));
        if (turn.signal.aborted) throw turn.signal.reason;
        for (const [index, toolCall] of calls.entries()) conversation.toolAnswered(turn, toolCall, results[index]!);
        if (said !== '' && !/\s$/.test(said)) {
          said += ' ';
          reply.say(' ');
        }
      }
    },
    apology: options.apology,
    onError(error, turn) {
      const failure = asAntipodeError(error, 'ERR_SERVICE_FAILED', 'The language model failed.');
      call.observe({
        type: 'service-failed',
        turn: turn.number,
        kind: 'llm',
        service: llm.name,
        code: failure.code,
        atMs: call.clock.now(),
      });
      call.log.warn({ err: failure, service: llm.name, turn: turn.number }, 'the language model failed');
      return failure;
    },
  });
}
