/**
 * Answers from a script: a pure dialog `(state, words) -> (state, reply)`, without a model. Owns the dialog's state
 * and takes a step back when nothing of the reply was heard and the caller went on.
 */
import { type AntipodeError, asAntipodeError } from '../../errors.ts';
import type { Stage } from '../stage.ts';
import type { Turn } from '../turn.ts';
import type { AgentCall } from '../types.ts';
import { answering } from './answer.ts';

export interface ScriptStep<S> {
  readonly state: S;
  /** What to say; empty to stay silent. */
  readonly say: string;
  /** Ends the call after the words: the reason, for people. */
  readonly hangUp?: string;
}

export interface Script<S> {
  readonly initial: S;
  greet(state: S, now: Date): ScriptStep<S>;
  /**
   * @param words the caller's; empty when speech was not understood
   * @param voicedMs how much voice was behind them; 0 for typed words
   */
  respond(state: S, words: string, voicedMs: number, now: Date): ScriptStep<S>;
  apology(error: AntipodeError): string;
}

export interface AnswerByScriptOptions<S> {
  call: Pick<AgentCall, 'send' | 'clock' | 'log' | 'journal' | 'resumed'>;
  script: Script<S>;
}

export function answerByScript<S>({ call, script }: AnswerByScriptOptions<S>): Stage {
  // A state went through JSON on its way from the former core.
  let state = (call.resumed?.script as S | undefined) ?? script.initial;
  let last: { turn: Turn; before: S } | null = null;
  return answering({
    name: 'answer-by-script',
    call,
    answer({ turn, text, voicedMs }, reply) {
      // The unheard reply never happened for the caller; its words are part of `text` now, or were none.
      if (last !== null && (turn.continues === last.turn || last.turn.signal.reason === 'rejected'))
        state = last.before;
      last = { turn, before: state };
      const now = call.clock.date();
      const step = text === null ? script.greet(state, now) : script.respond(state, text, voicedMs, now);
      call.journal?.note({ type: 'script', turn: turn.number, before: state, after: step.state });
      state = step.state;
      reply.say(step.say);
      if (step.hangUp !== undefined) reply.hangUp(step.hangUp);
    },
    apology: script.apology,
    onError(error, turn) {
      const failure = asAntipodeError(error, 'ERR_AGENT_FAILED', 'The script failed.');
      call.log.error({ err: failure, turn: turn.number }, 'the script failed');
      return failure;
    },
  });
}
