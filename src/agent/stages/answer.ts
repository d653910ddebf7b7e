/**
 * What every answering stage has in common: which frames ask for an answer, and an apology in words when an earlier
 * stage failed. The answer itself comes from a script or a model, behind one function.
 */
import type { AntipodeError } from '../../errors.ts';
import type { Emit, Stage } from '../stage.ts';
import type { Turn } from '../turn.ts';
import type { AgentCall } from '../types.ts';

/** Words of a reply as they come, and how the call goes on. */
export interface ReplyWriter {
  say(text: string): void;
  /** End the call once the reply has been played; the reason is for people. */
  hangUp(reason: string): void;
}

/** What is to be answered. */
export interface Answerable {
  readonly turn: Turn;
  /** The caller's words; null for the greeting. Empty when speech was not understood. */
  readonly text: string | null;
  /** Voiced milliseconds behind the words. */
  readonly voicedMs: number;
}

export interface AnswerOptions {
  name: string;
  call: Pick<AgentCall, 'send' | 'clock'>;
  /** Writes the reply. A throw of it becomes an apology. Nothing said means nothing to say. */
  answer(question: Answerable, reply: ReplyWriter): void | Promise<void>;
  /** What to say when something failed. */
  apology(error: AntipodeError): string;
  onError(error: unknown, turn: Turn): AntipodeError;
}

export function answering(options: AnswerOptions): Stage {
  const run = async (question: Answerable, emit: Emit): Promise<void> => {
    const { turn } = question;
    let hangUp: string | null = null;
    const reply: ReplyWriter = {
      say(text) {
        if (text === '') return;
        turn.marks.repliedAtMs ??= options.call.clock.now();
        emit({ kind: 'reply-text', turn, text });
      },
      hangUp(reason) {
        hangUp = reason;
      },
    };
    try {
      await options.answer(question, reply);
    } catch (error) {
      if (turn.signal.aborted) return;
      apologize(turn, options.onError(error, turn), emit);
      return;
    }
    emit({ kind: 'reply-ended', turn, hangUp });
  };

  const apologize = (turn: Turn, error: AntipodeError, emit: Emit): void => {
    options.call.send({ type: 'notice', level: 'error', code: error.code, text: error.message });
    turn.marks.repliedAtMs ??= options.call.clock.now();
    emit({ kind: 'reply-text', turn, text: `\n${options.apology(error)}` });
    emit({ kind: 'reply-ended', turn, hangUp: null });
  };

  return {
    name: options.name,
    process(frame, emit) {
      switch (frame.kind) {
        case 'turn-ended':
          emit(frame);
          return frame.turn.cause === 'call' ? run({ turn: frame.turn, text: null, voicedMs: 0 }, emit) : undefined;
        case 'transcript':
          emit(frame);
          return frame.final ? run({ turn: frame.turn, text: frame.text, voicedMs: frame.voicedMs }, emit) : undefined;
        case 'turn-failed':
          apologize(frame.turn, frame.error, emit);
          return;
        default:
          emit(frame);
      }
    },
    close() {},
  };
}
