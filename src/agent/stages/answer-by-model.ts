/**
 * Answers from a language model: the context goes out, words come back as they are made, tools are run and the model
 * is asked again. Owns the rounds of one turn; the wire is the service's.
 */
import { AntipodeError, asAntipodeError } from '../../errors.ts';
import type { Conversation } from '../conversation.ts';
import { watchFor } from '../observe/index.ts';
import type { Llm, LlmRequest, Tool } from '../services/llm.ts';
import type { Stage } from '../stage.ts';
import type { Turn } from '../turn.ts';
import type { AgentCall } from '../types.ts';
import { answering, type ReplyWriter } from './answer.ts';
import { askModel } from './ask-model.ts';
import { type ToolCall, ToolRunner } from './tool-runner.ts';

/** What is said first: these words, or the model's, asked as told by `ask`, and `otherwise` when it has none. */
export type Greeting = string | { readonly ask: string; readonly otherwise: string };

export interface AnswerByModelOptions {
  call: Pick<AgentCall, 'send' | 'clock' | 'log' | 'observe' | 'resumed'>;
  llm: Llm;
  conversation: Conversation;
  instructions(now: Date): string;
  /** Empty to say nothing first. */
  greeting: Greeting;
  /** Said when speech was heard and no words were understood. */
  notUnderstood: string;
  /** Less voice than this without words is a cough or a chair: nothing is said. */
  noiseMs?: number;
  tools: readonly Tool[];
  apology(error: AntipodeError): string;
  /** Said when the model had no words. */
  nothingToSay?: string;
  /** Leave out what cannot be spoken: marks of markdown, emoji, the paths of addresses. */
  spoken?: boolean;
  /** Round trips in one turn. */
  maxRounds?: number;
  /** A model that writes more than this for one turn is cut off there; its caller would listen for a quarter of an hour. */
  maxCharacters?: number;
  /** A model that gives nothing for this long has failed. */
  silenceTimeoutMs?: number;
}

export const ANSWER_BY_MODEL_DEFAULTS = {
  nothingToSay: 'Sorry, I have no answer to that. Could you put it another way?',
  noiseMs: 400,
  spoken: true,
  maxRounds: 5,
  maxCharacters: 15_000,
  silenceTimeoutMs: 20_000,
} as const satisfies Partial<AnswerByModelOptions>;

type Settings = AnswerByModelOptions & Required<Pick<AnswerByModelOptions, keyof typeof ANSWER_BY_MODEL_DEFAULTS>>;

export function answerByModel(options: AnswerByModelOptions): Stage {
  const settings: Settings = { ...ANSWER_BY_MODEL_DEFAULTS, ...options };
  const model = new AnsweringModel(settings);
  return answering({
    name: 'answer-by-model',
    call: options.call,
    spoken: settings.spoken,
    async answer({ turn, text, voicedMs }, reply) {
      if (text === null) await model.greet(turn, reply);
      else if (text === '') reply.say(voicedMs < settings.noiseMs ? '' : settings.notUnderstood);
      else await model.answer(turn, reply);
    },
    goOn: (turn, rest, reply) => model.goOn(turn, rest, reply),
    apology: options.apology,
    onError: (error, turn) => model.failed(error, turn),
  });
}

type Entries = LlmRequest['entries'];

const GO_ON =
  '[A fault cut you off there. Go on with the very next word. Repeat nothing, and do not mention the fault.]';

class AnsweringModel {
  readonly #options: Settings;
  readonly #runner: ToolRunner;

  constructor(options: Settings) {
    this.#options = options;
    this.#runner = new ToolRunner(options);
  }

  async greet(turn: Turn, reply: ReplyWriter): Promise<void> {
    const { conversation, greeting } = this.#options;
    if (typeof greeting === 'string') {
      reply.say(greeting);
      return;
    }
    // Models answer somebody: what is asked of it stands where a caller's words would, in this request alone.
    const at = conversation.entries.length;
    const asked = { role: 'caller', turn: turn.number, text: `[${greeting.ask}]` } as const;
    try {
      await this.#rounds(turn, reply, () => conversation.entries.toSpliced(at, 0, asked));
    } catch (error) {
      if (turn.signal.aborted) throw error;
      this.failed(error, turn);
    }
    if (isSilent(reply)) reply.say(greeting.otherwise);
  }

