/**
 * Answers from a language model: the context goes out, words come back as they are made, tools are run and the model
 * is asked again. Owns the rounds of one turn; the wire is the service's.
 */
import { type AntipodeError, asAntipodeError } from '../../errors.ts';
import type { AgentMetrics } from '../agent-metrics.ts';
import type { Conversation } from '../conversation.ts';
import type { Llm, LlmEvent, Tool, ToolContext } from '../services/llm.ts';
import type { Stage } from '../stage.ts';
import type { AgentCall } from '../types.ts';
import { answering } from './answer.ts';

export interface AnswerByModelOptions {
  call: Pick<AgentCall, 'send' | 'clock' | 'log'>;
  llm: Llm;
  conversation: Conversation;
  metrics: AgentMetrics;
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

type ToolCall = Extract<LlmEvent, { type: 'tool-call' }>;

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
      const context: ToolContext = { signal: turn.signal, hangUpAfterReply: (reason) => reply.hangUp(reason) };
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
        })) {
          if (event.type === 'tool-call') {
            calls.push(event);
            continue;
          }
          said += event.text;
          reply.say(event.text);
        }
        if (calls.length === 0) return;
        for (const toolCall of calls) {
          const result = await runTool(options.tools, toolCall, context, options);
          if (turn.signal.aborted) throw turn.signal.reason;
          conversation.toolAnswered(turn, toolCall, result);
        }
        if (said !== '' && !/\s$/.test(said)) {
          said += ' ';
          reply.say(' ');
        }
      }
    },
    apology: options.apology,
    onError(error, turn) {
      const failure = asAntipodeError(error, 'ERR_SERVICE_FAILED', 'The language model failed.');
      options.metrics.serviceFailed('llm', llm.name, failure);
      call.log.warn({ err: failure, service: llm.name, turn: turn.number }, 'the language model failed');
      return failure;
    },
  });
}

/** What a tool answers; its failure is an answer too, which the model can put in words. */
async function runTool(
  tools: readonly Tool[],
  toolCall: ToolCall,
  context: ToolContext,
  { call }: AnswerByModelOptions,
): Promise<string> {
  const tool = tools.find(({ name }) => name === toolCall.name);
  if (tool === undefined) return failed(`there is no tool "${toolCall.name}"`);
  try {
    const input = tool.parameters.safeParse(JSON.parse(toolCall.arguments === '' ? '{}' : toolCall.arguments));
    if (!input.success) {
      return failed(input.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`).join('; '));
    }
    return await tool.run(input.data, context);
  } catch (error) {
    if (error instanceof SyntaxError) return failed('the arguments are not JSON');
    call.log.warn({ err: error, tool: toolCall.name }, 'a tool failed');
    return failed('it failed');
  }
}

function failed(reason: string): string {
  return JSON.stringify({ error: reason });
}
