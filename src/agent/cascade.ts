/**
 * An agent's usual chain in one call: hear, take turns, transcribe, answer by a model, speak, with the services that this
 * node is configured with. Owns no stage and no service; an agent that wants another chain composes its own.
 */
import type { AntipodeError } from '../errors.ts';
import type { AgentServices } from './agent-services.ts';
import { announceParticipants } from './announce.ts';
import type { Conversation } from './conversation.ts';
import { conversationOf } from './conversation-of.ts';
import type { AgentNotice } from './define-agent.ts';
import type { HedgeOptions } from './services/book/index.ts';
import type { Tool } from './services/llm.ts';
import { type Chain, chain, type Part, parallel } from './stage.ts';
import { type AnswerByModelOptions, answerByModel, type Greeting } from './stages/answer-by-model.ts';
import { answerByScript } from './stages/answer-by-script.ts';
import { hearContinuously } from './stages/hear-continuously.ts';
import { listen } from './stages/listen.ts';
import { speak } from './stages/speak.ts';
import { type SummarizeOptions, summarize } from './stages/summarize.ts';
import { transcribe } from './stages/transcribe.ts';
import { firstOf } from './turn-taking/ends/first-of.ts';
import { silence } from './turn-taking/ends/silence.ts';
import { smartEnd } from './turn-taking/ends/smart-end.ts';
import { sttEnd } from './turn-taking/ends/stt-end.ts';
import { IDLE_DEFAULTS } from './turn-taking/idle-watch.ts';
import { type TakeTurnsOptions, takeTurns } from './turn-taking/take-turns.ts';
import type { AgentCall, Leg } from './types.ts';

/** What a cascade uses of what a node has. */
export type CascadeServices = Pick<AgentServices, 'vad' | 'flite' | 'stack' | 'smartTurn'>;

export interface CascadeOptions {
  call: AgentCall;
  services: CascadeServices;
  /** Who the agent is and how it speaks; a function is asked anew for every request. */
  instructions: string | ((now: Date) => string);
  /** Said first; empty to wait for the caller. */
  greeting: Greeting;
  tools?: readonly Tool[];
  /** Where the words are kept; bring your own to read it, or to go on with one that was exported. */
  conversation?: Conversation;
  /** Said when speech was heard and no words were understood. */
  notUnderstood?: string;
  /** Said when a service failed and no other took over. */
  apology?(error: AntipodeError): string;
  /** How the model's stage is set beyond that. */
  answer?: Partial<
    Pick<AnswerByModelOptions, 'nothingToSay' | 'spoken' | 'maxRounds' | 'maxCharacters' | 'silenceTimeoutMs'>
  >;
  /**
   * How turns are taken. Without `endOfTurn` their ends are judged by the speech to text where it detects them and by
   * Smart Turn where it is loaded, else by silence. Without `idle` a silent caller is asked, in English, and let go.
   */
  turns?: Partial<Omit<TakeTurnsOptions, 'call'>>;
  /** When a second service is asked for the same answer; without it as the node is configured. */
  hedge?: Partial<HedgeOptions>;
  /** When the context becomes a summary; null: never. */
  context?: Partial<Pick<SummarizeOptions, 'maxTokens' | 'keepEntries'>> | null;
  /** In a room, whether the model is told who comes and goes. @defaultValue true */
  announceParticipants?: boolean;
  /** What hears the same words beside the answering model, such as a judge. */
  beside?: Part;
}

/** A service that detects turns decides; where it says nothing, this does. */
const LONGER_THAN_A_SERVICE = { endMs: 800 } as const;

export const CASCADE_DEFAULTS = {
  notUnderstood: 'Sorry, I did not catch that. Could you say it again?',
  apology: (error: AntipodeError) =>
    error.code === 'ERR_SERVICE_UNAVAILABLE'
      ? 'Sorry, I cannot reach my services at the moment. Please try again later.'
      : 'Sorry, something went wrong. Please say that again.',
} as const;

/** Why a cascade has nothing to run on, and what to do. */
export const SERVICES_MISSING =
  'This agent needs speech recognition, a language model and a voice: start the server with OPENAI_API_KEY set, ' +
  'or choose services in the configuration.';

/**
 * The usual chain. On a node without services the call is answered all the same: it hears what is missing, by the local
 * voice when there is one, and ends.
 *
 * @example
 * ```ts
 * pipeline: (call, services) =>
 *   cascade({ call, services, instructions: 'You take orders for coffee.', greeting: 'Good morning!' }),
 * ```
 */
export function cascade(options: CascadeOptions): Chain {
  const { call, services, instructions, greeting, context, beside, hedge } = options;
  const conversation = options.conversation ?? conversationOf(call);
  const { stack, flite, vad, smartTurn } = services;
  if (stack === null) return withoutServices(call, flite, conversation);
  const { llm, tts } = hedge === undefined ? stack : stack.hedged(hedge);
  const { turnDetector } = stack;
  stack.warm();
  if (options.announceParticipants ?? true) announceParticipants({ call, conversation });
  const hearing =
    turnDetector === null
      ? null
      : hearContinuously({ call, stt: turnDetector, spare: turnDetector.spare ?? stack.stt });
  const judge = smartTurn === null ? null : smartEnd({ model: smartTurn, log: call.log });
  const endOfTurn = hearing === null ? judge : firstOf(sttEnd(), judge ?? silence(LONGER_THAN_A_SERVICE));
  const answer = answerByModel({
    call,
    llm,
    conversation,
    instructions: typeof instructions === 'string' ? () => instructions : instructions,
    greeting,
    notUnderstood: options.notUnderstood ?? CASCADE_DEFAULTS.notUnderstood,
    tools: options.tools ?? [],
    apology: options.apology ?? CASCADE_DEFAULTS.apology,
    ...options.answer,
  });
  return chain(
    listen({ call, vad }),
    ...(hearing === null ? [] : [hearing.stage]),
    takeTurns({
      greets: greeting !== '',
      idle: IDLE_DEFAULTS,
      ...(endOfTurn !== null && { endOfTurn }),
      ...options.turns,
      call,
    }),
    transcribe({ call, conversation, stt: hearing?.stt ?? stack.stt }),
    beside === undefined ? answer : parallel(answer, beside),
    ...(context === null ? [] : [summarize({ call, llm, conversation, ...context })]),
    speak({ call, conversation, tts, spareTts: 'missing' in flite ? null : flite }),
  );
}

/** What `legs` of a cascade is. */
export function cascadeLegs({ stack }: CascadeServices): readonly Leg[] {
  return stack?.legs ?? [{ kind: 'tts', service: 'flite', k: 1, local: true }];
}

/** What `notices` of a cascade is. */
export function cascadeNotices({ stack }: CascadeServices): readonly AgentNotice[] {
  if (stack === null) return [{ level: 'warning', code: 'services-missing', text: SERVICES_MISSING }];
  const text = `This agent sends what you say to these services: ${stack.names.join(', ')}.`;
  return [{ level: 'info', code: 'services', text }];
}

function withoutServices(call: AgentCall, tts: CascadeServices['flite'], conversation: Conversation): Chain {
  const script = {
    initial: null,
    greet: () => ({ state: null, say: `Sorry. ${SERVICES_MISSING}`, hangUp: SERVICES_MISSING }),
    respond: () => ({ state: null, say: '' }),
    apology: () => `Sorry. ${SERVICES_MISSING}`,
  };
  return chain(takeTurns({ call }), answerByScript({ call, script }), speak({ call, conversation, tts }));
}