  async answer(turn: Turn, reply: ReplyWriter): Promise<void> {
    const { call, conversation, llm, nothingToSay } = this.#options;
    await this.#rounds(turn, reply, () => conversation.entries);
    if (!isSilent(reply)) return;
    call.log.warn({ service: llm.name, turn: turn.number }, 'the language model had no words');
    reply.say(nothingToSay);
  }

  /** The model is shown its answer so far, and asked for what follows. */
  async goOn(turn: Turn, rest: string, reply: ReplyWriter): Promise<void> {
    const { conversation } = this.#options;
    reply.say(rest);
    reply.pause();
    const begun: Entries = [
      ...(rest === '' ? [] : [{ role: 'agent', turn: turn.number, text: rest, interrupted: false } as const]),
      { role: 'caller', turn: turn.number, text: GO_ON },
    ];
    try {
      await this.#rounds(turn, reply, () => [...conversation.entries, ...begun], reply.said.length);
    } catch (error) {
      if (turn.signal.aborted) throw error;
      // What was known of the answer is said.
      this.failed(error, turn);
    }
  }

  async #rounds(turn: Turn, reply: ReplyWriter, entries: () => Entries, from = 0): Promise<void> {
    const { call, llm, maxRounds } = this.#options;
    for (let round = 1; round <= maxRounds; round++) {
      const { calls, spoke } = await this.#ask(turn, reply, entries(), { mayCall: round < maxRounds, from });
      if (calls.length === 0) return;
      if (round === maxRounds) {
        call.log.warn({ service: llm.name, turn: turn.number, rounds: maxRounds }, 'the model calls tools without end');
        return;
      }
      reply.pause();
      if (spoke) this.#runner.spoke(turn);
      await this.#runner.runAll(calls, turn, {
        hangUp: (reason) => reply.hangUp(reason),
        filler: (sentence) => {
          reply.say(sentence);
          reply.pause();
        },
      });
      if (turn.signal.aborted) throw turn.signal.reason;
    }
  }

  /** One round trip: its words go out as they come. The last one has to end in words, so it is given no tools. */
  async #ask(turn: Turn, reply: ReplyWriter, entries: Entries, { mayCall, from }: { mayCall: boolean; from: number }) {
    const { call, llm, tools, silenceTimeoutMs, maxCharacters } = this.#options;
    const calls: ToolCall[] = [];
    let spoke = false;
    let characters = reply.said.length;
    const request = {
      instructions: this.#instructions(),
      entries,
      // With what was said while tools ran: the caller heard that too.
      said: reply.said.slice(from).trim(),
      tools: mayCall ? tools : [],
      signal: turn.signal,
      watch: watchFor(call.observe, turn.number),
    };
    for await (const event of askModel(llm, request, { clock: call.clock, silenceTimeoutMs })) {
      if (turn.signal.aborted) throw turn.signal.reason;
      if (event.type === 'tool-call') calls.push(event);
      if (event.type !== 'text') continue;
      spoke ||= event.text.trim() !== '';
      reply.say(event.text.slice(0, maxCharacters - characters));
      characters += event.text.length;
      if (characters < maxCharacters) continue;
      call.log.warn({ service: llm.name, turn: turn.number, maxCharacters }, 'the model writes without end: cut off');
      break;
    }
    return { calls, spoke };
  }

  #instructions(): string {
    const { call, instructions } = this.#options;
    try {
      return instructions(call.clock.date());
    } catch (cause) {
      throw new AntipodeError('ERR_AGENT_FAILED', "The agent's instructions failed.", { cause });
    }
  }

  /** Tell everybody what went wrong, but for the caller. */
  failed(error: unknown, turn: Turn): AntipodeError {
    const { call, llm } = this.#options;
    const failure = asAntipodeError(error, 'ERR_SERVICE_FAILED', 'The language model failed.');
    const { code } = failure;
    if (code === 'ERR_AGENT_FAILED') {
      call.log.error({ err: failure, turn: turn.number }, 'the agent failed');
      return failure;
    }
    const atMs = call.clock.now();
    call.observe({ type: 'service-failed', turn: turn.number, kind: 'llm', service: llm.name, code, atMs });
    call.log.warn({ err: failure, service: llm.name, turn: turn.number }, 'the language model failed');
    return failure;
  }
}

/** Nothing to be spoken, and no farewell by silence. */
function isSilent(reply: ReplyWriter): boolean {
  reply.flush();
  return reply.said.trim() === '' && !reply.hangsUp;
}
