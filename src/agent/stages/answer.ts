/**
 * What every answering stage has in common: which frames ask for an answer, words that can be spoken, and an apology
 * when this or an earlier stage failed. The answer itself comes from a script or a model, behind one function.
 */
import { AntipodeError } from '../../errors.ts';
import type { Emit, Stage } from '../stage.ts';
import type { Turn } from '../turn.ts';
import type { AgentCall } from '../types.ts';
import { SpeakableText } from './speakable-text.ts';

/** Words of a reply as they come, and how the call goes on. */
export interface ReplyWriter {
  say(text: string): void;
  /** What was said so far is spoken without waiting for what follows. */
  pause(): void;
  /** What was held back, as it might have gone on, goes out. */
  flush(): void;
  /** End the call once the reply has been played; the reason is for people. */
  hangUp(reason: string): void;
  /** All that went out to be spoken so far. */
  readonly said: string;
  /** The call ends after it. */
  readonly hangsUp: boolean;
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
  call: Pick<AgentCall, 'send' | 'clock' | 'log' | 'resumed'>;
  /** Leave out what cannot be spoken: marks of markdown, emoji, the paths of addresses. @defaultValue false */
  spoken?: boolean;
  /** Writes the reply. A throw of it becomes an apology. Nothing said means nothing to say. */
  answer(question: Answerable, reply: ReplyWriter): void | Promise<void>;
  /**
   * Goes on with an answer that another core did not finish making: `rest` is to be said first. Without it no more is said.
   */
  goOn?(turn: Turn, rest: string, reply: ReplyWriter): Promise<void>;
  /** What to say when something failed. */
  apology(error: AntipodeError): string;
  onError(error: unknown, turn: Turn): AntipodeError;
}

/** When the agent's own apology fails too. */
const LAST_APOLOGY = 'Sorry, something went wrong.';

export function answering(options: AnswerOptions): Stage {
  const { call } = options;

  const run = async (turn: Turn, emit: Emit, write: (reply: ReplyWriter) => void | Promise<void>): Promise<void> => {
    const reply = new Reply(turn, options, emit);
    try {
      await write(reply);
    } catch (error) {
      if (turn.signal.aborted) return;
      reply.flush();
      apologize(turn, options.onError(error, turn), emit);
      return;
    }
    reply.flush();
    emit({ kind: 'reply-ended', turn, hangUp: reply.hangUpReason });
  };

  const answer = (question: Answerable, emit: Emit): Promise<void> =>
    run(question.turn, emit, (reply) => options.answer(question, reply));

  const goOn = (turn: Turn, emit: Emit): Promise<void> | undefined => {
    const saying = call.resumed?.saying;
    if (!saying || saying.complete) return;
    return run(turn, emit, (reply) => (options.goOn ? options.goOn(turn, saying.rest, reply) : reply.say(saying.rest)));
  };

  const apologize = (turn: Turn, error: AntipodeError, emit: Emit): void => {
    call.send({ type: 'notice', level: 'error', code: error.code, text: error.message });
    turn.marks.repliedAtMs ??= call.clock.now();
    emit({ kind: 'reply-text', turn, text: `\n${apologyFor(error, turn)}` });
    emit({ kind: 'reply-ended', turn, hangUp: null });
  };

  const apologyFor = (error: AntipodeError, turn: Turn): string => {
    try {
      return options.apology(error);
    } catch (cause) {
      const failure = new AntipodeError('ERR_AGENT_FAILED', "The agent's apology failed.", { cause });
      call.log.error({ err: failure, stage: options.name, turn: turn.number }, 'an apology failed');
      return LAST_APOLOGY;
    }
  };

  return {
    name: options.name,
    process(frame, emit) {
      switch (frame.kind) {
        case 'turn-ended':
          emit(frame);
          if (frame.turn.cause === 'call') return answer({ turn: frame.turn, text: null, voicedMs: 0 }, emit);
          return frame.turn.cause === 'resumed' ? goOn(frame.turn, emit) : undefined;
        case 'transcript':
          emit(frame);
          // After a long silence the agent speaks of itself: whoever noticed it brings the words.
          if (!frame.final || frame.turn.cause === 'idle') return;
          return answer({ turn: frame.turn, text: frame.text, voicedMs: frame.voicedMs }, emit);
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

class Reply implements ReplyWriter {
  readonly #turn: Turn;
  readonly #call: AnswerOptions['call'];
  readonly #emit: Emit;
  readonly #speakable: SpeakableText | null;
  said = '';
  hangUpReason: string | null = null;

  constructor(turn: Turn, { call, spoken }: AnswerOptions, emit: Emit) {
    this.#turn = turn;
    this.#call = call;
    this.#emit = emit;
    this.#speakable = spoken ? new SpeakableText() : null;
  }

  get hangsUp(): boolean {
    return this.hangUpReason !== null;
  }

  say(text: string): void {
    if (text.trim() !== '') this.#turn.marks.repliedAtMs ??= this.#call.clock.now();
    this.#give(this.#speakable === null ? text : this.#speakable.push(text));
  }

  pause(): void {
    this.flush();
    // The end of a sentence shows by the space after it, and one without a mark by the end of its line.
    if (this.said !== '' && !/\s$/.test(this.said)) this.#give(/[.!?]["')\]]*$/.test(this.said) ? ' ' : '\n');
  }

  hangUp(reason: string): void {
    this.hangUpReason = reason;
  }

  flush(): void {
    if (this.#speakable !== null) this.#give(this.#speakable.finish());
  }

  #give(text: string): void {
    if (text === '') return;
    if (this.said === '' && text.trim() === '') return;
    this.said += text;
    this.#emit({ kind: 'reply-text', turn: this.#turn, text });
  }
}
